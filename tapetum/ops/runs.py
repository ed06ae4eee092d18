"""Many masks at once as run lengths: read, measured and compared without drawing any of them.

A run-length code walks down the columns of an image and counts pixels outside, inside, outside
... (`tapetum.ops.masks` has the format). Here the codes of N masks lie one after the other in one
array, and every function goes over all of them with array operations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

MAX_PIXELS = 2**31
"""The most pixels a mask may have; codes that claim more are refused unread."""

GROUPS = 7
"""Groups of 5 bits that a difference of two counts can need."""

_AT_ONCE = 1 << 18  # counts compared at a time: their columns fit into a processor's cache
_BITS = 32  # a place within a mask takes no more


@dataclass(frozen=True, eq=False)
class Runs:
    """The run lengths of N masks.

    counts: (R,) integers, all of them, mask by mask.
    first: (N + 1,) int64; mask i has counts[first[i] : first[i + 1]].
    """

    counts: np.ndarray
    first: np.ndarray

    def __len__(self) -> int:
        return len(self.first) - 1

    @property
    def sizes(self) -> np.ndarray:
        """(N,) how many counts each mask has."""
        return np.diff(self.first)

    def take(self, index: np.ndarray) -> Runs:
        """The masks at `index` (M,), in this order."""
        sizes = self.sizes[index]
        first = _firsts(sizes)
        where = np.arange(first[-1]) + np.repeat(self.first[index] - first[:-1], sizes)
        return Runs(self.counts[where], first)

    def places(self) -> np.ndarray:
        """(R,) int64: the number of each count within its mask, odd for runs inside."""
        return np.arange(len(self.counts)) - np.repeat(self.first[:-1], self.sizes)

    def ends(self) -> np.ndarray:
        """(R,) int64: where each run ends, in pixels down the columns."""
        total = _running_total(self.counts)
        return total[1:] - np.repeat(total[self.first[:-1]], self.sizes)


def join_runs(parts: Sequence[Runs]) -> Runs:
    """Concatenate sets of masks.

    Args:
        parts: the sets.

    Returns:
        All their masks.
    """
    sizes = [part.sizes for part in parts]
    counts = [part.counts for part in parts]
    return Runs(np.concatenate(counts), _firsts(np.concatenate(sizes)))


def runs_from_lists(codes: Sequence[np.ndarray]) -> Runs:
    """Masks from lists of run lengths.

    Args:
        codes: (R_i,) int64 counts of each mask.

    Returns:
        The masks.
    """
    sizes = np.fromiter(map(len, codes), np.int64, len(codes))
    return Runs(np.concatenate([np.zeros(0, np.int64), *codes]), _firsts(sizes))


def runs_from_strings(texts: Sequence[bytes]) -> Runs:
    """Masks from COCO's compressed strings; counts are not checked, forged ones may be negative.

    Args:
        texts: a string for each mask.

    Returns:
        The masks, counts int64.

    Raises:
        ValueError: characters outside '0' to 'o', a number without end, or one above 35 bits.
    """
    runs = string_numbers(texts)
    numbers, place = runs.counts, runs.places()
    # From the fourth on, a count is stored as its difference to the count two before.
    odd, even = np.flatnonzero(place & 1), np.flatnonzero((place & 1 == 0) & (place > 0))
    numbers[odd] = _totals_within(numbers[odd], runs.sizes // 2)
    numbers[even] = _totals_within(numbers[even], np.maximum(runs.sizes - 1, 0) // 2)
    return runs


def string_numbers(texts: Sequence[bytes]) -> Runs:
    """The numbers in compressed strings as they are stored, most of them differences of counts.

    Args:
        texts: a string for each mask.

    Returns:
        The numbers of each string.

    Raises:
        ValueError: as for `runs_from_strings`.
    """
    letters = np.frombuffer(b"".join(texts), dtype=np.uint8) - np.uint8(48)  # (L,), wraps around
    stops = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    if letters.max(initial=0) > 63:
        raise ValueError("a character that no compressed run length has")
    last = letters < 32  # (L,) the last group of a number
    if not last[stops[stops > 0] - 1].all():
        raise ValueError("the compressed run lengths end within a number")
    ends = np.flatnonzero(last)  # (R,)
    first = np.zeros(len(texts) + 1, dtype=np.int64)
    first[1:] = np.searchsorted(ends, stops)
    return Runs(_numbers(letters, ends), first)


def runs_areas(runs: Runs) -> np.ndarray:
    """The number of pixels in each mask.

    Args:
        runs: N masks.

    Returns:
        (N,) int64 pixels.
    """
    inside = np.where(runs.places() & 1, runs.counts, 0)
    total = _running_total(inside)
    return total[runs.first[1:]] - total[runs.first[:-1]]


def runs_boxes(runs: Runs, heights: np.ndarray) -> np.ndarray:
    """The box of each mask, in COCO's convention.

    As in the COCO mask API, a run that goes on into the next column makes the box as high as the
    image.

    Args:
        runs: N masks.
        heights: (N,) of the images, in pixels.

    Returns:
        (N, 4) float64 x, y, width, height in pixels; zeros for an empty mask.
    """
    inside = np.flatnonzero((runs.places() & 1 == 1) & (runs.counts > 0))  # (I,)
    owner = np.repeat(np.arange(len(runs)), runs.sizes)[inside]
    boxes = np.zeros((len(runs), 4))
    if len(inside) == 0:
        return boxes
    ends, height = runs.ends(), heights[owner]
    x1, y1 = np.divmod(ends[inside - 1], height)  # first pixels
    x2, y2 = np.divmod(ends[inside] - 1, height)  # last pixels
    y1, y2 = np.where(x1 < x2, 0, y1), np.where(x1 < x2, height - 1, y2)
    start = np.flatnonzero(np.diff(owner, prepend=-1))
    left, top = np.minimum.reduceat(x1, start), np.minimum.reduceat(y1, start)
    right, bottom = np.maximum.reduceat(x2, start), np.maximum.reduceat(y2, start)
    boxes[owner[start]] = np.stack((left, top, right - left + 1, bottom - top + 1), axis=1)
    return boxes


def shared_pixels(one: Runs, other: Runs, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Count the pixels that pairs of masks have in common.

    Args:
        one: masks, each with at least one count.
        other: masks of the same images.
        i: (P,) int64, the mask of `one` in each pair.
        j: (P,) int64, the mask of `other` in each pair; both have the same size.

    Returns:
        (P,) int64 pixels.
    """
    shared = np.empty(len(i), dtype=np.int64)
    order = np.argsort(
        j, kind="stable"
    )  # what is compared with the same mask is looked up together
    for part in slices(one.sizes[i[order]], _AT_ONCE):
        pairs = order[part]
        shared[pairs] = _shared_pixels(one.take(i[pairs]), other, j[pairs])
    return shared


def _shared_pixels(one: Runs, other: Runs, j: np.ndarray) -> np.ndarray:
    """(P,) for all masks of `one`: over their runs, pixels of the other before end less start."""
    masks, mask = np.unique(j, return_inverse=True)
    border, base, slope = _profile(other.take(masks))
    place = one.places()
    ends = one.ends()  # (Q,)
    at = np.searchsorted(border, ends + np.repeat(mask << _BITS, one.sizes), side="right") - 1
    before = base[at] + slope[at] * ends  # (Q,) pixels of the other mask before each end
    sign = 2 * (place & 1) - 1  # a run inside begins where one outside ends
    sign[one.first[1:] - 1] *= place[one.first[1:] - 1] & 1  # after the last nothing begins
    return np.add.reduceat(sign * before, one.first[:-1])


def _profile(runs: Runs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How many pixels of a mask come before place x: base + slope * x, from one border to the next.

    border: (B,) ascending, mask number << 32 plus place; base, slope: (B,) int64.
    """
    sizes = runs.sizes + 1  # one border more: the beginning
    first = _firsts(sizes)
    inner = np.ones(first[-1], dtype=bool)
    inner[first[:-1]] = False
    place, pixels, slope = np.zeros((3, first[-1]), dtype=np.int64)
    odd = runs.places() & 1
    place[inner] = runs.ends()
    pixels[inner] = Runs(runs.counts * odd, runs.first).ends()
    slope[inner] = 1 - odd  # after a run outside comes one inside
    border = place + np.repeat(np.arange(len(runs)) << _BITS, sizes)
    return border, pixels - slope * place, slope


def _numbers(letters: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """(R,) int64 from groups of 5 bits, lowest first, two's complement; `ends` are the last."""
    lengths = np.diff(ends, prepend=-1)
    if lengths.max(initial=0) > GROUPS:
        raise ValueError(f"a compressed run length of more than {GROUPS} groups")
    starts = ends - lengths + 1
    numbers = (letters[starts] & 31).astype(np.int64)
    for group in range(1, int(lengths.max(initial=1))):
        more = np.flatnonzero(lengths > group)
        numbers[more] |= (letters[starts[more] + group] & 31).astype(np.int64) << (5 * group)
    negative = np.flatnonzero(letters[ends] & 16)
    numbers[negative] -= 1 << (5 * lengths[negative])
    return numbers


def _totals_within(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Cumulative sums that begin anew with each of the runs of `sizes` values."""
    return Runs(values, _firsts(sizes)).ends()


def _firsts(sizes: np.ndarray) -> np.ndarray:
    return _running_total(sizes)


def _running_total(values: np.ndarray) -> np.ndarray:
    """(N + 1,) int64, the sum of what comes before each place."""
    total = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(values, dtype=np.int64, out=total[1:])
    return total


def slices(sizes: np.ndarray, limit: int) -> Iterator[slice]:
    """Slices of rows with about `limit` items each, at least one row.

    Args:
        sizes: items of each row.
        limit: items of a slice.

    Yields:
        The slices in order.
    """
    until, start = np.cumsum(sizes), 0
    while start < len(sizes):
        before = until[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(until, before + limit, side="right")))
        yield slice(start, stop)
        start = stop
