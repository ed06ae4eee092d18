"""Polygons and colors from which the objects of a scene are painted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Random = np.random.Generator
RGB = tuple[float, float, float]
Points = np.ndarray
"""(N, 2) float64 corners of a polygon, x y."""

WHITE: RGB = (248.0, 246.0, 240.0)
PAINTS: tuple[RGB, ...] = (
    (218, 66, 56), (236, 132, 48), (238, 190, 62), (104, 158, 70), (42, 148, 138), (84, 166, 220),
    (62, 92, 190), (128, 88, 176), (228, 120, 160), (174, 42, 72), (152, 100, 66), (128, 198, 170),
    (52, 68, 116), (206, 160, 210),
)  # fmt: skip
"""Colors that look well beside each other."""

_PAINTS = np.array(PAINTS)

_ROUND = np.linspace(0, 2 * np.pi, 40, endpoint=False)
_CIRCLE = np.stack([np.cos(_ROUND), np.sin(_ROUND)], 1)


@dataclass(frozen=True, eq=False)
class Patch:
    """A polygon filled with one color (0 ... 255 each)."""

    points: Points
    color: RGB


def ellipse(x: float, y: float, across: float, down: float) -> Points:
    """An ellipse about (x, y) with these half axes, as a polygon."""
    return _CIRCLE * (across, down) + (x, y)


def box(left: float, top: float, right: float, bottom: float) -> Points:
    """An upright rectangle."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def rounded(corners: list[tuple[float, float]], times: int = 2) -> Points:
    """A polygon with its corners cut, and those again: smooth after few rounds (Chaikin 1974)."""
    points = np.array(corners, dtype=float)
    for _ in range(times):
        after = np.concatenate([points[1:], points[:1]])
        cut = np.empty((2 * len(points), 2))
        cut[::2] = 0.8 * points + 0.2 * after
        cut[1::2] = 0.2 * points + 0.8 * after
        points = cut
    return points


def band(path: Points | list[tuple[float, float]], width: float) -> Points:
    """A brush stroke along a path (N, 2)."""
    path = np.asarray(path, dtype=float)
    along = np.empty_like(path)  # np.gradient's differences, without its overhead
    along[0], along[-1] = path[1] - path[0], path[-1] - path[-2]
    along[1:-1] = (path[2:] - path[:-2]) / 2
    across = along[:, ::-1] * (-1, 1) / np.hypot(along[:, :1], along[:, 1:])
    return np.concatenate([path + across * width / 2, (path - across * width / 2)[::-1]])


def turned(points: Points, angle: float) -> Points:
    """Points (N, 2) rotated about the origin, x towards y."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return points @ np.array([[cosine, sine], [-sine, cosine]])


def paint(random: Random) -> RGB:
    """One of the colors that objects are painted in, varied a little."""
    return shade(pick(random, *PAINTS), random.uniform(0.85, 1.12))


def contrasting(random: Random, color: RGB) -> RGB:
    """A color that stands out on `color`: white, or another paint far from it."""
    if random.random() < 0.45:
        return WHITE
    far = np.abs(_PAINTS - color).sum(1) > 180
    return PAINTS[random.choice(np.flatnonzero(far))]


def pick(random: Random, *colors: RGB) -> RGB:
    """One of the colors."""
    return colors[random.integers(len(colors))]


def shade(color: RGB, factor: float = 1.0) -> RGB:
    """A color made darker (below 1) or mixed with white (above 1)."""
    if factor <= 1:
        red, green, blue = (part * factor for part in color)
    else:
        red, green, blue = (255 - (255 - part) / factor**2 for part in color)
    return red, green, blue
