"""Which candidate learns which box, and which candidates take part in the loss."""

from __future__ import annotations

import torch
from torch import Tensor

BACKGROUND = -1
"""In a vector of matches: overlaps no box enough."""
BETWEEN = -2
"""In a vector of matches: between the thresholds, neither an object nor background."""


def match_boxes(iou: Tensor, high: float, low: float, allow_low_quality: bool = False) -> Tensor:
    """Match candidates to true boxes (Ren et al. 2015, section 3.1.2).

    A candidate takes the box that it overlaps most (the first of equals) if that IoU is >= `high`,
    and is background below `low`. With `allow_low_quality` the candidates that overlap a box most,
    all of them where several are equal, keep the box that they themselves overlap most, however
    low, if they overlap it at all (for a box that touches none, torchvision takes all candidates).
    Without boxes all candidates are background.

    Args:
        iou: (M, N), of M boxes with N candidates.
        high: IoU from which a candidate is matched, in [0, 1].
        low: IoU below which it is background, in [0, 1].
        allow_low_quality: match a candidate to each box where possible.

    Returns:
        (N,) int64, the index of the box of each candidate, BACKGROUND (-1) or BETWEEN (-2).

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
    """At most `count` candidates, a bounded fraction of them positive.

    Up to `count * positive_fraction` candidates with a match; background fills the rest as far as
    there is any; BETWEEN is never taken.

    Args:
        matches: (N,) int64, as `match_boxes` gives.
        count: the largest number of candidates.
        positive_fraction: the largest fraction of positive ones, in [0, 1].
        generator: chooses among them; None takes the first of each kind.

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
