"""The pointing games: does the heat map point at the object?"""

from __future__ import annotations

import torch
from torch import Tensor


def heat_inside(heat: Tensor, box: Tensor) -> float:
    """The energy-based pointing game (Wang et al. 2020, Score-CAM): the fraction inside the box.

    Compare with the box's fraction of the area, which a uniform map gets.

    Args:
        heat: (H, W), not negative.
        box: (4,) x1 y1 x2 y2 in pixels of the map; pixels on its edge count by the part inside.

    Returns:
        The fraction of the heat inside the box, in [0, 1]; 0 where there is no heat.
    """
    x1, y1, x2, y2 = box.double().tolist()
    rows = _covered(heat.shape[0], y1, y2)  # (H,)
    columns = _covered(heat.shape[1], x1, x2)  # (W,)
    weights = heat.detach().cpu().double()
    total = float(weights.sum())
    return float(rows @ weights @ columns) / total if total > 0 else 0.0


def hits(heat: Tensor, box: Tensor, tolerance: float = 0.0) -> bool:
    """The pointing game of Zhang et al. 2018 (there with a tolerance of 15 pixels).

    Args:
        heat: (H, W), not negative.
        box: (4,) x1 y1 x2 y2 in pixels of the map.
        tolerance: how many pixels the maximum may lie outside of the box.

    Returns:
        Whether the center of the pixel with the largest value lies in the box; False where there
        is no heat. Of several such pixels the first in row order counts.
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
