"""The batches of CIFAR for Python, read without running anything.

They are pickles of protocol 2: programs for a stack machine, which can call whatever Python can
import. This machine knows the few instructions that dicts, lists, tuples, numbers and text need,
and three names: how NumPy builds an array of uint8, and how Python 3 writes bytes. Everything else
is refused by its name. What it builds is never more than a constant times the size of the file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from tapetum.base.errors import AnnotationError
from tapetum.base.files import read_bytes

_NAMES = {
    "numpy.core.multiarray _reconstruct": "array",
    "numpy._core.multiarray _reconstruct": "array",
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    "_codecs encode": "encode",
}


@dataclass(frozen=True)
class _Name:
    """One of the names that a batch may use; nothing is imported for it."""

    says: str


@dataclass
class _Array:
    """An array that is being built."""

    value: np.ndarray | None = None


class _Refused(Exception):
    """What the machine does not do, in words."""


_MARK = object()
_BROKEN = (IndexError, KeyError, ValueError, TypeError, AttributeError, struct.error)


def read_batch(path: Path, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 3072) uint8, planes of red, green, blue, and labels (N,) int64 of a batch.

    Raises:
        AnnotationError: not such a batch, or one that wants more than data; names what.
    """
    content = _content(path, limit)
    planes = _entry(content, "data")
    labels = _entry(content, "labels", "fine_labels")
    if not isinstance(planes, np.ndarray) or planes.ndim != 2 or planes.shape[1] != 3072:
        raise AnnotationError("its data are not rows of 3,072 bytes", file=path)
    whole = isinstance(labels, list) and all(type(label) is int for label in labels)
    if not whole or len(labels) != len(planes) or not len(planes):
        raise AnnotationError(f"it has no {len(planes):,} whole numbers as labels", file=path)
    if not all(abs(label) < 2**31 for label in labels):
        raise AnnotationError("its labels are out of range", file=path)
    return planes, np.array(labels, dtype=np.int64)


def read_names(path: Path, limit: int) -> tuple[str, ...]:
    """The class names in a file `batches.meta` or `meta`.

    Raises:
        AnnotationError: as for `read_batch`.
    """
    names = _entry(_content(path, limit), "label_names", "fine_label_names")
    texts = [_text(name) for name in names] if isinstance(names, list) else [None]
    if not all(texts):
        raise AnnotationError("it has no list of class names", file=path)
    return tuple(text for text in texts if text)


def _content(path: Path, limit: int) -> dict[Any, Any]:
    machine = _Machine(read_bytes(path, limit))
    try:
        content = machine.run()
    except _Refused as error:
        raise AnnotationError(str(error), file=path, where=f"byte {machine.place}") from error
    except _BROKEN as error:
        where = f"byte {machine.place}"
        raise AnnotationError("not a batch of CIFAR for Python", file=path, where=where) from error
    if not isinstance(content, dict):
        raise AnnotationError("a batch is a dict", file=path)
    return content


def _entry(content: dict[Any, Any], *names: str) -> Any:
    """The first entry that is there, whether Python 2 or 3 wrote its name."""
    keys = [key for name in names for key in (name.encode(), name)]
    value = next((content[key] for key in keys if key in content), None)
    return value.value if isinstance(value, _Array) else value


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else None


class _Machine:
    """A stack, a memory, and a place in the program."""

    def __init__(self, program: bytes) -> None:
        self.program, self.place, self.spent = program, 0, 0
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}

    def run(self) -> Any:
        """What is on top of the stack when the program stops."""
        while (code := self._take(1)) != b".":
            if code not in _STEPS:
                raise _Refused(f"it holds instruction {code!r}, which no batch needs")
            _STEPS[code](self)
        return self.stack.pop()

    def _take(self, count: int) -> bytes:
        if not 0 <= count <= len(self.program) - self.place:
            raise _Refused("it ends too early")
        self.place += count
        return self.program[self.place - count : self.place]

    def number(self, form: str) -> int:
        return struct.unpack("<" + form, self._take(struct.calcsize("<" + form)))[0]

    def line(self) -> str:
        end = self.program.index(b"\n", self.place)
        text = self._take(end - self.place).decode("ascii", "backslashreplace")
        self.place += 1
        return text

    def name(self) -> None:
        full = f"{self.line()} {self.line()}"
        if full not in _NAMES:
            raise _Refused(f"it wants {full.replace(' ', '.')}, which is code and not data")
        self.stack.append(_Name(_NAMES[full]))

    def text(self, form: str, encoding: str | None) -> None:
        data = self._take(self.number(form))
        self.stack.append(data if encoding is None else data.decode(encoding))

    def keep(self, form: str) -> None:
        self.memory[self.number(form)] = self.stack[-1]

    def recall(self, form: str) -> None:
        self.stack.append(self.memory[self.number(form)])

    def since_mark(self) -> list[Any]:
        """What was put on the stack after the last mark; both are taken off."""
        start = len(self.stack) - 1
        while self.stack[start] is not _MARK:
            start -= 1
            if start < 0:
                raise IndexError("no mark")
        items = self.stack[start + 1 :]
        del self.stack[start:]
        return items

    def tuple_of(self, count: int) -> None:
        items = tuple(self.stack[len(self.stack) - count :])
        if len(items) != count or _MARK in items:
            raise IndexError("too few on the stack")
        del self.stack[len(self.stack) - count :]
        self.stack.append(items)

    def extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise TypeError("no list")
        self.stack[-1].extend(items)

    def update(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not dict or len(items) % 2:
            raise TypeError("no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | bytes | int):
                raise TypeError("no key")
            self.stack[-1][key] = value

    def call(self) -> None:
        arguments, what = self.stack.pop(), self.stack.pop()
        says = what.says if isinstance(what, _Name) else None
        if says == "encode" and len(arguments) == 2 and arguments[1] == "latin1":
            self.stack.append(self.encoded(arguments[0]))
        elif says == "array" and arguments[0] == _Name("ndarray"):
            self.stack.append(_Array())
        elif says == "dtype" and arguments[0] in ("u1", b"u1"):
            self.stack.append(_Name("u1"))
        else:
            raise _Refused(f"it calls {says or 'something that is no name'} with other arguments")

    def encoded(self, text: str) -> bytes:
        """The bytes that Python 3 wrote as text; a text that is remembered may not multiply."""
        self.spent += len(text)
        if self.spent > len(self.program):
            raise _Refused("it unpacks to more than it holds")
        return text.encode("latin-1")

    def build(self) -> None:
        """Give an array its shape and bytes; a dtype's state says nothing for single bytes."""
        state, built = self.stack.pop(), self.stack[-1]
        if isinstance(built, _Array):
            _, shape, kind, by_columns, data = state
            sides = isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)
            right = sides and kind == _Name("u1") and isinstance(data, bytes)
            if not right or prod(shape) != len(data) or len(shape) > 2:
                raise _Refused("an array in it is not one of bytes in rows")
            flat = np.frombuffer(data, dtype=np.uint8)
            built.value = flat.reshape(shape[::-1]).T if by_columns is True else flat.reshape(shape)
        elif built != _Name("u1"):
            raise _Refused("it gives a state to something that is no array")


def _push(make: Callable[[], Any]) -> Callable[[_Machine], None]:
    return lambda machine: machine.stack.append(make())


_STEPS: dict[bytes, Callable[[_Machine], Any]] = {
    b"\x80": lambda m: m.number("B"),  # the protocol; every instruction is looked at anyway
    b"(": _push(lambda: _MARK),
    b"}": _push(dict),
    b"]": _push(list),
    b")": _push(tuple),
    b"N": _push(lambda: None),
    b"\x88": _push(lambda: True),
    b"\x89": _push(lambda: False),
    b"K": lambda m: m.stack.append(m.number("B")),
    b"M": lambda m: m.stack.append(m.number("H")),
    b"J": lambda m: m.stack.append(m.number("i")),
    b"U": lambda m: m.text("B", None),
    b"T": lambda m: m.text("i", None),
    b"X": lambda m: m.text("I", "utf-8"),
    b"q": lambda m: m.keep("B"),
    b"r": lambda m: m.keep("I"),
    b"h": lambda m: m.recall("B"),
    b"j": lambda m: m.recall("I"),
    b"c": lambda m: m.name(),
    b"a": lambda m: m.extend([m.stack.pop()]),
    b"e": lambda m: m.extend(m.since_mark()),
    b"s": lambda m: m.update([m.stack.pop(-2), m.stack.pop()]),
    b"u": lambda m: m.update(m.since_mark()),
    b"t": lambda m: m.stack.append(tuple(m.since_mark())),
    b"\x85": lambda m: m.tuple_of(1),
    b"\x86": lambda m: m.tuple_of(2),
    b"\x87": lambda m: m.tuple_of(3),
    b"R": lambda m: m.call(),
    b"b": lambda m: m.build(),
}
