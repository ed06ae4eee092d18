from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from tapetum.base.seeds import generator
from tapetum.models.detection.assign import Sampler
from tapetum.models.detection.two_stage.rpn import (
    SampledAnchors,
    proposal_losses,
    propose,
    sample_anchors,
)
from tapetum.structures import Objects, Target

FINE = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10], [40, 0, 50, 10]])
COARSE = torch.tensor([[0.0, 0, 10, 10]])
SIZE = torch.tensor([[60, 100]])
LIMITS: dict[str, Any] = {"pre_nms_top_n": 5, "post_nms_top_n": 5, "nms_thresh": 0.7}


def sampler(count: int) -> Sampler:
    """As torchvision draws anchors."""
    return Sampler(0.7, 0.3, count, 0.5, allow_low_quality=True)


def boxes_of(
    logits: list[float], count: int = 10, after: int | None = None, **moved: float
) -> list[list[float]]:
    deltas = torch.zeros(1, 5, 4)
    for index, shift in moved.items():
        deltas[0, int(index[1:]), 0] = shift
    limits = {"pre_nms_top_n": count, "post_nms_top_n": after or count, "nms_thresh": 0.7}
    (boxes,) = propose(torch.tensor([logits]), deltas, (FINE, COARSE), SIZE, **limits)
    return boxes.tolist()


def test_the_best_first_suppressed_in_their_level_only() -> None:
    found = boxes_of([3.0, 2, 1, 5, 4])
    assert found == [FINE[3].tolist(), COARSE[0].tolist(), FINE[0].tolist(), FINE[2].tolist()]


def test_the_count_holds_for_a_level_and_for_all() -> None:
    assert boxes_of([3.0, 2, 1, 5, 4], count=2) == [FINE[3].tolist(), COARSE[0].tolist()]
    # Of the fine level only the two best enter, and one of them suppresses the other.
    assert boxes_of([3.0, 2, 1, 0, -9], count=2) == [FINE[0].tolist(), COARSE[0].tolist()]


def test_fewer_may_be_left_after_the_suppression_than_went_in() -> None:
    every = boxes_of([3.0, 2, 1, 5, 4], count=4)
    assert boxes_of([3.0, 2, 1, 5, 4], count=4, after=2) == every[:2]
    assert len(every) == 4


def test_anchors_are_moved_clipped_and_dropped_if_nothing_is_left() -> None:
    found = boxes_of([5.0, -9, 4, -9, -9], count=3, a0=-0.5, a2=7.5)
    assert found[:2] == [[0, 0, 5, 10], [95, 0, 100, 10]]
    assert boxes_of([5.0, -9, 4, -9, -9], count=2, a0=-2.0)[0] == FINE[2].tolist()


def test_each_image_has_its_own_size_and_gradients_do_not_pass() -> None:
    logits = torch.zeros(2, 1, requires_grad=True)
    deltas = torch.zeros(2, 1, 4, requires_grad=True)
    anchors = (torch.tensor([[0.0, 0, 50, 50]]),)
    first, second = propose(logits, deltas, anchors, torch.tensor([[40, 60], [60, 30]]), **LIMITS)
    assert first.tolist() == [[0, 0, 50, 40]]
    assert second.tolist() == [[0, 0, 30, 50]]
    assert not first.requires_grad


def test_half_of_the_sample_are_objects() -> None:
    target = Target(
        objects=Objects(boxes=torch.tensor([[0.0, 0, 10, 10]]), labels=torch.tensor([0]))
    )
    nothing = Target(objects=Objects.empty())
    anchors = torch.cat((FINE[:1].expand(20, 4), FINE[3:].expand(30, 4)))
    sampled = sample_anchors([target, nothing], anchors, sampler(8), [generator(0), generator(1)])
    assert sampled.image.tolist() == [0] * 8 + [1] * 8
    assert sampled.match.tolist() == [0] * 4 + [-1] * 12
    assert (sampled.anchor[:4] < 20).all()
    assert (sampled.anchor[4:8] >= 20).all()


def test_anchors_between_the_thresholds_are_not_sampled() -> None:
    """An object of 100 x 100 and anchors that cover a share of it: objects from 0.7, background
    below 0.3."""
    shares = (1.0, 0.71, 0.69, 0.5, 0.31, 0.29, 0.0)
    anchors = torch.tensor([[0.0, 0, 100, 100 * share] for share in shares])
    anchors[-1] = torch.tensor([200.0, 0, 300, 100])
    target = Target(
        objects=Objects(boxes=torch.tensor([[0.0, 0, 100, 100]]), labels=torch.tensor([0]))
    )
    sampled = sample_anchors([target], anchors, sampler(100), [generator(0)])
    assert sampled.anchor.tolist() == [0, 1, 5, 6]
    assert sampled.match.tolist() == [0, 0, -1, -1]


def test_losses_by_hand() -> None:
    targets = [Target(objects=Objects(torch.tensor([[2.0, 0, 12, 10]]), torch.tensor([0])))]
    sampled = SampledAnchors(torch.tensor([0, 0]), torch.tensor([0, 3]), torch.tensor([0, -1]))
    logits = torch.tensor([[0.0, 9, 9, math.log(3)]])
    losses = proposal_losses(logits, torch.zeros(1, 4, 4), FINE, sampled, targets)
    # Object at probability 1/2, background at 3/4; the offset 0.2 costs 0.2 - 1/18.
    assert losses["loss_objectness"].item() == pytest.approx((math.log(2) + math.log(4)) / 2)
    assert losses["loss_rpn_box_reg"].item() == pytest.approx((0.2 - 1 / 18) / 2)


def test_losses_of_no_sample_are_zero_and_connected() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    logits = torch.zeros(1, 4, requires_grad=True)
    deltas = torch.zeros(1, 4, 4, requires_grad=True)
    targets = [Target(objects=Objects.empty())]
    losses = proposal_losses(logits, deltas, FINE, SampledAnchors(none, none, none), targets)
    sum(losses.values()).backward()
    assert [loss.item() for loss in losses.values()] == [0, 0]
    assert logits.grad.sum() == deltas.grad.sum() == 0
