"""Warnings of image decoders, collected as lines instead of being printed."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

_OURS = r"(PIL|tapetum\.data)(\.|$)"
_lock = threading.Lock()

# Pillow logs some refusals before it raises them, and `logging` prints what has no handler.
logging.getLogger("PIL").addHandler(logging.NullHandler())
_sinks = threading.local()


@contextlib.contextmanager
def captured(*, native: bool = False) -> Iterator[list[str]]:
    """Collect what the image decoders warn of, in this thread, as printable lines.

    Args:
        native: also what a C library writes to the error stream of the process (libtiff does).
            All threads share that stream, so use it only where it is needed.

    Yields:
        The list, which grows.
    """
    messages: list[str] = []
    with _python_warnings(messages):
        if native:
            with _error_stream(messages):
                yield messages
        else:
            yield messages


@contextlib.contextmanager
def _python_warnings(messages: list[str]) -> Iterator[None]:
    before = getattr(_sinks, "current", None)
    _WARNINGS.enter()
    _sinks.current = messages
    try:
        yield
    finally:
        _sinks.current = before
        _WARNINGS.leave()


@dataclass
class _SharedFilter:
    """The warning filter while any thread decodes: `warnings` has one state for all threads, so it
    is set by the first thread that enters and restored by the last one that leaves."""

    depth: int = 0
    saved: warnings.catch_warnings | None = None

    def enter(self) -> None:
        with _lock:
            self.depth += 1
            if self.depth == 1:
                self.saved = warnings.catch_warnings()
                self.saved.__enter__()
                warnings.filterwarnings("always", module=_OURS)
                warnings.showwarning = _to_sink(warnings.showwarning)

    def leave(self) -> None:
        with _lock:
            self.depth -= 1
            if self.depth == 0 and self.saved is not None:
                self.saved.__exit__(None, None, None)
                self.saved = None


_WARNINGS = _SharedFilter()


def _to_sink(usual: Any) -> Any:
    def show(message: Any, category: Any, filename: Any, lineno: Any, *more: Any) -> None:
        sink = getattr(_sinks, "current", None)
        if sink is None:
            usual(message, category, filename, lineno, *more)
        else:
            sink.append(" ".join(str(message).split()))

    return show


@contextlib.contextmanager
def _error_stream(messages: list[str]) -> Iterator[None]:
    with _lock:
        _STREAM.enter()
        start = _STREAM.position()
    try:
        yield
    finally:
        with _lock:
            messages += _STREAM.lines(start)
            _STREAM.leave()


@dataclass
class _SharedStream:
    """File descriptor 2 while any thread captures it: the first thread redirects it to a
    temporary file, the last one restores it. Without a usable descriptor it does nothing."""

    depth: int = 0
    original: int = -1
    catcher: IO[bytes] | None = None

    def enter(self) -> None:
        self.depth += 1
        if self.depth > 1:
            return
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        with contextlib.suppress(OSError):
            self.original = os.dup(2)
            self.catcher = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `leave`)
            os.dup2(self.catcher.fileno(), 2)

    def position(self) -> int:
        return 0 if self.catcher is None else os.fstat(self.catcher.fileno()).st_size

    def lines(self, start: int) -> list[str]:
        if self.catcher is None:
            return []
        text = os.pread(self.catcher.fileno(), 4096, start).decode("utf-8", "replace")
        return [" ".join(line.split()) for line in text.splitlines() if line.strip()]

    def leave(self) -> None:
        self.depth -= 1
        if self.depth == 0 and self.original >= 0:
            os.dup2(self.original, 2)
            os.close(self.original)
            self.original = -1
        if self.depth == 0 and self.catcher is not None:
            self.catcher.close()
            self.catcher = None


_STREAM = _SharedStream()
