"""Run lengths, strings and polygons against the COCO mask API, bit for bit."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from tapetum.ops.masks import (
    masks_to_boxes,
    polygons_to_mask,
    polygons_to_rle,
    rle_area,
    rle_decode,
    rle_encode,
    rle_from_string,
    rle_to_box,
    rle_to_string,
)

# pycocotools' own arrays do not know NumPy 2's copy keyword.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIDE = st.integers(1, 12)
MASKS = st.tuples(SIDE, SIDE).flatmap(lambda size: hnp.arrays(np.bool_, size))
COORDINATE = st.one_of(
    st.floats(-30, 60, allow_nan=False, width=32),
    st.integers(-20, 40).map(float),
    st.integers(-100, 300).map(lambda tenth: tenth / 10),  # where rounding is tied
)
POLYGON = st.integers(3, 9).flatmap(
    lambda points: st.lists(COORDINATE, min_size=2 * points, max_size=2 * points)
)
BIG = [2**16, 2**15]
EDGE_MASKS = {
    "one pixel off": np.zeros((1, 1), dtype=bool),
    "one pixel on": np.ones((1, 1), dtype=bool),
    "column": np.arange(7)[:, None] % 3 == 0,
    "row": np.arange(7)[None] % 3 == 0,
    "empty": np.zeros((5, 4), dtype=bool),
    "full": np.ones((5, 4), dtype=bool),
    "over a column's end": np.arange(20).reshape(4, 5).T % 5 >= 3,
}


def coco_encode(mask: np.ndarray) -> dict[str, Any]:
    return coco.encode(np.asfortranarray(mask, dtype=np.uint8))


def coco_polygons(polygons: list[list[float]], size: tuple[int, int]) -> dict[str, Any]:
    return coco.merge(coco.frPyObjects(polygons, *size))


def compressed(rle: dict[str, Any]) -> dict[str, Any]:
    return {"size": rle["size"], "counts": rle_to_string(rle["counts"]).encode()}


def assert_like_coco(mask: np.ndarray) -> None:
    rle, reference = rle_encode(mask), coco_encode(mask)
    assert compressed(rle) == reference
    assert all(type(count) is int for count in rle["counts"])
    assert rle_from_string(reference["counts"]) == rle["counts"]
    for counts in (rle["counts"], reference["counts"], reference["counts"].decode()):
        decoded = rle_decode({"size": reference["size"], "counts": counts})
        assert decoded.dtype == np.bool_
        assert np.array_equal(decoded, mask)
    assert rle_area(rle) == coco.area(reference)
    assert rle_to_box(rle).dtype == np.float64
    assert rle_to_box(reference).tolist() == coco.toBbox(reference).tolist()


def assert_drawn_like_coco(polygons: list[list[float]], size: tuple[int, int]) -> None:
    reference = coco_polygons(polygons, size)
    assert compressed(polygons_to_rle(polygons, size)) == reference
    assert np.array_equal(polygons_to_mask(polygons, size), coco.decode(reference) == 1)


@settings(max_examples=150, deadline=None)
@given(MASKS)
def test_small_masks(mask: np.ndarray) -> None:
    assert_like_coco(mask)


@pytest.mark.parametrize("mask", EDGE_MASKS.values(), ids=EDGE_MASKS.keys())
def test_edge_masks(mask: np.ndarray) -> None:
    assert_like_coco(mask)


@pytest.mark.parametrize("order", ["C", "F", "strided"])
@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_large_masks_in_any_memory_order(order: str, share: float) -> None:
    mask = np.random.default_rng(3).random((350, 460)) < share
    views = {"C": mask, "F": np.asfortranarray(mask), "strided": mask[::-2, ::3]}
    assert_like_coco(views[order])


def test_runs_by_hand() -> None:
    mask = np.array([[0, 1, 1], [0, 1, 0]], dtype=bool)
    assert rle_encode(mask) == {"size": [2, 3], "counts": [2, 3, 1]}


@pytest.mark.parametrize("mask", [np.zeros((2, 2), np.uint8), np.zeros((1, 2, 2), bool)])
def test_encode_refuses_what_is_no_mask(mask: np.ndarray) -> None:
    with pytest.raises(ValueError, match="bool"):
        rle_encode(mask)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 9), st.lists(st.integers(0, 9), min_size=1, max_size=12))
def test_codes_with_empty_runs(height: int, counts: list[int]) -> None:
    """No encoder writes a run of nothing, but files have them."""
    width = max(1, -(-sum(counts) // height))
    counts = [*counts, height * width - sum(counts)]
    rle = {"size": [height, width], "counts": counts}
    reference = coco.frPyObjects(rle, height, width)
    assert compressed(rle) == reference
    assert np.array_equal(rle_decode(rle), coco.decode(reference) == 1)
    assert rle_area(rle) == coco.area(reference)
    # The reference's numbers for a code that has only empty runs inside are an overflow.
    box = coco.toBbox(reference) if rle_area(rle) else np.zeros(4)
    assert rle_to_box(rle).tolist() == box.tolist()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 40), max_size=12))
def test_strings_both_ways(counts: list[int]) -> None:
    text = rle_to_string(counts)
    assert rle_from_string(text) == counts
    assert rle_from_string(text.encode()) == counts
    assert rle_to_string(rle_from_string(text)) == text
    if counts and max(counts) < 2**24:  # the reference overruns its buffer beyond 6 letters
        assert coco.frPyObjects({"size": [1, 1], "counts": counts}, 1, 1)["counts"] == text.encode()


@pytest.mark.parametrize("counts", [[-1], [1, 2**32]])
def test_to_string_refuses_what_it_could_not_read_back(counts: list[int]) -> None:
    with pytest.raises(ValueError, match="run lengths from 0"):
        rle_to_string(counts)


@pytest.mark.parametrize("text", ["5 5", "5/", "5p", "5\x005", "5é", "5\ud800", b"5\xff"])
def test_characters_of_no_number_are_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError, match="a character"):
        rle_decode({"size": [1, 5], "counts": text})


@pytest.mark.parametrize(
    ("text", "why"), [("5P", "end within"), ("PPPPPPPP0", "more than 7 groups")]
)
def test_numbers_without_end_are_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        rle_from_string(text)


@pytest.mark.parametrize(
    ("size", "counts"),
    [
        (BIG, [2**31 - 1]),
        (BIG, [2**31 - 1, 2]),
        (BIG, [2**31 + 1, -1]),
        (BIG, [2**63 - 1, 2**63 - 1, 2**31 + 2]),
        (BIG, [2**31, 2**64]),
        (BIG, [2**64 + 2**31]),
        (BIG, [2.0**31]),
        (BIG, [[2**31]]),
        (BIG, []),
        (BIG, "0"),
        ([2**16, 2**15 + 1], [2**31 + 2**16]),
        ([2**32, 2**32], [0]),
        ([-(2**16), -(2**15)], [2**31]),
        ([2**31], [2**31]),
        ([1.0, 2.0], [2]),
    ],
)
@pytest.mark.parametrize("read", [rle_decode, rle_area, rle_to_box])
def test_hostile_codes_are_refused_without_allocation(read: Any, size: Any, counts: Any) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ValueError):
            read({"size": size, "counts": counts})
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_negative_counts_in_a_string_are_refused() -> None:
    negative = "3O"  # 3 and -1
    assert rle_from_string(negative) == [3, -1]
    with pytest.raises(ValueError, match="run lengths from 0"):
        rle_decode({"size": [1, 2], "counts": negative})


@settings(max_examples=300, deadline=None)
@given(st.lists(POLYGON, min_size=1, max_size=3), st.tuples(SIDE, SIDE))
def test_polygons(polygons: list[list[float]], size: tuple[int, int]) -> None:
    assert_drawn_like_coco(polygons, size)


@pytest.mark.parametrize("seed", range(40))
def test_random_polygons_on_an_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count, points = int(rng.integers(1, 6)), int(rng.integers(3, 40))
    spread = rng.choice([20.0, 300.0, 5000.0])
    flat = rng.normal(150, spread, (count, 2 * points)).round(int(rng.integers(0, 4)))
    assert_drawn_like_coco(flat.tolist(), (240, 320))


@pytest.mark.parametrize(
    "polygon",
    [
        [2, 2, 2, 2, 2, 2],
        [0, 0, 4, 4, 8, 8],
        [1, 1, 6, 1, 1, 1],
        [3.5, 0, 3.5, 9, 3.5, 4],
        [0, 0, 9, 0, 9, 7, 0, 7],
        [-5, -5, 50, -5, 50, 50, -5, 50],
        [-9, -9, -2, -9, -2, -2],
        [0, 0, 9, 7, 9, 0, 0, 7],
        [1, 1, 6, 1, 6, 6, 1, 6, 1, 1, 6, 1, 6, 6, 1, 6],
        [-0.1, -0.3, 0.5, 8.1, 9.5, 6.5],
    ],
)
@pytest.mark.parametrize("size", [(7, 9), (1, 1), (7, 1), (1, 9)])
def test_degenerate_polygons(polygon: list[float], size: tuple[int, int]) -> None:
    polygon = [float(value) for value in polygon]
    assert_drawn_like_coco([polygon], size)
    assert_drawn_like_coco([polygon, polygon], size)


def test_polygon_by_hand_and_as_pairs() -> None:
    expected = np.zeros((4, 5), dtype=bool)
    expected[1:3, 1:4] = True
    corners = [[1, 1], [4, 1], [4, 3], [1, 3]]
    assert np.array_equal(polygons_to_mask([np.array(corners)], (4, 5)), expected)


def test_long_outlines_are_drawn_in_parts_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    polygon = np.random.default_rng(5).normal(10, 9, 80).tolist()
    monkeypatch.setattr("tapetum.ops.polygons._PASSINGS", 60)
    assert_drawn_like_coco([polygon], (18, 20))


def test_no_polygon_no_pixel() -> None:
    assert polygons_to_rle([], (4, 5)) == {"size": [4, 5], "counts": [20]}
    assert not polygons_to_mask([], (4, 5)).any()


def test_far_points_cost_nothing() -> None:
    tracemalloc.start()
    try:
        mask = polygons_to_mask([1e300 * np.array([-1, -1, 1, -1, 1, 1, -1, 1])], (30, 40))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert mask.all()


@pytest.mark.parametrize(
    "polygon", [[], [1, 1, 2, 2], [1.0] * 7, [0, 0, 1, 1, 2, float("nan")], [0, 0, 1, 1, 2, 1e999]]
)
def test_malformed_polygons_and_huge_images_are_refused(polygon: list[float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        polygons_to_mask([polygon], (4, 5))
    with pytest.raises(ValueError, match="pixels"):
        polygons_to_mask([[0, 0, 1, 0, 1, 1]], (2**16, 2**16))


def test_images_without_pixels() -> None:
    for size in ((0, 0), (0, 3), (3, 0)):
        code = rle_encode(np.zeros(size, dtype=bool))
        assert code == {"size": list(size), "counts": [0]}
        assert rle_decode(code).shape == size
        assert rle_to_box(code).tolist() == [0, 0, 0, 0]
        assert polygons_to_mask([[0, 0, 9, 0, 9, 9]], size).shape == size


@settings(max_examples=60, deadline=None)
@given(MASKS)
def test_boxes_end_with_the_last_pixel(mask: np.ndarray) -> None:
    boxes = masks_to_boxes(torch.from_numpy(np.stack([mask, ~mask])))
    for box, one in zip(boxes.tolist(), (mask, ~mask), strict=True):
        rows, columns = np.nonzero(one)
        tight = [columns.min(), rows.min(), columns.max(), rows.max()] if one.any() else [0] * 4
        assert box == tight
    assert boxes.dtype == torch.float32


@pytest.mark.parametrize("shape", [(0, 4, 5), (2, 0, 5), (2, 4, 0)])
def test_boxes_of_nothing(shape: tuple[int, int, int]) -> None:
    boxes = masks_to_boxes(torch.zeros(shape, dtype=torch.bool))
    assert torch.equal(boxes, torch.zeros(shape[0], 4))
