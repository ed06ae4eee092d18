"""Boxes: worked examples, laws, and the numbers of the reference."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tapetum.ops.boxes import (
    box_area,
    box_convert,
    box_iou,
    clip_boxes_to_image,
    decode_boxes,
    encode_boxes,
    generalized_box_iou,
    remove_small_boxes,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "ops.json").read_text())
COORDINATE = st.integers(-4, 12)
BOX = st.tuples(COORDINATE, COORDINATE, st.integers(0, 9), st.integers(0, 9)).map(
    lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]]
)
BOXES = st.lists(BOX, min_size=1, max_size=6).map(lambda b: torch.tensor(b, dtype=torch.float32))


def draw(count: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator, dtype=dtype) * 50
    size = torch.rand(count, 2, generator=generator, dtype=dtype) * 30 + 1
    return torch.cat((corner, corner + size), dim=1)


def pixels(box: list[float]) -> set[tuple[int, int]]:
    """The definition for whole numbers: a box is the pixels that it covers."""
    x1, y1, x2, y2 = (int(v) for v in box)
    return {(x, y) for x in range(x1, x2) for y in range(y1, y2)}


@given(BOXES, BOXES)
def test_iou_counts_pixels(boxes1: Tensor, boxes2: Tensor) -> None:
    iou = box_iou(boxes1, boxes2)
    for i, first in enumerate(boxes1.tolist()):
        assert box_area(boxes1)[i] == len(pixels(first))
        for j, second in enumerate(boxes2.tolist()):
            both, either = pixels(first) & pixels(second), pixels(first) | pixels(second)
            assert iou[i, j] == torch.tensor(len(both)) / max(len(either), 1)


@given(BOXES, BOXES)
def test_generalized_iou_subtracts_what_neither_covers(boxes1: Tensor, boxes2: Tensor) -> None:
    result = generalized_box_iou(boxes1, boxes2)
    for i, (x1, y1, x2, y2) in enumerate(boxes1.tolist()):
        for j, (u1, v1, u2, v2) in enumerate(boxes2.tolist()):
            hull = (max(x2, u2) - min(x1, u1)) * (max(y2, v2) - min(y1, v1))
            either = len(pixels([x1, y1, x2, y2]) | pixels([u1, v1, u2, v2]))
            waste = (hull - either) / hull if hull else 0.0
            expected = box_iou(boxes1[i : i + 1], boxes2[j : j + 1]).item() - waste
            assert result[i, j].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("function", [box_iou, generalized_box_iou])
def test_rows_at_a_time_are_the_whole(function) -> None:
    many, few = draw(700, 1), draw(60, 2)
    whole = torch.cat([function(row[None], few) for row in many])
    assert torch.equal(function(many, few), whole)
    tracked = function(many.clone().requires_grad_(), few)
    assert torch.equal(tracked.detach(), whole)


@pytest.mark.parametrize("function", [box_iou, generalized_box_iou])
def test_boxes_without_area_give_finite_values_and_gradients(function) -> None:
    boxes = torch.tensor([[3.0, 3, 3, 3], [3, 3, 3, 8], [3, 3, 3, 3], [0, 0, 5, 5], [6, 6, 2, 2]])
    boxes.requires_grad_()
    result = function(boxes, boxes.detach())
    result.sum().backward()
    assert result.isfinite().all()
    assert boxes.grad is not None
    assert boxes.grad.isfinite().all()
    assert function(boxes[:0], boxes).shape == (0, 5)
    assert function(boxes, boxes[:0]).shape == (5, 0)


@pytest.mark.parametrize("function", [box_iou, generalized_box_iou])
def test_iou_gradient(function) -> None:
    boxes1, boxes2 = draw(3, 1, torch.float64), draw(4, 2, torch.float64)
    inputs = (boxes1.requires_grad_(), boxes2.requires_grad_())
    assert torch.autograd.gradcheck(function, inputs)


def test_narrow_numbers_are_widened_and_wide_ones_kept() -> None:
    boxes = draw(3, 1)
    assert box_iou(boxes.bfloat16(), boxes.bfloat16()).dtype == torch.float32
    assert box_area(boxes.half() * 100).isfinite().all()  # 2000 x 2000 is above float16's range
    assert box_iou(boxes.long(), boxes.long()).dtype == torch.float32
    assert box_iou(boxes.double(), boxes.double()).dtype == torch.float64
    assert decode_boxes(boxes.bfloat16(), boxes).dtype == torch.float32


def test_clipping_keeps_the_order_of_height_and_width() -> None:
    boxes = torch.tensor([[-5.0, -5, 500, 500], [2, 3, 4, 5], [700, 1, 800, 2]])
    expected = torch.tensor([[0.0, 0, 30, 20], [2, 3, 4, 5], [30, 1, 30, 2]])
    assert torch.equal(clip_boxes_to_image(boxes, (20, 30)), expected)
    assert clip_boxes_to_image(boxes[:0], (20, 30)).shape == (0, 4)


def test_small_boxes_are_those_with_one_short_side() -> None:
    boxes = torch.tensor(
        [[0.0, 0, 2, 2], [0, 0, 1.9, 9], [0, 0, 9, 1.9], [0, 0, 0, 0], [1, 1, 3, 4]]
    )
    assert remove_small_boxes(boxes, 2).tolist() == [0, 4]
    assert remove_small_boxes(boxes, 0).tolist() == [0, 1, 2, 3, 4]
    assert remove_small_boxes(boxes[:0], 1).tolist() == []


def test_formats_by_hand() -> None:
    box = torch.tensor([[10.0, 20, 16, 30]])
    assert box_convert(box, "xyxy", "xywh").tolist() == [[10, 20, 6, 10]]
    assert box_convert(box, "xyxy", "cxcywh").tolist() == [[13, 25, 6, 10]]
    assert box_convert(torch.tensor([[13.0, 25, 6, 10]]), "cxcywh", "xywh").tolist() == [
        [10, 20, 6, 10]
    ]
    same = box_convert(box, "xyxy", "xyxy")
    assert torch.equal(same, box)
    assert same.data_ptr() != box.data_ptr()
    with pytest.raises(ValueError, match="expected one of xyxy, xywh, cxcywh, got 'xxyy'"):
        box_convert(box, "xxyy", "xywh")


@given(BOXES, st.permutations(["xyxy", "xywh", "cxcywh"]))
def test_formats_lead_back(boxes: Tensor, names: list[str]) -> None:
    there = box_convert(boxes, names[0], names[1])
    assert torch.equal(box_convert(there, names[1], names[0]), boxes)
    assert torch.equal(
        box_convert(there, names[1], names[2]), box_convert(boxes, names[0], names[2])
    )


def test_decoding_undoes_encoding() -> None:
    boxes, anchors = draw(50, 1, torch.float64), draw(50, 2, torch.float64)
    for weights in ((1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0)):
        offsets = encode_boxes(boxes, anchors, weights)
        assert torch.allclose(decode_boxes(offsets, anchors, weights), boxes, rtol=1e-12)
        assert torch.equal(encode_boxes(anchors, anchors, weights), torch.zeros(50, 4).double())


def test_offsets_by_hand() -> None:
    anchor = torch.tensor([[0.0, 0, 10, 20]])
    target = torch.tensor([[10.0, 0, 30, 20]])  # centre 15 to the right of 5, twice as wide
    expected = torch.tensor([[1.5 * 10, 0, math.log(2) * 5, 0]])
    assert torch.allclose(encode_boxes(target, anchor, (10, 10, 5, 5)), expected)


def test_growth_is_bounded() -> None:
    anchor = torch.tensor([[0.0, 0, 16, 16]])
    wild = decode_boxes(torch.tensor([[0.0, 0, 1e4, 1e4]]), anchor)
    assert torch.allclose(wild, torch.tensor([[-492.0, -492, 508, 508]]))
    assert torch.allclose(
        decode_boxes(torch.tensor([[0.0, 0, 9, 0]]), anchor, clip=math.log(2)),
        torch.tensor([[-8.0, 0, 24, 16]]),
    )


def test_decoding_broadcasts_over_classes() -> None:
    anchors, offsets = draw(5, 1), torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0))
    together = decode_boxes(offsets, anchors[:, None])  # (5, 3, 4)
    alone = torch.stack([decode_boxes(offsets[:, c], anchors) for c in range(3)], dim=1)
    assert torch.equal(together, alone)
    assert decode_boxes(offsets[:0], anchors[:0, None]).shape == (0, 3, 4)


def test_decoding_gradient() -> None:
    anchors = draw(3, 2, torch.float64)
    offsets = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda o: decode_boxes(o, anchors, (10, 10, 5, 5)), offsets.requires_grad_()
    )


@pytest.mark.parametrize("case", GOLDEN["coder"], ids=range(len(GOLDEN["coder"])))
def test_coder_is_the_reference(case: dict) -> None:
    """To the last digits of float32: logarithms and exponentials differ between processors."""
    close = {"rtol": 1e-6, "atol": 1e-6}
    boxes, anchors = torch.tensor(case["boxes"]), torch.tensor(case["anchors"])
    weights = tuple(case["weights"])
    encoded = encode_boxes(boxes, anchors, weights)
    torch.testing.assert_close(encoded, torch.tensor(case["encoded"]), **close)
    decoded = decode_boxes(torch.tensor(case["offsets"]), anchors, weights)
    torch.testing.assert_close(decoded, torch.tensor(case["decoded"]), **close)


@pytest.mark.parametrize("case", GOLDEN["iou"], ids=range(len(GOLDEN["iou"])))
def test_iou_is_the_reference(case: dict) -> None:
    boxes1, boxes2 = torch.tensor(case["boxes1"]), torch.tensor(case["boxes2"])
    assert torch.equal(box_iou(boxes1, boxes2), torch.tensor(case["iou"]))
    assert torch.equal(generalized_box_iou(boxes1, boxes2), torch.tensor(case["giou"]))


@pytest.mark.parametrize("count", [3, 300])
def test_the_wider_number_wins_however_many_boxes(count: int) -> None:
    boxes = torch.tensor([[0.0, 0, 2, 2]]).repeat(count, 1)
    assert box_iou(boxes, boxes.double()).dtype == torch.float64
