"""Types of options and small helpers that several commands share."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from tapetum.base.errors import UsageError, spelled
from tapetum.data.formats.registry import AUTO, FORMATS
from tapetum.structures.tasks import TASKS

Run = Annotated[Positional[Path], arg(metavar="RUN")]
Data = Annotated[Positional[str], arg(metavar="DATA")]
# The help of an option that may be left out says itself what happens then: no "(default: None)".
Folder = Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="")]
File = Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")]
Code = Annotated[str | None, arg(metavar="FILE.py:FUNCTION", help_behavior_hint="")]
Text = Annotated[str | None, arg(metavar="NAME", help_behavior_hint="")]
Number = Annotated[int | None, arg(metavar="N", help_behavior_hint="")]
Real = Annotated[float | None, arg(metavar="X", help_behavior_hint="")]
Names = Annotated[tuple[str, ...], arg(metavar="NAME", help_behavior_hint="")]
Pairs = Annotated[tuple[str, ...], arg(name="set", metavar="KEY=VALUE", help_behavior_hint="")]
Weights = Annotated[str, arg(metavar="W")]
Flag = Annotated[bool, arg(help_behavior_hint="")]
if TYPE_CHECKING:
    Format = str
    WrittenFormat = str
    TaskName = str
else:  # a literal of names that are listed elsewhere
    Format = Literal[(AUTO, *FORMATS)]
    WrittenFormat = Literal[FORMATS.written]
    TaskName = Literal[tuple(TASKS)]
Checkpoint = Literal["best", "last"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]


def parse_pairs(pairs: tuple[str, ...]) -> dict[str, Any]:
    """KEY=VALUE words as a dict; a value that is JSON is taken as JSON, else as text.

    Raises:
        UsageError: a word without a key or without "=".
    """
    result = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise UsageError(f"expected KEY=VALUE, got {pair!r}", option="arguments")
        try:
            result[key] = json.loads(value)
        except json.JSONDecodeError:
            result[key] = value
    return result


def print_json(value: Any) -> None:
    """Strict JSON on stdout."""
    json.dump(value, sys.stdout, indent=2, allow_nan=False, ensure_ascii=False)
    sys.stdout.write("\n")


def spell(parameter: str) -> str:
    """What the command line calls a parameter of the Python interface."""
    name = {"from_run": "from", "arguments": "set"}.get(parameter, parameter)
    return "--" + name.replace("_", "-")


def log(text: str) -> None:
    """A line about the work, on stderr, so that stdout holds the answer alone."""
    print(spelled(text, spell), file=sys.stderr, flush=True)


def progress(indices: Iterable[int], count: int) -> Iterator[int]:
    """`indices` with a progress bar on stderr, where that is a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(
        indices,
        description="images",
        total=count,
        console=console,
        disable=not console.is_terminal,
    )


def download_bar(pieces: Iterable[int], total: int | None, start: int) -> Iterator[int]:
    """`pieces` with a bar of the bytes on stderr, where that is a terminal."""
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    columns = (
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=console, disable=not console.is_terminal) as shown:
        task = shown.add_task("", total=total, completed=start)
        for size in pieces:
            shown.advance(task, size)
            yield size


def prepare_process() -> None:
    """What a command that computes does first: keep large blocks of memory in the process."""
    from tapetum.base.memory import tune_allocator

    tune_allocator()
