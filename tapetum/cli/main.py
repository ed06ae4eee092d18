"""`tapetum`: the commands, and the one place where errors become a line and an exit code.

Exit codes: 0 done; 1 failed; 2 wrong usage; 3 findings under --strict; 130 and 143 stopped by
Ctrl-C or SIGTERM. Nothing heavy is imported before a command runs, so that help comes at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from tapetum.base.cache_folder import cache_folder
from tapetum.base.errors import TapetumError, printable
from tapetum.cli import about, answers, datasets, exporting, learning
from tapetum.cli.options import spell
from tapetum.cli.parsing import parse

DESCRIPTION = """Computer vision from lectures to practice: train, measure, predict, explain.

Try it:
  tapetum demo                                   a detector in three minutes, nothing to download
  tapetum check DATA                             what is wrong with a dataset
  tapetum train retinanet DATA --out RUN         learn
  tapetum evaluate RUN                           COCO numbers
  tapetum predict RUN photo.jpg --out drawn      classes, boxes, masks

TAPETUM_DEBUG=1 (or --debug) shows the traceback of an error.
"""
COMMANDS = tuple(
    command
    for module in (learning, answers, datasets, exporting, about)
    for command in module.COMMANDS
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and exit with its code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Its cache of fonts belongs to ours: a command writes nowhere else.
    os.environ.setdefault("MPLCONFIGDIR", str(cache_folder() / "matplotlib"))
    debug = "--debug" in words or bool(os.environ.get("TAPETUM_DEBUG"))
    words = [word for word in words if word != "--debug"]
    if words == ["--version"]:
        print(about.version())
        return 0
    try:
        code = parse(COMMANDS, words, DESCRIPTION)()
    except Exception as error:
        if debug:
            raise
        return _say_error(error)
    except KeyboardInterrupt:
        return 130
    return int(code or 0)


def _say_error(error: Exception) -> int:
    """One line on stderr, whatever went wrong."""
    code = getattr(error, "exit_code", 1)
    if isinstance(error, BrokenPipeError):
        # The reader went away (as `head` does): nothing to say, and nobody to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(error, TapetumError):
        text = error.text(spell)
    elif hasattr(error, "exit_code"):
        text = printable(f"{error} (hint: train --resume RUN continues with the same bits)")
    else:
        from tapetum.base.custom_code import place_in_custom_code  # imports NumPy

        place = place_in_custom_code(error) or "internal error"
        text = printable(f"{place}: {type(error).__name__}: {error} (--debug shows where)")
    print(f"tapetum: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
