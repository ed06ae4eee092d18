"""`python -m tapetum.testing MODEL [KEY=VALUE ...]`: the contract of one model, as a list."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from tapetum.base.errors import TapetumError, UsageError
from tapetum.testing import check_model


def main(arguments: Sequence[str]) -> int:
    """0: the contract is kept; 1: it is not; 2: wrong usage."""
    try:
        if not arguments or arguments[0].startswith("-"):
            raise UsageError("expected MODEL [KEY=VALUE ...]", hint="my_model.py:build width=16")
        report = check_model(arguments[0], arguments=dict(map(_pair, arguments[1:])), raises=False)
    except TapetumError as error:
        print(f"tapetum.testing: {error}", file=sys.stderr)
        return error.exit_code
    print(report)
    return 0 if report.ok else 1


def _pair(word: str) -> tuple[str, Any]:
    key, separator, value = word.partition("=")
    if not separator or not key:
        raise UsageError(f"expected KEY=VALUE, got {word!r}")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
