"""Suppression against the greedy definition: one box at a time, in float32."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.library import opcheck

from tapetum.ops import _nms_cpu
from tapetum.ops.suppression import _nms_on_device, batched_nms, nms

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "ops.json").read_text())
THRESHOLDS = [0.0, 0.2, 0.25, 0.3, 1 / 3, 0.5, 0.6, 0.7, 0.9, 1.0, 2.0]
COORDINATE = st.integers(0, 9)
BOX = st.tuples(COORDINATE, COORDINATE, st.integers(-1, 6), st.integers(-1, 6)).map(
    lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]]  # some are points, lines, or turned over
)


def define(boxes: Tensor, scores: Tensor, threshold: float) -> list[int]:
    """Take the best that is left, drop what overlaps it too much, until nothing is left."""
    left = sorted(range(len(scores)), key=lambda i: -scores[i].item())
    kept = []
    while left:
        best, *left = left
        kept.append(best)
        left = [i for i in left if not overlap(boxes[best], boxes[i]) > threshold]
    return kept


def overlap(first: Tensor, second: Tensor) -> float:
    a, b = first.numpy(), second.numpy()
    zero = a.dtype.type(0)
    width = max(zero, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(zero, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return float(width * height / union) if union else 0.0


def scattered(count: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 300
    size = torch.rand(count, 2, generator=generator) * 40 + 1
    return torch.cat((corner, corner + size), dim=1), torch.rand(count, generator=generator)


def crowded(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """A few places, many boxes near each: as a network proposes them."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.rand(12, 2, generator=generator) * 300
    center = places[torch.randint(12, (count,), generator=generator)]
    center = center + torch.randn(count, 2, generator=generator) * 4
    half = 20 + torch.randn(count, 2, generator=generator) * 3
    scores = (torch.rand(count, generator=generator) * 50).round() / 50  # many are tied
    return torch.cat((center - half, center + half), dim=1), scores


@given(st.lists(st.tuples(BOX, st.integers(0, 3)), max_size=12), st.sampled_from(THRESHOLDS))
@settings(max_examples=150)
def test_kept_are_those_of_the_definition(objects: list, threshold: float) -> None:
    boxes = torch.tensor([box for box, _ in objects], dtype=torch.float32).view(-1, 4)
    scores = torch.tensor([score for _, score in objects], dtype=torch.float32)
    expected = define(boxes, scores, threshold)
    assert nms(boxes, scores, threshold).tolist() == expected
    assert on_device(boxes, scores, None, threshold) == expected


def on_device(boxes: Tensor, scores: Tensor, groups: Tensor | None, threshold: float) -> list[int]:
    """What runs on a GPU, run here."""
    return _nms_on_device(boxes, scores, groups, threshold).tolist()


@pytest.mark.parametrize("make", [scattered, crowded])
@pytest.mark.parametrize("count", [1, 2, 181, 182, 400])
def test_sizes_around_a_tile(make, count: int) -> None:
    boxes, scores = make(count, count)
    for threshold in (0.3, 0.7):
        kept = nms(boxes, scores, threshold)
        assert kept.dtype == torch.int64
        assert kept.tolist() == define(boxes, scores, threshold)


@pytest.mark.parametrize("make", [scattered, crowded])
def test_many_boxes_in_large_steps(make) -> None:
    """Large enough for chunks of chunks and for the search among neighbours."""
    boxes, scores = make(4000, 3)
    kept = nms(boxes, scores, 0.5)
    assert kept.tolist() == on_device(boxes, scores, None, 0.5)
    assert_greedy(boxes, scores, kept, 0.5)


def assert_greedy(boxes: Tensor, scores: Tensor, kept: Tensor, threshold: float) -> None:
    """The law: nothing kept is covered by a better kept one, and everything else is."""
    order = torch.argsort(scores, descending=True, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    for i in range(0, len(boxes), 1000):
        part = torch.arange(i, min(i + 1000, len(boxes)))
        covered = iou(boxes[part], boxes[kept]) > threshold
        covered &= rank[part, None] > rank[kept]
        assert torch.equal(covered.any(dim=1), ~torch.isin(part, kept))


def iou(first: Tensor, second: Tensor) -> Tensor:
    low = torch.maximum(first[:, None, :2], second[:, :2])
    high = torch.minimum(first[:, None, 2:], second[:, 2:])
    both = (high - low).clamp(min=0).prod(dim=2)
    areas = [(b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]) for b in (first, second)]
    return both / (areas[0][:, None] + areas[1] - both)


def test_small_steps_and_large_ones_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes, scores = scattered(700, 5)
    groups = torch.randint(0, 4, (700,), generator=torch.Generator().manual_seed(1))
    whole = nms(boxes, scores, 0.1), batched_nms(boxes, scores, groups, 0.1)
    sizes = {"SIDE": 20, "TILE": 500, "LARGE": 60, "GROWTH": 3, "SWEEP": 15, "MANY": 40, "FEW": 3}
    for name, value in sizes.items():
        monkeypatch.setattr(_nms_cpu, name, value)
    assert torch.equal(nms(boxes, scores, 0.1), whole[0])
    assert torch.equal(batched_nms(boxes, scores, groups, 0.1), whole[1])


def test_a_chain_of_boxes_alternates() -> None:
    """Each covers only the next, and the scores fall: every second one stays."""
    left = torch.arange(900.0) * 4
    boxes = torch.stack((left, left * 0, left + 10, left * 0 + 10), dim=1)
    kept = nms(boxes, -left, 0.3)
    assert kept.tolist() == list(range(0, 900, 2))


def test_equal_boxes_leave_the_first_of_the_best() -> None:
    boxes = torch.tensor([[2.0, 2, 8, 8]]).repeat(2000, 1)
    scores = torch.zeros(2000)
    scores[[7, 9]] = 1
    assert nms(boxes, scores, 0.5).tolist() == [7]
    assert nms(boxes, scores, 1.0).tolist() == [7, 9, *(i for i in range(2000) if i not in (7, 9))]


@pytest.mark.parametrize("case", GOLDEN["nms"], ids=lambda case: f"{len(case['scores'])} boxes")
def test_kept_are_the_reference(case: dict) -> None:
    boxes, scores = torch.tensor(case["boxes"]), torch.tensor(case["scores"])
    labels, threshold = torch.tensor(case["labels"]), case["threshold"]
    assert nms(boxes, scores, threshold).tolist() == case["kept"]
    assert on_device(boxes, scores, None, threshold) == case["kept"]
    assert batched_nms(boxes, scores, labels, threshold).tolist() == case["kept_by_label"]


@pytest.mark.parametrize("make", [scattered, crowded])
@pytest.mark.parametrize(("count", "groups"), [(40, 3), (500, 80), (3000, 5)])
def test_groups_do_not_meet(make, count: int, groups: int) -> None:
    boxes, scores = make(count, groups)
    generator = torch.Generator().manual_seed(0)
    idxs = torch.randint(-1, groups, (count,), generator=generator) * 7
    loop = []
    for group in idxs.unique():
        own = (idxs == group).nonzero().flatten()
        loop.append(own[nms(boxes[own], scores[own], 0.4)])
    expected = torch.cat(loop).sort().values
    expected = expected[torch.argsort(scores[expected], descending=True, stable=True)]
    assert torch.equal(batched_nms(boxes, scores, idxs, 0.4), expected)
    assert on_device(boxes, scores, idxs, 0.4) == expected.tolist()


def test_one_group_is_no_group() -> None:
    boxes, scores = crowded(600, 1)
    one = torch.full((600,), 3, dtype=torch.int32)
    assert torch.equal(batched_nms(boxes, scores, one, 0.5), nms(boxes, scores, 0.5))


def test_groups_of_far_and_huge_boxes() -> None:
    """Groups are kept apart without moving the boxes: no coordinate loses digits."""
    boxes = torch.tensor([[0, 0, 1, 1], [0.4, 0, 1.4, 1], [0, 0, 1e9, 1e9], [-3e38, 0, 3e38, 1]])
    alone = nms(boxes, torch.arange(4.0), 0.4)
    for groups in (3, 300):
        scores = torch.arange(4.0 * groups)
        idxs = torch.arange(groups).repeat_interleave(4)
        expected = torch.cat([alone + 4 * i for i in reversed(range(groups))])
        assert torch.equal(batched_nms(boxes.repeat(groups, 1), scores, idxs, 0.4), expected)


def test_threshold_is_compared_as_a_double() -> None:
    """IoU 0.3 in float32 is above 0.3, IoU 0.7 in float32 is below 0.7."""
    tenths = torch.tensor([[0.0, 0, 10, 1], [0, 0, 3, 1], [0, 0, 7, 1]])
    scores = torch.tensor([3.0, 2, 1])
    assert float(np.float32(0.3)) > 0.3
    assert nms(tenths[:2], scores[:2], 0.3).tolist() == [0]
    assert nms(tenths[[0, 2]], scores[:2], 0.7).tolist() == [0, 1]
    assert nms(tenths.double()[:2], scores[:2], 0.3).tolist() == [0, 1]


def test_not_a_number_covers_nothing() -> None:
    boxes = torch.tensor([[0.0, 0, 4, 4], [float("nan"), 0, 4, 4], [0, 0, 4, 4]])
    assert nms(boxes, torch.tensor([0.2, 0.9, 0.1]), 0.5).tolist() == [1, 0]


def test_empty_input() -> None:
    none, scores = torch.zeros(0, 4), torch.zeros(0)
    assert nms(none, scores, 0.5).shape == (0,)
    assert nms(none, scores, 0.5).dtype == torch.int64
    assert batched_nms(none, scores, torch.zeros(0, dtype=torch.int64), 0.5).tolist() == []
    assert on_device(none, scores, None, 0.5) == []


def test_precisions_and_gradients_are_accepted() -> None:
    boxes, scores = crowded(50, 2)
    boxes = boxes.round()
    expected = nms(boxes, scores, 0.5)
    assert torch.equal(
        nms(boxes.bfloat16().float(), scores, 0.5), nms(boxes.bfloat16(), scores, 0.5)
    )
    assert torch.equal(nms(boxes.double(), scores.double(), 0.5), expected)
    assert torch.equal(nms(boxes.clone().requires_grad_(), scores, 0.5), expected)


def test_a_thread_that_begins_in_inference_mode_may_leave_it() -> None:
    boxes, scores = crowded(50, 2)

    def inside_then_outside() -> list[Tensor]:
        with torch.inference_mode():
            inside = nms(boxes, scores, 0.5)
        return [inside, nms(boxes, scores, 0.5)]

    with ThreadPoolExecutor(1) as fresh:
        answers = fresh.submit(inside_then_outside).result()
    assert [kept.tolist() for kept in answers] == [define(boxes, scores, 0.5)] * 2


def test_misuse_is_refused() -> None:
    boxes, scores = torch.zeros(3, 4), torch.zeros(3)
    with pytest.raises(ValueError, match=r"boxes: expected shape \(N, 4\), got \(3, 5\)"):
        nms(torch.zeros(3, 5), scores, 0.5)
    with pytest.raises(ValueError, match=r"scores: expected shape \(3,\), got \(2,\)"):
        nms(boxes, scores[:2], 0.5)
    with pytest.raises(ValueError, match=r"idxs: expected shape \(3,\), got \(3, 1\)"):
        batched_nms(boxes, scores, torch.zeros(3, 1), 0.5)
    with pytest.raises(ValueError, match=r"expected a value >= 0, got -0\.5"):
        nms(boxes, scores, -0.5)


def test_operator_is_well_formed_and_exports() -> None:
    boxes, scores = crowded(30, 4)
    groups = torch.arange(30) % 2
    quick = ("test_schema", "test_autograd_registration", "test_faketensor")
    opcheck(torch.ops.tapetum.nms, (boxes, scores, None, 0.5), test_utils=quick)
    opcheck(torch.ops.tapetum.nms, (boxes, scores, groups, 0.5))

    class Select(torch.nn.Module):
        def forward(self, boxes: Tensor, scores: Tensor) -> Tensor:
            return boxes[nms(boxes, scores, 0.5)]

    count = torch.export.Dim("count", min=2, max=5000)
    shapes = {"boxes": {0: count}, "scores": {0: count}}
    exported = torch.export.export(Select(), (boxes, scores), dynamic_shapes=shapes).module()
    more = crowded(300, 5)
    assert torch.equal(exported(*more), Select()(*more))
