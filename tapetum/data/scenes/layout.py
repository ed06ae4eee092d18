"""Which things a scene holds, where they lie, and which of them each pixel shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tapetum.data.scenes.shapes import Random
from tapetum.data.scenes.sprites import Sprite, draw_digit, draw_patches, meet
from tapetum.data.scenes.things import DRAWN, THINGS, inks

_TRIES = 12
"""How often a thing looks for a place before the scene goes without it."""


@dataclass(frozen=True)
class SceneOptions:
    """What scenes are like. The defaults suit a detector that learns for two minutes.

    count: fewest and most things, as tried; a scene may end with fewer.
    scale: smallest and largest side of a thing in pixels; even in the logarithm.
    overlap: the share of a thing's box, at most, that the box of another may take.
    cut: the share of a thing's height or width, at most, that the picture's border may cut off.
    min_visible: a thing that shows less than this share of its pixels is left out altogether.
    rotation: degrees, at most, either way.
    light: shadows, volume and uneven, coloured light; 0 is flat, 1 is harsh.
    texture: contrast of the background; 0 is one colour.
    noise: standard deviation of the film grain, in levels of 255.
    """

    count: tuple[int, int] = (3, 8)
    scale: tuple[float, float] = (16.0, 96.0)
    overlap: float = 0.35
    cut: float = 0.15
    min_visible: float = 0.25
    rotation: float = 20.0
    light: float = 0.4
    texture: float = 1.0
    noise: float = 3.0

    def __post_init__(self) -> None:
        if not 0 <= self.count[0] <= self.count[1] < 1000:
            raise ValueError(f"count: expected 0 <= fewest <= most < 1000, got {self.count}")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale: expected 0 < smallest <= largest, got {self.scale}")
        for name in ("overlap", "cut", "min_visible", "light", "texture"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: expected 0 ... 1, got {getattr(self, name)}")
        if self.rotation < 0 or self.noise < 0:
            raise ValueError(
                f"rotation, noise: expected 0 or more, got {self.rotation}, {self.noise}"
            )


@dataclass(frozen=True, eq=False)
class Layout:
    """N things in the order in which they are put down.

    labels: (N,) int64, index into THINGS.
    sprites, corners: what is put down, and the (row, column) of its first pixel, maybe negative.
    owner: (H, W) int16, the thing that each pixel shows, -1 for the background.
    """

    labels: np.ndarray
    sprites: tuple[Sprite, ...]
    corners: tuple[tuple[int, int], ...]
    owner: np.ndarray

    def boxes_and_areas(self) -> tuple[np.ndarray, np.ndarray]:
        """(N, 4) float64 xyxy hull of each thing's visible pixels, half open, and their number."""
        boxes, areas = np.zeros((len(self.labels), 4)), np.zeros(len(self.labels))
        for number, (sprite, corner) in enumerate(zip(self.sprites, self.corners, strict=True)):
            here, _ = meet(self.owner.shape, sprite.alpha.shape, corner)
            shown = self.owner[here] == number
            rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
            top, left = here[0].start, here[1].start
            boxes[number] = left + columns[0], top + rows[0], left + columns[-1], top + rows[-1]
            areas[number] = shown.sum()
        boxes[:, 2:] += 1
        return boxes, areas


def lay_out(
    random: Random, size: tuple[int, int], options: SceneOptions, glyphs: np.ndarray
) -> Layout:
    """Draw things and find places for them; glyphs (M, 8, 8) are the digits to choose from.

    Large things lie below small ones.
    """
    count = random.integers(options.count[0], options.count[1] + 1)
    smallest, largest = np.log(options.scale)
    sizes = np.exp(random.uniform(smallest, largest, count))
    labels: list[int] = []
    sprites: list[Sprite] = []
    corners: list[tuple[int, int]] = []
    for side in np.sort(sizes)[::-1].tolist():
        label = int(random.integers(len(THINGS)))
        sprite = _draw(random, THINGS[label], side, options.rotation, glyphs)
        corner = _find_place(random, sprite, size, options, sprites, corners)
        if corner is not None:
            labels.append(label)
            sprites.append(sprite)
            corners.append(corner)
    shown = _visible(size, sprites, corners)
    whole = np.array([sprite.solid.sum() for sprite in sprites])
    kept = [i for i in range(len(sprites)) if shown[i] >= max(1, options.min_visible * whole[i])]
    # Nothing of what is left out is painted, so that no pixel shows a thing without a label.
    sprites, corners = [sprites[i] for i in kept], [corners[i] for i in kept]
    chosen = np.array([labels[i] for i in kept], dtype=np.int64)
    return Layout(chosen, tuple(sprites), tuple(corners), _owners(size, sprites, corners))


def _draw(random: Random, name: str, side: float, rotation: float, glyphs: np.ndarray) -> Sprite:
    angle = float(np.deg2rad(random.uniform(-rotation, rotation)))
    if name in DRAWN:
        return draw_patches(DRAWN[name](random), side, angle)
    return draw_digit(glyphs[random.integers(len(glyphs))], inks(random), side, angle)


def _find_place(
    random: Random, sprite: Sprite, size: tuple[int, int], options: SceneOptions,
    others: list[Sprite], corners: list[tuple[int, int]],
) -> tuple[int, int] | None:  # fmt: skip
    """A (row, column) for the sprite that leaves the others free enough, or None."""
    shape = np.array(sprite.alpha.shape)
    low, high = -options.cut * shape, np.array(size) - (1 - options.cut) * shape
    tries = np.round(random.uniform(np.minimum(low, high), np.maximum(low, high), (_TRIES, 2)))
    for top, left in tries.astype(int).tolist():
        shares = (
            _share(sprite.alpha.shape, (top, left), other.alpha.shape, corner)
            for other, corner in zip(others, corners, strict=True)
        )
        if all(share <= options.overlap for share in shares):
            return top, left
    return None


def _share(
    first: tuple[int, ...], corner1: tuple[int, int], second: tuple[int, ...],
    corner2: tuple[int, int],
) -> float:  # fmt: skip
    """How much of the smaller of two boxes, given by shape and corner, the other takes."""
    common = 1
    for a, start1, b, start2 in zip(first, corner1, second, corner2, strict=True):
        common *= max(0, min(start1 + a, start2 + b) - max(start1, start2))
    return common / min(first[0] * first[1], second[0] * second[1])


def _owners(
    size: tuple[int, int], sprites: list[Sprite], corners: list[tuple[int, int]]
) -> np.ndarray:
    """(H, W) int16: the uppermost thing at each pixel, -1 where there is none."""
    owner = np.full(size, -1, dtype=np.int16)
    for number, (sprite, corner) in enumerate(zip(sprites, corners, strict=True)):
        here, there = meet(size, sprite.alpha.shape, corner)
        owner[here][sprite.solid[there]] = number
    return owner


def _visible(
    size: tuple[int, int], sprites: list[Sprite], corners: list[tuple[int, int]]
) -> np.ndarray:
    """(N,) how many pixels of each thing can be seen."""
    owner = _owners(size, sprites, corners)
    return np.bincount(owner.ravel() + 1, minlength=len(sprites) + 1)[1:]
