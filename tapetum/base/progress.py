"""How long work shows that it goes on: functions that a caller may pass in."""

from __future__ import annotations

from collections.abc import Callable, Iterable

Log = Callable[[str], None]
"""Is told, in words, what is being done."""

Progress = Callable[[Iterable[int], int], Iterable[int]]
"""Wraps the indices of a long loop, given their number, to show how far it is."""


def no_log(_: str) -> None:
    """Say nothing."""


def no_progress(indices: Iterable[int], _: int) -> Iterable[int]:
    """Show no progress."""
    return indices
