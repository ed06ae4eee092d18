"""Losses: the reference's numbers, PyTorch's, their gradients, and the empty case."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tapetum.ops.losses import (
    cross_entropy,
    dice_loss,
    l1_loss,
    sigmoid_focal_loss,
    smooth_l1_loss,
    softmax_focal_loss,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "ops.json").read_text())
REDUCTIONS = ("none", "mean", "sum")


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype) * 3


@pytest.mark.parametrize("case", GOLDEN["focal"], ids=range(len(GOLDEN["focal"])))
def test_focal_loss_is_the_reference(case: dict) -> None:
    logits, targets = torch.tensor(case["logits"]), torch.tensor(case["targets"])
    loss = torch.tensor(case["loss"])
    options = (case["alpha"], case["gamma"])
    assert torch.allclose(sigmoid_focal_loss(logits, targets, *options), loss, rtol=1e-6, atol=0)
    mean = sigmoid_focal_loss(logits, targets.bool(), *options, reduction="mean")
    assert torch.allclose(mean, loss.mean())
    total = sigmoid_focal_loss(logits, targets.long(), *options, reduction="sum")
    assert torch.allclose(total, loss.sum())


def test_focal_loss_by_hand() -> None:
    # p = 0.75: (1 - p)^2 log(1 / p) a quarter times for an object, p^2 log(1 / (1 - p)) else.
    logit = torch.log(torch.tensor([3.0, 3.0], dtype=torch.float64))
    loss = sigmoid_focal_loss(logit, torch.tensor([1, 0]))
    p = torch.tensor(0.75, dtype=torch.float64)
    expected = torch.stack((-0.25 * 0.25**2 * p.log(), -0.75 * 0.75**2 * (1 - p).log()))
    assert torch.allclose(loss, expected)


def test_focal_loss_of_extreme_logits_is_finite() -> None:
    logits = torch.tensor([-200.0, -20, 0, 20, 200]).requires_grad_()
    for target in (0.0, 1.0):
        for gamma in (0.0, 1.5, 2.0):
            loss = sigmoid_focal_loss(logits, torch.full((5,), target), gamma=gamma)
            (gradient,) = torch.autograd.grad(loss.sum(), logits)
            assert loss.isfinite().all()
            assert gradient.isfinite().all()


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("beta", [0.0, 1 / 9, 1.0, 2.5])
def test_regression_losses_are_those_of_pytorch(reduction: str, beta: float) -> None:
    input, target = draw(7, 4), draw(7, 4, seed=1)
    ours = smooth_l1_loss(input, target, beta, reduction)
    assert torch.allclose(ours, F.smooth_l1_loss(input, target, beta=beta, reduction=reduction))
    ours = l1_loss(input, target, reduction)
    assert torch.allclose(ours, F.l1_loss(input, target, reduction=reduction))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(9,), (4, 3, 5)])
def test_cross_entropy_is_that_of_pytorch(reduction: str, shape: tuple[int, ...]) -> None:
    logits = draw(shape[0], 6, *shape[1:])
    target = torch.randint(0, 6, shape, generator=torch.Generator().manual_seed(1))
    target.view(-1)[::4] = 255
    expected = F.cross_entropy(logits, target, ignore_index=255, reduction=reduction)
    assert torch.allclose(cross_entropy(logits, target, reduction, ignore_index=255), expected)
    kept = target.clamp(max=5)
    expected = F.cross_entropy(logits, kept, reduction=reduction)
    assert torch.allclose(cross_entropy(logits, kept, reduction), expected)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_weighted_cross_entropy_is_that_of_pytorch(reduction: str) -> None:
    logits, target = draw(4, 6, 3, 5), labels(4, 3, 5)
    weight = torch.tensor([0.1, 2.0, 1.0, 0.0, 5.0, 0.7])
    expected = F.cross_entropy(logits, target, weight, ignore_index=255, reduction=reduction)
    for given in (weight, weight.double()):
        loss = cross_entropy(logits, target, reduction, 255, given)
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss, expected)


def labels(*shape: int, classes: int = 6) -> Tensor:
    """Class indices, every fourth 255."""
    target = torch.randint(0, classes, shape, generator=torch.Generator().manual_seed(1))
    target.view(-1)[::4] = 255
    return target


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_softmax_focal_loss_without_focus_is_cross_entropy(reduction: str) -> None:
    logits, target = draw(4, 6, 3, 5, dtype=torch.float64), labels(4, 3, 5)
    weight = torch.tensor([0.1, 2.0, 1.0, 0.0, 5.0, 0.7])
    for given in (None, weight):
        loss = softmax_focal_loss(logits, target, 0.0, reduction, 255, given)
        torch.testing.assert_close(loss, cross_entropy(logits, target, reduction, 255, given))


def test_softmax_focal_loss_by_hand() -> None:
    # p = 3 / 4 of the first class: (1 / 4)^2 log(4 / 3) where it is true, (3 / 4)^2 log 4 else.
    logits = torch.tensor([[3.0, 1.0], [3.0, 1.0], [3.0, 1.0]], dtype=torch.float64).log()
    target = torch.tensor([0, 1, 255])
    loss = softmax_focal_loss(logits, target, reduction="none", ignore_index=255)
    expected = torch.tensor([4 / 3, 4, 1], dtype=torch.float64).log()
    expected *= torch.tensor([1 / 16, 9 / 16, 0])
    torch.testing.assert_close(loss, expected)
    weighted = softmax_focal_loss(logits, target, ignore_index=255, weight=torch.tensor([1.0, 3.0]))
    torch.testing.assert_close(weighted, (expected[0] + 3 * expected[1]) / 4)


def test_dice_loss_by_hand() -> None:
    """Three pixels with p = 3 / 4, 1 / 4, 1 / 2 of class 0; class 2 is impossible."""
    p = torch.tensor([[0.75, 0.25, 0], [0.25, 0.75, 0], [0.5, 0.5, 0]], dtype=torch.float64)
    logits = p.log().clamp(min=-100).T[None]  # (1, 3, 3)
    both = [2 * 1.25 / (1.5 + 2), 2 * 0.75 / (1.5 + 1)]  # of classes 0 and 1
    loss = dice_loss(logits, torch.tensor([[0, 1, 0]]), smooth=0.0)
    assert loss.item() == pytest.approx(1 - sum(both) / 2)
    smoothed = dice_loss(logits, torch.tensor([[0, 0, 0]]), smooth=2.0)
    assert smoothed.item() == pytest.approx(1 - (2 * 1.5 + 2) / (1.5 + 3 + 2))
    ignoring = dice_loss(logits, torch.tensor([[0, 1, 255]]), smooth=0.0)
    assert ignoring.item() == pytest.approx(1 - 0.75)


def test_dice_loss_sees_no_ignored_pixel_and_sums_over_the_batch() -> None:
    logits, target = draw(2, 6, 4, 5), labels(2, 4, 5)
    loss = dice_loss(logits, target)
    other = torch.where((target == 255)[:, None], draw(2, 6, 4, 5, seed=9), logits)
    torch.testing.assert_close(dice_loss(other, target), loss)
    in_a_row = logits.transpose(0, 1).reshape(1, 6, 40)
    torch.testing.assert_close(dice_loss(in_a_row, target.reshape(1, 40)), loss)


def test_dice_loss_is_0_when_right_and_near_1_when_wrong() -> None:
    target = labels(2, 4, 5)
    right = 200 * F.one_hot(target.clamp(max=5), 6).movedim(-1, 1).float()
    assert dice_loss(right, target).item() == pytest.approx(0, abs=1e-6)
    assert dice_loss(right.roll(1, dims=1), target, smooth=0.0).item() == pytest.approx(1)
    assert dice_loss(right.roll(1, dims=1), target).item() < 1


def test_gradients() -> None:
    x, y = draw(3, 4, dtype=torch.float64).requires_grad_(), draw(3, 4, seed=1).double()
    goal = torch.tensor([0, -100, 3])
    assert torch.autograd.gradcheck(lambda x: sigmoid_focal_loss(x, (y > 0).double()), x)
    assert torch.autograd.gradcheck(lambda x: smooth_l1_loss(x, y, 1 / 9), x)
    assert torch.autograd.gradcheck(lambda x: l1_loss(x, y), x)
    assert torch.autograd.gradcheck(lambda x: cross_entropy(x, goal), x)
    assert torch.autograd.gradcheck(lambda x: softmax_focal_loss(x, goal), x)
    assert torch.autograd.gradcheck(lambda x: dice_loss(x, goal, ignore_index=-100), x)


def losses_of(x: Tensor, reduction: str) -> list[Tensor]:
    labels = torch.zeros(len(x), dtype=torch.int64)
    return [
        sigmoid_focal_loss(x, torch.zeros_like(x), reduction=reduction),
        smooth_l1_loss(x, torch.zeros_like(x), reduction=reduction),
        l1_loss(x, torch.zeros_like(x), reduction),
        cross_entropy(x, labels, reduction),
        softmax_focal_loss(x, labels, reduction=reduction),
    ]


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_nothing_costs_nothing_and_stays_connected(reduction: str) -> None:
    nothing = torch.zeros(0, 4, requires_grad=True)
    for loss in losses_of(nothing, reduction):
        assert loss.item() == 0
        (gradient,) = torch.autograd.grad(loss, nothing)
        assert gradient.shape == (0, 4)
    ignored, logits = torch.tensor([-100, -100]), draw(2, 4).requires_grad_()
    for weight in (None, torch.ones(4)):
        for loss_of in (cross_entropy, softmax_focal_loss):
            assert loss_of(logits, ignored, reduction=reduction, weight=weight).item() == 0
    assert cross_entropy(logits, torch.tensor([1, 1]), weight=torch.zeros(4)).item() == 0


def test_dice_loss_of_nothing_is_0_and_stays_connected() -> None:
    for size in (0, 3):
        logits = draw(1, 4, size).requires_grad_()
        loss = dice_loss(logits, torch.full((1, size), 255))
        assert loss.item() == 0
        (gradient,) = torch.autograd.grad(loss, logits)
        assert (gradient == 0).all()


def test_dice_loss_is_finite_for_extreme_logits_and_widens_half_precision() -> None:
    logits = torch.tensor([[[500.0, -500], [-500, 500], [-500, -500]]], requires_grad=True)
    for smooth in (0.0, 1.0):
        loss = dice_loss(logits, torch.tensor([[1, 255]]), smooth=smooth)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert loss.isfinite()
        assert gradient.isfinite().all()
    x, target = draw(2, 6, 5).bfloat16(), labels(2, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        narrow = dice_loss(x, target)
    assert torch.equal(narrow, dice_loss(x.float(), target))
    assert dice_loss(x.double(), target).dtype == torch.float64


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_half_precision_is_widened_under_autocast_too(reduction: str) -> None:
    x = draw(5, 4).bfloat16()
    wide = losses_of(x.float(), reduction)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        narrow = losses_of(x, reduction)
    for ours, expected in zip(narrow, wide, strict=True):
        assert ours.dtype == torch.float32
        assert torch.equal(ours, expected)
    assert all(loss.dtype == torch.float64 for loss in losses_of(x.double(), reduction))


def test_misuse_is_refused() -> None:
    x = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=r"alpha: expected -1 or a value in \[0, 1\], got 1\.5"):
        sigmoid_focal_loss(x, x, alpha=1.5)
    for call in (sigmoid_focal_loss, smooth_l1_loss, l1_loss):
        with pytest.raises(ValueError, match="expected one of none, mean, sum, got 'avg'"):
            call(x, x, reduction="avg")
    with pytest.raises(ValueError, match="got 'avg'"):
        cross_entropy(x, torch.zeros(2, dtype=torch.int64), "avg")
