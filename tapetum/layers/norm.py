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


def group_count(channels: int, most: int = 32, least_in_group: int = 4) -> int:
    """The most groups, up to 32 as in the paper, of equal size and at least 4 channels each.

    Groups of one channel would be instance norm, which leaves nothing of a map of one pixel.
    """
    most = max(1, min(most, channels // least_in_group))
    return next(groups for groups in range(most, 0, -1) if channels % groups == 0)


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
