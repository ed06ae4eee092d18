"""Losses of detection and segmentation, computed in float32 at least.

Inputs in half precision are widened first: under autocast too, because none of the functions used
here is one that autocast narrows. A mean over nothing is 0, still connected to the input, where
PyTorch has NaN: a picture without objects is normal.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_REDUCTIONS = ("none", "mean", "sum")


def sigmoid_focal_loss(
    inputs: Tensor,
    targets: Tensor,
    alpha: float = 0.25,
    gamma: float = 2.0,
    reduction: str = "none",
) -> Tensor:
    """Focal loss of logits (Lin et al. 2017, equations 4 and 5).

    inputs: logits of any shape; targets: 0 or 1 (any dtype), same shape. Easy examples weigh
    (1 - p of the true side) ** gamma; alpha weighs the positive side and 1 - alpha the negative
    one, -1 neither.

    Raises:
        ValueError: `alpha` is neither -1 nor in [0, 1]; unknown `reduction`.
    """
    if alpha != -1 and not 0 <= alpha <= 1:
        raise ValueError(f"alpha: expected -1 or a value in [0, 1], got {alpha}")
    inputs = _wide(inputs)
    targets = targets.to(inputs.dtype)
    entropy = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    p = torch.sigmoid(inputs)
    wrong = 1 - (p * targets + (1 - p) * (1 - targets))  # written so that it is never negative
    loss = entropy * wrong**gamma
    if alpha >= 0:
        loss = loss * (alpha * targets + (1 - alpha) * (1 - targets))
    return _reduce(loss, reduction)


def smooth_l1_loss(
    input: Tensor, target: Tensor, beta: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """Squared below `beta`, absolute above, smooth where they meet (Girshick 2015, equation 3)."""
    input = _wide(input)
    loss = F.smooth_l1_loss(input, target.to(input.dtype), beta=beta, reduction="none")
    return _reduce(loss, reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """The absolute difference."""
    input = _wide(input)
    return _reduce((input - target.to(input.dtype)).abs(), reduction)


def cross_entropy(
    input: Tensor, target: Tensor, reduction: str = "mean", ignore_index: int = -100
) -> Tensor:
    """Cross entropy of logits (N, C, ...) with class indices (N, ...) int64.

    Entries equal to `ignore_index` give 0 and do not count in the mean.
    """
    loss = F.cross_entropy(_wide(input), target, reduction="none", ignore_index=ignore_index)
    if reduction != "mean":
        return _reduce(loss, reduction)
    return loss.sum() / (target != ignore_index).sum().clamp(min=1)


def _wide(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()


def _reduce(loss: Tensor, reduction: str) -> Tensor:
    if reduction not in _REDUCTIONS:
        raise ValueError(f"reduction: expected one of {', '.join(_REDUCTIONS)}, got {reduction!r}")
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.sum() / max(loss.numel(), 1)
