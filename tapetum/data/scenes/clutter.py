"""What has no label: shapes that lie about below the objects, and boards that lie on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tapetum.data.scenes.shapes import (
    Patch,
    Points,
    Random,
    band,
    box,
    contrasting,
    paint,
    pick,
    rounded,
    shade,
)
from tapetum.data.scenes.sprites import Sprite, draw_patches, meet
from tapetum.data.scenes.textures import noise
from tapetum.data.scenes.warps import Warp

_MOST = 30
"""Shapes in a scene at full clutter."""
_WOODS = ((150, 112, 76), (186, 148, 104), (112, 84, 62), (206, 196, 180), (120, 126, 132))

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Loose:
    """A sprite without a label, and the (row, column) of its first pixel in the image."""

    sprite: Sprite
    corner: tuple[int, int]


def draw_clutter(random: Random, size: Size, level: float) -> tuple[Loose, ...]:
    """Textured shapes anywhere in the image; more at a higher level, the same ones first."""
    found = []
    for _ in range(round(_MOST * level)):
        shape = _SHAPES[random.integers(len(_SHAPES))]
        outline, color = shape(random), paint(random)
        other = contrasting(random, color)
        patches = [Patch(outline, color)]
        patches += [
            Patch(outline * fraction, ink) for fraction, ink in ((0.7, other), (0.4, color))
        ]
        side = float(np.exp(random.uniform(np.log(12), np.log(56))))
        sprite = draw_patches(patches, side, Warp(random.uniform(0, 2 * np.pi)))
        low, high = -0.3 * side, np.array(size) - 0.7 * side
        place = random.uniform(np.minimum(low, high), np.maximum(low, high))
        top, left = np.round(place).astype(int).tolist()
        found.append(Loose(_rough(random, sprite), (top, left)))
    return tuple(found)


def cover(random: Random, shown: np.ndarray, fraction: float) -> Loose:
    """A board that hides this fraction of the pixels of `shown` (H, W) bool, from one side."""
    rows, columns = np.nonzero(shown)
    points = np.column_stack([columns, rows]) + 0.5  # (P, 2) x y
    angle = random.uniform(0, 2 * np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    far, wide = points @ along, points @ across
    margin = 0.5 + 0.1 * float(np.ptp(wide))
    start, end = float(np.quantile(far, 1 - fraction)), float(far.max()) + margin
    low, high = float(wide.min()) - margin, float(wide.max()) + margin

    def place(square: Points) -> Points:
        """From the square of the board, 0 to 1, to the image."""
        x, y = square.T
        return np.outer(start + x * (end - start), along) + np.outer(low + y * (high - low), across)

    patches = [Patch(place(patch.points), patch.color) for patch in _board(random)]
    sprite = draw_patches(patches, 2.0, Warp())  # a side of 2 as 2 pixels: points are pixels
    corner = round(-sprite.origin[1]), round(-sprite.origin[0])
    thick = min(end - start, high - low)
    return Loose(_rough(random, replace(sprite, size=max(4.0, 0.6 * thick))), corner)


def covered(size: Size, pieces: Sequence[Loose]) -> np.ndarray:
    """(H, W) bool: the pixels that one of the pieces takes."""
    found = np.zeros(size, dtype=bool)
    for piece in pieces:
        here, there = meet(size, piece.sprite.alpha.shape, piece.corner)
        found[here] |= piece.sprite.mask[there]
    return found


def _rough(random: Random, sprite: Sprite) -> Sprite:
    """The sprite with a random grain."""
    shape = sprite.alpha.shape[0], sprite.alpha.shape[1]
    grain = 1 + np.float32(0.06) * noise(random, shape, "rough")
    return replace(sprite, color=np.clip(sprite.color * grain, 0, 255 * sprite.alpha))


def _board(random: Random) -> list[Patch]:
    """A plank or a sheet with lines in the square from 0 to 1."""
    color = shade(pick(random, *_WOODS, paint(random)), random.uniform(0.85, 1.1))
    line = shade(color, random.choice([0.75, 1.3]))
    patches = [Patch(box(0, 0, 1, 1), color)]
    for place in np.arange(1, random.integers(2, 6)) / 6 + random.uniform(0, 0.15):
        patches.append(Patch(box(0.04, place, 0.96, place + 0.035), line))
    return patches


def _stick(random: Random) -> Points:
    return box(-0.95, -random.uniform(0.06, 0.14), 0.95, random.uniform(0.06, 0.14))


def _triangle(random: Random) -> Points:
    return np.array([(-0.9, 0.7), (0.9, 0.7), (random.uniform(-0.8, 0.8), -0.8)])


def _star(random: Random) -> Points:
    spikes, inner = int(random.integers(4, 7)), random.uniform(0.3, 0.45)
    angles = np.pi * np.arange(2 * spikes) / spikes
    far = np.where(np.arange(2 * spikes) % 2 == 0, 0.97, inner)
    return np.stack([far * np.cos(angles), far * np.sin(angles)], 1)


def _cross(random: Random) -> Points:
    t = random.uniform(0.2, 0.35)
    corners = [(t, t), (t, 0.9), (-t, 0.9), (-t, t), (-0.9, t), (-0.9, -t)]
    return np.array(corners + [(-x, -y) for x, y in corners])


def _zigzag(random: Random) -> Points:
    along = np.linspace(-0.9, 0.9, int(random.integers(4, 8)))
    rise = np.where(np.arange(len(along)) % 2 == 0, 0.4, -0.4) * random.uniform(0.5, 1)
    return band(np.stack([along, rise], 1), 0.22)


def _leaf(random: Random) -> Points:
    wide = random.uniform(0.3, 0.5)
    return rounded([(-0.98, 0), (-0.3, -wide), (0.98, 0), (-0.3, wide)])


_SHAPES: tuple[Callable[[Random], Points], ...] = (
    _stick, _triangle, _star, _cross, _zigzag, _leaf,
)  # fmt: skip
