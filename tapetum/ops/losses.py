"""Losses of detection and segmentation, computed in float32 at least.

Inputs in half precision are widened first: under autocast too, because none of the functions used
here is one that autocast narrows. A mean over nothing is 0, still connected to the input, where
PyTorch has NaN: an image without objects is normal.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from tapetum.ops._arithmetic import reduce_loss, wide


def sigmoid_focal_loss(
    inputs: Tensor,
    targets: Tensor,
    alpha: float = 0.25,
    gamma: float = 2.0,
    reduction: str = "none",
) -> Tensor:
    """Focal loss of logits: binary cross entropy in which easy examples count little.

    Lin et al. 2017, "Focal Loss for Dense Object Detection" (arXiv 1708.02002), equations 4 and 5.

    Args:
        inputs: logits of any shape.
        targets: 0 or 1 (any dtype), same shape.
        alpha: in [0, 1]: weighs the positive side, and 1 - alpha the negative one; -1: neither.
        gamma: >= 0: an example weighs (1 - p of the true side) ** gamma.
        reduction: "none", "mean" or "sum"; the mean of nothing is 0.

    Returns:
        The loss >= 0 in the shape of `inputs`, or one number; float32, or float64 where the logits
        are.

    Raises:
        ValueError: `alpha` is neither -1 nor in [0, 1]; unknown `reduction`.
    """
    if alpha != -1 and not 0 <= alpha <= 1:
        raise ValueError(f"alpha: expected -1 or a value in [0, 1], got {alpha}")
    inputs = wide(inputs)
    targets = targets.to(inputs.dtype)
    entropy = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    p = torch.sigmoid(inputs)
    wrong = 1 - (p * targets + (1 - p) * (1 - targets))  # written so that it is never negative
    loss = entropy * wrong**gamma
    if alpha >= 0:
        loss = loss * (alpha * targets + (1 - alpha) * (1 - targets))
    return reduce_loss(loss, reduction)


def smooth_l1_loss(
    input: Tensor, target: Tensor, beta: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """Squared below `beta`, absolute above, smooth where they meet (Girshick 2015, equation 3).

    Args:
        input: (...).
        target: (...), the same shape.
        beta: where the loss changes from squared to absolute; 0 is `l1_loss`.
        reduction: "none", "mean" or "sum".

    Returns:
        (...) with "none", else a scalar.
    """
    input = wide(input)
    loss = F.smooth_l1_loss(input, target.to(input.dtype), beta=beta, reduction="none")
    return reduce_loss(loss, reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """The absolute difference.

    Args:
        input: (...).
        target: (...), the same shape.
        reduction: "none", "mean" or "sum".

    Returns:
        (...) with "none", else a scalar.
    """
    input = wide(input)
    return reduce_loss((input - target.to(input.dtype)).abs(), reduction)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    ignore_index: int = -100,
    weight: Tensor | None = None,
) -> Tensor:
    """Cross entropy of logits with class indices.

    Ignored entries give 0 and do not count in the mean.

    Args:
        input: (N, C, ...) logits.
        target: (N, ...) int64, 0 to C - 1 or `ignore_index`.
        reduction: "none", "mean" or "sum".
        ignore_index: the label of ignored entries.
        weight: (C,) weight of each class; the mean is divided by the sum of the entries' weights,
            as in PyTorch.

    Returns:
        (N, ...) with "none", else a scalar.
    """
    input = wide(input)
    weight = None if weight is None else weight.to(input.dtype)
    loss = F.cross_entropy(input, target, weight, reduction="none", ignore_index=ignore_index)
    return _reduce_entries(loss, target, reduction, ignore_index, weight)


def softmax_focal_loss(
    input: Tensor,
    target: Tensor,
    gamma: float = 2.0,
    reduction: str = "mean",
    ignore_index: int = -100,
    weight: Tensor | None = None,
) -> Tensor:
    """Focal loss of one class among several: (1 - p) ** gamma times the cross entropy.

    Lin et al. 2017, equation 4, with p the softmax probability of the true class and `weight` in
    the place of alpha. Arguments, ignored entries and the mean are as in `cross_entropy`, which
    this is at gamma = 0.

    Args:
        input: (N, C, ...) logits.
        target: (N, ...) int64, 0 to C - 1 or `ignore_index`.
        gamma: exponent of 1 - p; 0 gives `cross_entropy`.
        reduction: "none", "mean" or "sum".
        ignore_index: the label of ignored entries.
        weight: (C,) weight of each class.

    Returns:
        (N, ...) with "none", else a scalar.
    """
    input = wide(input)
    entropy = F.cross_entropy(input, target, reduction="none", ignore_index=ignore_index)
    loss = entropy * (-torch.expm1(-entropy)) ** gamma  # 1 - p, never negative
    if weight is not None:
        weight = weight.to(input.dtype)
        loss = loss * _weights(target, ignore_index, weight)
    return _reduce_entries(loss, target, reduction, ignore_index, weight)


def dice_loss(
    input: Tensor,
    target: Tensor,
    ignore_index: int = 255,
    smooth: float = 1.0,
    over_ranks: Callable[[Tensor], Tensor] = lambda sums: sums,
) -> Tensor:
    """Soft Dice loss of logits with class indices.

    For each class 1 - (2 sum(p g) + smooth) / (sum(p) + sum(g) + smooth), where p is its softmax
    probability, g is 1 where it is true and 0 elsewhere, and the sums go over all entries of the
    batch that are not `ignore_index`; then the mean over the classes that occur in `target`.
    Milletari et al. 2016 (arXiv 1606.04797), who square the terms of the denominator; without
    squares and for several classes as in Sudre et al. 2017 (arXiv 1707.03237).

    Args:
        input: (N, C, ...) logits.
        target: (N, ...) int64, 0 to C - 1 or `ignore_index`.
        ignore_index: the label of ignored entries.
        smooth: added to numerator and denominator.
        over_ranks: adds the sums of other processes, which have other parts of the batch.

    Returns:
        A scalar in [0, 1]; 0 if no class occurs.
    """
    p = torch.softmax(wide(input), dim=1)
    valid = (target != ignore_index).unsqueeze(1)  # (N, 1, ...)
    classes = torch.arange(p.shape[1], device=p.device).view(1, -1, *[1] * (p.ndim - 2))
    true = (target.unsqueeze(1) == classes) & valid  # (N, C, ...)
    over = [0, *range(2, p.ndim)]
    sums = ((p * true).sum(over), (p * valid).sum(over), true.sum(over))  # each (C,)
    both, found, size = (over_ranks(part) for part in sums)
    here = size > 0
    dice = (2 * both[here] + smooth) / (found[here] + size[here] + smooth)
    return (1 - dice).sum() / here.sum().clamp(min=1)


def _reduce_entries(
    loss: Tensor, target: Tensor, reduction: str, ignore_index: int, weight: Tensor | None
) -> Tensor:
    """As `reduce_loss`; the mean is over the entries that count, by their weights if given."""
    if reduction != "mean":
        return reduce_loss(loss, reduction)
    if weight is None:
        return loss.sum() / (target != ignore_index).sum().clamp(min=1)
    total = _weights(target, ignore_index, weight).sum()
    return loss.sum() / torch.where(total > 0, total, 1)


def _weights(target: Tensor, ignore_index: int, weight: Tensor) -> Tensor:
    """The weight of each entry, 0 where it is ignored."""
    valid = target != ignore_index
    return weight[torch.where(valid, target, 0)] * valid


def multiclass_hinge(
    input: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """Hinge loss of several classes (Weston and Watkins 1999).

    The sum over all wrong classes j of max(0, s_j - s_target + margin): 0 once the right class is
    ahead of all others by the margin. Not divided by the number of classes, unlike
    `torch.nn.MultiMarginLoss`.

    Args:
        input: (N, C) scores.
        target: (N,) int64, 0 to C - 1.
        margin: by which the right class should be ahead.
        reduction: "none", "mean" or "sum".

    Returns:
        (N,) with "none", else a scalar.
    """
    input = wide(input)
    behind = (input - input.gather(1, target[:, None]) + margin).clamp(min=0)  # (N, C)
    wrong = torch.arange(input.shape[1], device=input.device) != target[:, None]
    return reduce_loss((behind * wrong).sum(dim=1), reduction)
