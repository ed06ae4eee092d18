"""Which candidate learns which truth, and which of them take part in the loss."""

from __future__ import annotations

import torch
from torch import Tensor

BACKGROUND = -1
"""In a vector of matches: overlaps no truth enough."""
BETWEEN = -2
"""In a vector of matches: between the thresholds, neither truth nor background."""


def match_boxes(iou: Tensor, high: float, low: float, allow_low_quality: bool = False) -> Tensor:
    """The truth (N,) int64 of each candidate: its index, or BACKGROUND (-1), or BETWEEN (-2).

    iou: (M, N), every truth with every candidate. A candidate takes the truth that it overlaps
    most (the first of equals) if that IoU is >= `high`, and is background below `low`. With
    `allow_low_quality` the candidates that overlap a truth most, all of them where several are
    equal, keep the truth that they themselves overlap most, however low (Ren et al. 2015,
    section 3.1.2), if they overlap it at all (for a truth that touches none, torchvision takes all
    candidates). No truth at all: everything is background.

    Raises:
        ValueError: `iou` is not a matrix, or `low` > `high`.
    """
    if iou.ndim != 2:
        raise ValueError(f"iou: expected shape (M, N), got {tuple(iou.shape)}")
    if low > high:
        raise ValueError(f"thresholds: expected low <= high, got {low} and {high}")
    if iou.shape[0] == 0 or iou.shape[1] == 0:
        return iou.new_full((iou.shape[1],), BACKGROUND, dtype=torch.int64)
    overlap, nearest = iou.max(dim=0)  # (N,)
    matches = torch.where(overlap >= low, BETWEEN, BACKGROUND)
    trusted = overlap >= high
    if allow_low_quality:
        best = iou.max(dim=1, keepdim=True).values  # (M, 1)
        trusted = trusted | ((iou == best) & (best > 0)).any(dim=0)
    return torch.where(trusted, nearest, matches)


def sample_balanced(
    matches: Tensor, count: int, positive_fraction: float, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """At most `count` candidates of matches (N,), a bounded share of them positive.

    Up to `count * positive_fraction` candidates with a truth; background fills the rest as far as
    there is any; BETWEEN is never taken. Without a generator the first of each kind are taken.

    Returns:
        The chosen positive and negative indices, int64, each in ascending order.
    """
    positive = torch.nonzero(matches >= 0).flatten()
    negative = torch.nonzero(matches == BACKGROUND).flatten()
    positive = _choose(positive, int(count * positive_fraction), generator)
    negative = _choose(negative, count - len(positive), generator)
    return positive, negative


def _choose(indices: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """`count` of the indices, or all of them, in ascending order."""
    if generator is None or len(indices) <= count:
        return indices[:count]
    drawn = torch.randperm(len(indices), generator=generator, device=generator.device)[:count]
    return indices[drawn.sort().values.to(indices.device)]
