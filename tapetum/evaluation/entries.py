"""Columns of a list of dictionaries, read fast; when that fails, the entry at fault by its number.

The entries are those of a file from outside. Each column is read as a whole, and only after a
failure they are looked at one by one, to say which is to blame.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from numbers import Real
from operator import itemgetter
from typing import Any

import numpy as np

from tapetum.base.errors import AnnotationError
from tapetum.evaluation.checks import check_boxes, check_lists, check_numbers, not_a_list

FAULTS = (KeyError, TypeError, ValueError, IndexError, OverflowError)
UNLISTED = -1
Ids = dict[Any, int]
Entry = Mapping[str, Any]
Fault = Callable[[Entry], tuple[str | None, str | None]]
"""Why an entry cannot be used and what may help; (None, None) if it can."""


@dataclass(frozen=True, eq=False)
class Entries:
    """Entries, and how a message names them: `what` and their number in the file, from 0."""

    rows: Sequence[Entry]
    what: str
    numbers: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, keep: np.ndarray) -> Entries:
        """Those where `keep` (N,) bool."""
        if keep.all():
            return self
        index = np.flatnonzero(keep)
        numbers = index if self.numbers is None else self.numbers[index]
        return Entries([self.rows[i] for i in index.tolist()], self.what, numbers)

    def error(self, place: int, why: str, hint: str | None = None) -> AnnotationError:
        """What to raise about the entry at `place`."""
        number = place if self.numbers is None else int(self.numbers[place])
        return AnnotationError(why, where=f"{self.what} {number}", hint=hint)

    def refuse(self, bad: np.ndarray, why: str) -> None:
        """Raise AnnotationError about the first entry where `bad` (N,) bool."""
        if bad.any():
            raise self.error(int(np.argmax(bad)), why)

    def first_fault(self, fault: Fault) -> AnnotationError:
        """The error for the first bad entry: the slow search, after the fast way has failed."""
        for place, row in enumerate(self.rows):
            if not isinstance(row, Mapping):
                return self.error(place, f"expected an object, got {type(row).__name__}")
            why, hint = fault(row)
            if why:
                return self.error(place, why, hint)
        raise AssertionError("the entries could not be read, yet each of them looks right")


class Lenient(dict[Any, int]):
    """An index that answers `UNLISTED` for what is not in it."""

    def __missing__(self, _: Any) -> int:
        return UNLISTED

    def __contains__(self, _: object) -> bool:
        return True


def places(
    entries: Entries, image_index: Ids, category_index: Ids
) -> tuple[np.ndarray, np.ndarray]:
    """Image index (N,) and category index (N,) of each entry."""
    rows, count = entries.rows, len(entries)
    try:
        image = map(image_index.__getitem__, map(itemgetter("image_id"), rows))
        category = map(category_index.__getitem__, map(itemgetter("category_id"), rows))
        return np.fromiter(image, np.int64, count), np.fromiter(category, np.int64, count)
    except FAULTS as error:
        raise entries.first_fault(
            lambda row: _place_fault(row, image_index, category_index)
        ) from error


def boxes(entries: Entries) -> np.ndarray:
    """The `bbox` (N, 4) float64 of each entry."""
    try:
        xywh = _table([row["bbox"] for row in entries.rows], 4)
    except FAULTS as error:
        raise entries.first_fault(_box_fault) from error
    check_boxes(xywh, entries.refuse)
    return xywh


def numbers(entries: Entries, key: str, default: np.ndarray | None = None) -> np.ndarray:
    """The number under `key` of each entry, (N,) float64; where absent, that of `default` (N,)."""
    rows: Sequence[Entry] = entries.rows
    if default is not None and not all(key in row for row in rows):
        pairs = zip(rows, default.tolist(), strict=True)
        rows = [{key: row.get(key, other)} for row, other in pairs]
    try:
        values = doubles(map(itemgetter(key), rows))
    except FAULTS as error:
        present = Entries(rows, entries.what, entries.numbers)
        raise present.first_fault(lambda row: (_number_fault(row, key), None)) from error
    check_numbers(values, key, entries.refuse)
    return values


def tables(entries: Entries, key: str, width: int) -> np.ndarray:
    """The list of `width` numbers under `key` of each entry, (N, width) float64, all finite."""
    try:
        table = _table([row[key] for row in entries.rows], width)
    except FAULTS as error:
        raise entries.first_fault(lambda row: (_list_fault(row, key, width), None)) from error
    check_lists(table, key, entries.refuse)
    return table


def doubles(values: Iterable[Any]) -> np.ndarray:
    """Float64 of real numbers; unlike NumPy's own conversions it does not parse text."""
    return np.array(array("d", values))


def _table(lists: list[Any], width: int) -> np.ndarray:
    if not {width}.issuperset(map(len, lists)):
        raise ValueError(f"a list of more or fewer than {width} numbers")
    return doubles(chain.from_iterable(lists)).reshape(-1, width)


def _place_fault(
    row: Entry, image_index: Ids, category_index: Ids
) -> tuple[str | None, str | None]:
    for key, index in (("image_id", image_index), ("category_id", category_index)):
        if key not in row:
            return f"has no {key}", None
        if not (isinstance(row[key], str | Real) and row[key] in index):
            hint = "does it belong to another dataset or split?" if key == "image_id" else None
            return f"its {key} {row[key]!r} is not in the ground truth", hint
    return None, None


def _box_fault(row: Entry) -> tuple[str | None, str | None]:
    if "bbox" not in row:
        return "has no bbox", None
    return (_list_fault(row, "bbox", 4) and "its box is not 4 finite numbers"), None


def _list_fault(row: Entry, key: str, width: int) -> str | None:
    if key not in row:
        return f"has no {key}"
    try:
        fits = len(doubles(row[key])) == len(row[key]) == width
    except FAULTS:
        fits = False
    return None if fits else not_a_list(key, width)


def _number_fault(row: Entry, key: str) -> str | None:
    if key not in row:
        return f"has no {key}"
    try:
        doubles([row[key]])
    except FAULTS:
        return f"its {key} is not a finite number"
    return None
