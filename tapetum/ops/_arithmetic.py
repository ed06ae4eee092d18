"""What box operators and losses share: precision, division, and how a loss is reduced."""

from __future__ import annotations

import torch
from torch import Tensor

REDUCTIONS = ("none", "mean", "sum")


def wide(values: Tensor) -> Tensor:
    """The same values in float32, or in float64 if they are."""
    return values if values.dtype == torch.float64 else values.float()


def ratio(part: Tensor, whole: Tensor) -> Tensor:
    """The quotient part / whole, and 0 where there is no whole."""
    # Replacing the divisor, not the quotient, keeps NaN out of the gradient too.
    return part / torch.where(whole > 0, whole, 1)


def reduce_loss(loss: Tensor, reduction: str) -> Tensor:
    """The loss itself, its mean or its sum; the mean of nothing is 0, where PyTorch has NaN.

    Raises:
        ValueError: unknown `reduction`.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction: expected one of {', '.join(REDUCTIONS)}, got {reduction!r}")
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.sum() / max(loss.numel(), 1)
