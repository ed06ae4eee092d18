"""Ctrl-C and SIGTERM set a flag; the loops poll it, save, and leave."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(Exception):
    """A signal stopped a training, which has saved a checkpoint; `exit_code` is 128 + signal."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signal_number).name}")
        self.exit_code = 128 + signal_number


class StopFlag:
    """Remembers the first signal to stop."""

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def check(self) -> None:
        """Raise Stopped if a signal has come. Polled between steps and between images."""
        if self.signal_number is not None:
            raise Stopped(self.signal_number)


@contextmanager
def stop_flag() -> Iterator[StopFlag]:
    """A flag raised by SIGINT (exit 130) and SIGTERM (143); the handlers before come back after.

    A second signal acts at once, as if there were no flag. Outside the main thread, where Python
    delivers no signals, the flag is never raised.
    """
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    numbers = (int(signal.SIGINT), int(signal.SIGTERM))
    before = {number: signal.getsignal(number) for number in numbers}

    def remember(number: int, _: FrameType | None) -> None:
        flag.signal_number = number
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, remember)
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
