"""Which custom code may be run: files that the user named, with the content that they had then.

CACHE/trusted.json: {"schema": "tapetum.trusted/1", "code": {"/FILE.py:FUNCTION": the sha256 of the
file}}. It lies outside of all runs, and no run can add to it: that a run names code does not
count.
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
"""What was named in this process; counts also if the file cannot be written."""


def name(code: str, digest: str) -> None:
    """Allow code to be run in this process, because the user named it.

    Args:
        code: "/FILE.py:FUNCTION".
        digest: sha256 of the file.
    """
    _named[code] = digest


def keep(code: str, digest: str) -> None:
    """Allow code to be run in this process and by later commands, as long as its file does not
    change.

    Args:
        code: "/FILE.py:FUNCTION".
        digest: sha256 of the file.
    """
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
    """The contents of a file with which its code may be run.

    Args:
        code: "/FILE.py:FUNCTION".

    Returns:
        sha256 of the file when the user named the code; empty if that never happened.
    """
    both = (_named.get(code), _kept(cache_folder() / FILE).get(code))
    return {digest for digest in both if isinstance(digest, str)}


def tell(text: str) -> None:
    """Print a line on stderr, also where no log is shown: what concerns trust is never silent.

    Args:
        text: the line.
    """
    print(printable(text), file=sys.stderr, flush=True)


def _kept(path: Path) -> dict[str, str]:
    """The stored list; empty if another user owns the file, or it is not of this form."""
    try:
        if os.name == "posix" and path.stat().st_uid != os.geteuid():
            return {}
        raw = read_json(path)
        code = raw["code"] if raw["schema"] == SCHEMA else {}
        return code if isinstance(code, dict) else {}
    except (TapetumError, OSError, KeyError, TypeError):
        return {}
