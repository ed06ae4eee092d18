"""Outlines as COCO writes them, polygons or run lengths, read with suspicion into flat codes."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tapetum.evaluation.checks import Blame, check_sizes
from tapetum.evaluation.entries import FAULTS, Entries, Entry, Ids, doubles
from tapetum.evaluation.records import Masks
from tapetum.ops.polygons import checked_polygon, polygons_to_runs
from tapetum.ops.runs import (
    MAX_PIXELS,
    Runs,
    join_runs,
    runs_areas,
    runs_boxes,
    runs_from_lists,
    runs_from_strings,
)

Code = bytes | np.ndarray | list[np.ndarray]
"""A mask as it is stated: a compressed string, counts (R,) int64, or polygons (2P,) float64."""

_AT_ONCE = 2048  # masks read at a time: what they need on the way stays small


def image_sizes(images: Sequence[Entry], index: Ids) -> np.ndarray:
    """(images, 2) int64, height and width in the order of `index`; -1 where they are unknown."""
    sizes = np.full((len(index), 2), -1, dtype=np.int64)
    for image in images:
        height, width = image.get("height"), image.get("width")
        if isinstance(height, int) and isinstance(width, int) and can_hold_masks(height, width):
            sizes[index[image["id"]]] = [height, width]
    return sizes


def can_hold_masks(height: int, width: int) -> bool:
    """Is an image of this size one whose masks can be compared?"""
    return 0 <= min(height, width) <= max(height, width) <= MAX_PIXELS >= height * width


def box_outlines(entries: Entries) -> Entries:
    """The same entries; those that have no segmentation get their box as a polygon."""
    if all("segmentation" in row for row in entries.rows):
        return entries
    rows = [row if "segmentation" in row else _box_outline(row["bbox"]) for row in entries.rows]
    return Entries(rows, entries.what, entries.numbers)


def masks_of(entries: Entries, sizes: np.ndarray) -> Masks:
    """The masks of all entries; sizes: (N, 2) int64, height and width of their images."""
    check_sizes(sizes, entries.refuse)

    def code(row: int, size: list[int]) -> Code:
        try:
            return _code(entries.rows[row]["segmentation"], size)
        except FAULTS as error:
            raise entries.error(row, _reason(entries.rows[row], error)) from error

    return masks_from_codes(code, sizes, entries.error)


def masks_from_codes(
    code: Callable[[int, list[int]], Code], sizes: np.ndarray, blame: Blame
) -> Masks:
    """N masks. code: that of a row whose image has the given height and width; sizes: (N, 2)
    int64, height and width for each."""
    counts, parts = bytearray(), []  # a bytearray grows where it lies: no second copy at the end
    for start in range(0, len(sizes), _AT_ONCE):
        stop = min(start + _AT_ONCE, len(sizes))
        runs = _checked_runs(code, range(start, stop), sizes, blame)
        counts += runs.counts.astype(np.uint32).tobytes()
        boxes = runs_boxes(runs, np.maximum(sizes[start:stop, 0], 1))
        parts.append((runs.sizes, runs_areas(runs), boxes, _halting(runs)))
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        nothing = Runs(none.astype(np.uint32), np.zeros(1, dtype=np.int64))
        return Masks(nothing, none, np.zeros((0, 4)), none.astype(bool))
    lengths, area, xywh, halting = (np.concatenate(column) for column in zip(*parts, strict=True))
    first = np.concatenate(([0], np.cumsum(lengths)))
    return Masks(Runs(np.frombuffer(counts, np.uint32), first), area, xywh, halting)


def _checked_runs(
    code: Callable[[int, list[int]], Code], rows: range, sizes: np.ndarray, blame: Blame
) -> Runs:
    """The codes of some rows, none negative, each with the sum of its image's pixels."""
    texts: dict[int, bytes] = {}
    lists: dict[int, np.ndarray] = {}
    polygons: dict[int, list[np.ndarray]] = {}
    for row, size in zip(rows, sizes[rows.start : rows.stop].tolist(), strict=True):
        stated = code(row, size)
        if isinstance(stated, bytes):
            texts[row] = stated
        elif isinstance(stated, list):
            polygons[row] = stated
        else:
            lists[row] = stated
    parts = (
        _read_strings(texts, blame),
        runs_from_lists(list(lists.values())),
        _drawn(list(polygons.values()), sizes[list(polygons)]),
    )
    runs = join_runs(parts).take(np.argsort([*texts, *lists, *polygons]))
    _check_sums(rows, runs, sizes[rows.start : rows.stop].prod(axis=1), blame)
    return runs


def _code(outline: Any, size: list[int]) -> Code:
    """ValueError says what is wrong."""
    if isinstance(outline, list):
        return _checked_polygons(outline)
    if not isinstance(outline, Mapping):
        raise ValueError("its segmentation is neither a list of polygons nor a code")
    return code_of_mask(outline, size)


def code_of_mask(outline: Mapping[str, Any], size: list[int]) -> bytes | np.ndarray:
    """The code in {size, counts}; ValueError says what is wrong."""
    stated = outline["size"]
    if list(stated) != size:
        raise ValueError(f"its mask has the size {stated!r}, its image {size}")
    counts = outline["counts"]
    if isinstance(counts, str):
        return counts.encode("utf-8", "surrogatepass")
    return counts if isinstance(counts, bytes) else np.array(array("q", counts), dtype=np.int64)


def _checked_polygons(polygons: list[Any]) -> list[np.ndarray]:
    if not polygons:
        raise ValueError("its segmentation is empty")
    return [checked_polygon(doubles(polygon)) for polygon in polygons]


def _drawn(shapes: list[list[np.ndarray]], sizes: np.ndarray) -> Runs:
    owner = np.repeat(np.arange(len(shapes)), [len(shape) for shape in shapes])
    return polygons_to_runs([polygon for shape in shapes for polygon in shape], owner, sizes)


def _check_sums(rows: range, runs: Runs, pixels: np.ndarray, blame: Blame) -> None:
    """Counts beyond height x width would let everything that follows read past its arrays."""
    owner = np.repeat(np.arange(len(runs)), runs.sizes)
    bad = np.zeros(len(runs), dtype=bool)
    bad[owner[(runs.counts < 0) | (runs.counts > MAX_PIXELS)]] = True
    # Sums in float64 are exact here: no count is beyond 2**31, or its mask is bad already.
    bad |= np.bincount(owner, runs.counts, len(runs)) != pixels
    if bad.any():
        place = int(np.argmax(bad))
        why = f"its run lengths do not sum to the {pixels[place]:,} pixels of its image"
        raise blame(rows[place], why)


def _halting(runs: Runs) -> np.ndarray:
    """(N,) bool: an empty run stands behind the first and before the last pixel."""
    ends = runs.ends()
    total = np.repeat(np.append(ends, 0)[runs.first[1:] - 1], runs.sizes)
    empty = np.flatnonzero((runs.counts == 0) & (runs.places() > 0) & (ends < total))
    halting = np.zeros(len(runs), dtype=bool)
    halting[np.searchsorted(runs.first, empty, side="right") - 1] = True
    return halting


def _reason(entry: Entry, error: Exception) -> str:
    if not isinstance(entry, Mapping) or "segmentation" not in entry:
        return "has no segmentation"
    if type(error) is ValueError:
        text = str(error)
        return text if text.startswith("its ") else f"its segmentation cannot be read: {text}"
    return "its segmentation cannot be read: it is neither polygons nor {size, counts}"


def _read_strings(texts: dict[int, bytes], blame: Blame) -> Runs:
    """All at once, and one by one only to say which of them cannot be read."""
    try:
        return runs_from_strings(list(texts.values()))
    except ValueError:
        for row, text in texts.items():
            try:
                runs_from_strings([text])
            except ValueError as error:
                why = f"its run lengths cannot be read: {error}"
                raise blame(row, why) from error
        raise


def _box_outline(box: Sequence[float]) -> Entry:
    left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
    return {"segmentation": [[left, top, left, bottom, right, bottom, right, top]]}
