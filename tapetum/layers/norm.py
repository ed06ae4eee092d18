"""Normalisation by name: "batch", "frozen" (imported weights) or "group" (small batches)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NORMS = ("batch", "frozen", "group")


def make_norm(kind: str, channels: int) -> nn.Module:
    """A fresh normalisation of maps (B, channels, H, W).

    "batch" uses the statistics of the batch while training; "frozen" keeps the statistics and the
    scale that it was given, as detectors with imported weights do; "group" normalises every image
    by itself (Wu and He 2018, "Group Normalization"), which is what small batches need.

    Args:
        kind: one of NORMS.
        channels: of the maps.

    Returns:
        The module.

    Raises:
        ValueError: an unknown kind.
    """
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "frozen":
        return FrozenBatchNorm(channels)
    if kind == "group":
        return nn.GroupNorm(group_count(channels), channels)
    raise ValueError(f"norm: expected one of {', '.join(NORMS)}, got {kind!r}")


def group_count(channels: int, max_groups: int = 32, min_channels: int = 4) -> int:
    """The largest number of groups, up to 32 as in the paper, of equal size and at least 4 channels
    each.

    Groups of one channel would be instance norm, which leaves nothing of a map of one pixel.

    Args:
        channels: to be divided.
        max_groups: upper bound of the number.
        min_channels: lower bound of the size of a group.

    Returns:
        The number of groups; 1 if no larger one fits.
    """
    largest = max(1, min(max_groups, channels // min_channels))
    return next(groups for groups in range(largest, 0, -1) if channels % groups == 0)


class FrozenBatchNorm(nn.Module):
    """Batch norm whose statistics, scale and shift are all fixed: buffers, not parameters."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=False,
            eps=self.eps,
        )
