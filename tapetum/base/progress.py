"""How long work shows that it goes on: functions that a caller may pass in."""

from __future__ import annotations

from collections.abc import Callable, Iterable

Log = Callable[[str], None]
"""Is given a line about what is being done."""

Progress = Callable[[Iterable[int], int], Iterable[int]]
"""Wraps the indices of a long loop, given their number, to show how far it is."""


def no_log(_: str) -> None:
    """Log nothing.

    Args:
        _: the line.
    """


def no_progress(indices: Iterable[int], _: int) -> Iterable[int]:
    """Show no progress.

    Args:
        indices: of what is being worked on.
        _: ignored, how many there are.

    Returns:
        `indices`.
    """
    return indices
