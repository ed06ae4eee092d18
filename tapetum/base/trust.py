"""Which code of somebody's own may be run: that which the user named himself, as it was then.

CACHE/trusted.json: {"schema": "tapetum.trusted/1", "code": {"/FILE.py:FUNCTION": the sha256 of the
file}}. It lies outside of every run, and no run can add to it: a run that names code is not a user
who does.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tapetum.base.cache_folder import cache_folder
from tapetum.base.errors import TapetumError, printable
from tapetum.base.files import read_json, write_json
from tapetum.base.lock import held

FILE, SCHEMA = "trusted.json", "tapetum.trusted/1"
_named: dict[str, str] = {}
"""What was named in this process: it counts also where the list cannot be written."""


def name(code: str, digest: str) -> None:
    """The user named this code himself: it may be run in this process."""
    _named[code] = digest


def keep(code: str, digest: str) -> None:
    """The same, also by later commands, as long as the file stays as it is."""
    name(code, digest)
    path = cache_folder() / FILE
    if _kept(path).get(code) == digest:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with held(path.with_suffix(".lock")):
            write_json(path, {"schema": SCHEMA, "code": _kept(path) | {code: digest}})
    except (TapetumError, OSError) as error:
        tell(f"{code} will have to be named again: {error}")


def digests(code: str) -> set[str]:
    """The sha256 of the file as it was when the user named this code; empty if he never did."""
    both = (_named.get(code), _kept(cache_folder() / FILE).get(code))
    return {digest for digest in both if isinstance(digest, str)}


def tell(text: str) -> None:
    """A line on stderr, whoever listens: what concerns trust is never silent."""
    print(printable(text), file=sys.stderr, flush=True)


def _kept(path: Path) -> dict[str, str]:
    """The list; nothing where it is not ours, or not what we write: then one has to name again."""
    try:
        if os.name == "posix" and path.stat().st_uid != os.geteuid():
            return {}
        raw = read_json(path)
        code = raw["code"] if raw["schema"] == SCHEMA else {}
        return code if isinstance(code, dict) else {}
    except (TapetumError, OSError, KeyError, TypeError):
        return {}
