"""From polygons and handwriting to sprites: antialiased, given volume, put down with a shadow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tapetum.data.scenes.shapes import RGB, Patch, turned

_FINER = 3
"""Polygons are drawn this many times larger, then averaged: nine samples a pixel."""
_AFFINE, _BICUBIC = Image.Transform.AFFINE, Image.Resampling.BICUBIC


@dataclass(frozen=True, eq=False)
class Sprite:
    """A thing as it is pasted.

    colour: (3, h, w) float32 in 0 ... 255, already multiplied by `alpha`.
    alpha: (h, w) float32 in 0 ... 1, how much of each pixel the thing covers.
    size: the thing's size in pixels, by which shadows and volume are measured.
    """

    colour: np.ndarray
    alpha: np.ndarray
    size: float

    @property
    def solid(self) -> np.ndarray:
        """(h, w) bool: the pixels that count as the thing, covered by half at least."""
        return self.alpha >= 0.5


def draw_patches(patches: Sequence[Patch], size: float, angle: float) -> Sprite:
    """Patches with a side of 2 drawn with a side of `size` pixels, turned by `angle` (radians)."""
    corners = turned(np.concatenate([patch.points for patch in patches]), angle) * (size / 2)
    low, high = np.floor(corners.min(0)) - 1, np.ceil(corners.max(0)) + 1
    width, height = ((high - low) * _FINER).astype(int).tolist()
    # RGBX: four plain channels. Averaged from black, colours come out multiplied by alpha.
    canvas = Image.new("RGBX", (width, height))
    draw = ImageDraw.Draw(canvas)
    flat, start = ((corners - low) * _FINER).ravel().tolist(), 0
    colours = np.clip(np.round([patch.colour for patch in patches]), 0, 255).astype(int).tolist()
    for patch, colour in zip(patches, colours, strict=True):
        end = start + patch.points.size
        draw.polygon(flat[start:end], fill=(*colour, 255))
        start = end
    planes = np.asarray(canvas.reduce(_FINER), dtype=np.float32).transpose(2, 0, 1)  # (4, h, w)
    return Sprite(planes[:3].copy(), planes[3] / 255, size)


def draw_digit(glyph: np.ndarray, inks: tuple[RGB, RGB], size: float, angle: float) -> Sprite:
    """A handwritten digit (8, 8), 0 ... 16, as a brush stroke with an outline: a colour each."""
    cell, side = size / 9, math.ceil(size * 1.5) + 2
    padded = Image.fromarray(_softened(np.pad(glyph, 4)).astype(np.float32) / 16)  # (14, 14)
    cosine, sine = math.cos(angle) / cell, math.sin(angle) / cell
    middle = side / 2
    from_x = (cosine, sine, 7 - (cosine + sine) * middle)
    from_y = (-sine, cosine, 7 - (cosine - sine) * middle)
    smooth = padded.transform((side, side), _AFFINE, (*from_x, *from_y), _BICUBIC)
    # Edges follow lines of equal ink and are about one pixel soft; ink fades faster inside.
    ink, steep = np.asarray(smooth), max(1.3 * cell, 4.0)
    stroke = np.clip((ink - 0.42) * steep + 0.5, 0, 1)
    alpha = np.clip((ink - 0.15) * 2 * steep + 0.5, 0, 1)
    inner, outer = (np.array(one, dtype=np.float32)[:, None, None] for one in inks)
    colour = outer * alpha + (inner - outer) * stroke  # (3, h, w)
    rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
    if not len(rows):
        return Sprite(colour, alpha, size)
    crop = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return Sprite(colour[:, *crop], alpha[crop], size)


def put_down(
    canvas: np.ndarray, sprite: Sprite, corner: tuple[int, int], light: tuple[float, float],
    strength: float,
) -> None:  # fmt: skip
    """Paste a sprite with its first pixel at `corner` (row, column): shadow, then lit body.

    canvas: (3, H, W) float32, changed in place. light: (x, y) towards the light. strength: of
    shadow and shading, 0 (flat) ... 1.
    """
    colour = sprite.colour
    if strength > 0:
        reach = round(0.16 * sprite.size) + 2
        soft = _blurred(np.pad(sprite.alpha, reach), 0.07 * sprite.size)
        away = 0.07 * sprite.size
        top = corner[0] - reach - round(light[1] * away)
        left = corner[1] - reach - round(light[0] * away)
        here, there = meet(canvas.shape[1:], soft.shape, (top, left))
        canvas[:, *here] *= 1 - np.float32(1.2 * min(strength, 0.8)) * soft[there]
        relief = soft[reach - 1 : 1 - reach, reach - 1 : 1 - reach]
        colour = np.minimum(
            colour * _shading(relief, sprite.size, light, strength), 255 * sprite.alpha
        )
    here, there = meet(canvas.shape[1:], sprite.alpha.shape, corner)
    canvas[:, *here] *= 1 - sprite.alpha[there]
    canvas[:, *here] += colour[:, *there]


def meet(
    canvas: Sequence[int], piece: Sequence[int], corner: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a piece laid with its first pixel at `corner` meets the canvas: there, and in it."""
    here, there = [], []
    for whole, part, start in zip(canvas, piece, corner, strict=True):
        first = min(max(start, 0), whole)
        last = max(min(start + part, whole), first)
        here.append(slice(first, last))
        there.append(slice(first - start, last - start))
    return (here[0], here[1]), (there[0], there[1])


def _softened(grid: np.ndarray) -> np.ndarray:
    """(h - 2, w - 2) every cell mixed with its neighbours: 1 6 1 both ways, over 8."""
    rows = grid[:-2] + 6 * grid[1:-1] + grid[2:]
    return (rows[:, :-2] + 6 * rows[:, 1:-1] + rows[:, 2:]) / 64


def _shading(
    relief: np.ndarray, size: float, light: tuple[float, float], strength: float
) -> np.ndarray:
    """(h, w) factors from heights (h + 2, w + 2): more than 1 on slopes that face the light."""
    steep = 0.16 * size * strength
    down = (relief[2:, 1:-1] - relief[:-2, 1:-1]) * np.float32(light[1] * steep)
    along = (relief[1:-1, 2:] - relief[1:-1, :-2]) * np.float32(light[0] * steep)
    return np.clip(1 - down - along, 0.5, 1.5)


def _blurred(alpha: np.ndarray, radius: float) -> np.ndarray:
    """(h, w) float32 alpha, blurred by a Gaussian; pixels beyond count as the nearest inside."""
    image = Image.fromarray((alpha * 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32) / 255
