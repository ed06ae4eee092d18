"""Many codes at once: each must come out as it does alone, and overlaps as when drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapetum.ops import runs
from tapetum.ops.masks import polygons_to_rle, rle_area, rle_decode, rle_to_box, rle_to_string
from tapetum.ops.polygons import checked_polygon, polygons_to_runs
from tapetum.ops.runs import (
    Runs,
    join_runs,
    runs_areas,
    runs_boxes,
    runs_from_lists,
    runs_from_strings,
    shared_pixels,
)

SIZE = (7, 9)


def codes(seed: int, count: int, longest: int = 12) -> list[np.ndarray]:
    """Run lengths that sum to 63, with empty runs."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        borders = np.sort(random.integers(0, 64, random.integers(0, longest)))
        found.append(np.diff(borders, prepend=0, append=63))
    return found


def lists(batch: Runs) -> list[list[int]]:
    parts = np.split(batch.counts, batch.first[1:-1])
    return [part.tolist() for part in parts][: len(batch)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 40), max_size=9), max_size=6))
def test_strings_are_read_as_each_alone(numbers: list[list[int]]) -> None:
    batch = runs_from_strings([rle_to_string(counts).encode() for counts in numbers])
    assert lists(batch) == numbers


@pytest.mark.parametrize("texts", [[b"5", b"5P"], [b"5P", b"5"], [b"5", b"5 ", b"5"], [b"P" * 8]])
def test_one_bad_string_among_many_is_refused(texts: list[bytes]) -> None:
    with pytest.raises(ValueError, match=r"end within|a character"):
        runs_from_strings(texts)


def test_areas_and_boxes_are_those_of_each_alone() -> None:
    counts = [*codes(0, 60), np.array([63]), np.array([0, 63]), np.array([0, 0, 63])]
    batch = runs_from_lists(counts)
    alone = [{"size": SIZE, "counts": code} for code in counts]
    assert runs_areas(batch).tolist() == [rle_area(code) for code in alone]
    boxes = runs_boxes(batch, np.full(len(batch), SIZE[0]))
    assert boxes.tolist() == [rle_to_box(code).tolist() for code in alone]


def test_boxes_of_images_of_different_heights() -> None:
    counts = np.array([8, 2, 53])
    boxes = runs_boxes(runs_from_lists([counts, counts]), np.array([7, 9]))
    assert boxes.tolist() == [[1, 1, 1, 2], [0, 0, 2, 9]]


def test_taking_and_joining() -> None:
    counts = codes(1, 9)
    one, other = runs_from_lists(counts[:4]), runs_from_lists(counts[4:])
    index = np.array([8, 0, 3, 3])
    taken = join_runs((one, other, runs_from_lists([]))).take(index)
    assert lists(taken) == [counts[i].tolist() for i in index]
    assert taken.ends().tolist() == np.concatenate([np.cumsum(counts[i]) for i in index]).tolist()
    assert len(taken.take(index[:0])) == 0


@pytest.mark.parametrize("at_once", [1, 40, 1 << 18])
def test_shared_pixels_are_those_of_the_drawn_masks(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(runs, "_AT_ONCE", at_once)
    ones, others = codes(2, 20), codes(3, 15)
    i, j = (a.reshape(-1) for a in np.indices((20, 15)))
    order = np.random.default_rng(0).permutation(len(i))[:200]
    i, j = i[order], j[order]
    drawn = [
        np.stack([rle_decode({"size": SIZE, "counts": code}) for code in batch])
        for batch in (ones, others)
    ]
    expected = (drawn[0][i] & drawn[1][j]).sum(axis=(1, 2))
    shared = shared_pixels(runs_from_lists(ones), runs_from_lists(others), i, j)
    assert shared.tolist() == expected.tolist()
    assert np.count_nonzero(expected) > 100


def test_places_close_to_the_largest_image() -> None:
    """Two masks of 2**31 pixels that meet in the last ones."""
    total = 2**31
    one = runs_from_lists([np.array([total - 5, 5]), np.array([0, total])])
    other = runs_from_lists([np.array([total - 3, 3]), np.array([1, total - 1])])
    i, j = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    assert shared_pixels(one, other, i, j).tolist() == [3, 5, 3, total - 1]


@pytest.mark.parametrize("seed", range(10))
def test_polygons_drawn_together_are_those_drawn_alone(seed: int) -> None:
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 40, (12, 2))
    sizes[3] = 0, 5
    masks = []
    for _ in sizes:
        count, points = random.integers(0, 4), random.integers(3, 9)
        masks.append([random.normal(12, 14, 2 * points).round(1) for _ in range(count)])
    owner = np.repeat(np.arange(12), [len(polygons) for polygons in masks])
    flat = [checked_polygon(polygon) for polygons in masks for polygon in polygons]
    together = polygons_to_runs(flat, owner, sizes)
    pairs = zip(masks, sizes.tolist(), strict=True)
    assert lists(together) == [polygons_to_rle(p, (h, w))["counts"] for p, (h, w) in pairs]
