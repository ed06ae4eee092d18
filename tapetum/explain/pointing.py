"""Does the heat lie where the object is?"""

from __future__ import annotations

import torch
from torch import Tensor


def heat_inside(heat: Tensor, box: Tensor) -> float:
    """Share of the heat inside the box, 0 to 1: the energy-based pointing game.

    heat: (H, W), not negative. box: (4,) x1 y1 x2 y2 in its frame; pixels that the box cuts count
    by the part inside. 0 where there is no heat. Compare with the box's share of the area, which
    is what a map without any knowledge gets (Wang et al. 2020, Score-CAM).
    """
    x1, y1, x2, y2 = box.double().tolist()
    rows = _covered(heat.shape[0], y1, y2)  # (H,)
    columns = _covered(heat.shape[1], x1, x2)  # (W,)
    weights = heat.detach().cpu().double()
    total = float(weights.sum())
    return float(rows @ weights @ columns) / total if total > 0 else 0.0


def hits(heat: Tensor, box: Tensor, tolerance: float = 0.0) -> bool:
    """Does the middle of the hottest pixel lie in the box, or at most `tolerance` pixels away?

    The pointing game of Zhang et al. 2018 (there with a tolerance of 15 pixels). A
    map without heat never hits; of several hottest pixels the first in reading order counts.
    """
    if not bool((heat > 0).any()):
        return False
    place = int(heat.argmax())
    y, x = place // heat.shape[1] + 0.5, place % heat.shape[1] + 0.5
    x1, y1, x2, y2 = box.double().tolist()
    away_x = max(x1 - x, x - x2, 0.0)
    away_y = max(y1 - y, y - y2, 0.0)
    return (away_x**2 + away_y**2) ** 0.5 <= tolerance


def _covered(count: int, start: float, end: float) -> Tensor:
    """(count,) float64: how much of each pixel [i, i + 1) lies between `start` and `end`."""
    left = torch.arange(count, dtype=torch.float64)
    return (left.add(1).clamp(max=end) - left.clamp(min=start)).clamp(min=0)
