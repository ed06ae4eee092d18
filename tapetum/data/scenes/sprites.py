"""From polygons and handwriting to sprites: antialiased, given volume, put down with a shadow."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tapetum.data.scenes.shapes import RGB, Patch, Points
from tapetum.data.scenes.warps import Warp, dense

FINER = 3
"""Polygons are drawn this many times larger, then averaged: nine samples a pixel."""
_AFFINE, _BICUBIC = Image.Transform.AFFINE, Image.Resampling.BICUBIC


@dataclass(frozen=True, eq=False)
class Sprite:
    """An object as it is pasted.

    color: (3, h, w) float32 in 0 ... 255, already multiplied by `alpha`.
    alpha: (h, w) float32 in 0 ... 1, how much of each pixel the object covers.
    size: the object's size in pixels, by which shadows and volume are measured.
    origin: (x, y) of the middle of the object's square, in pixels of the sprite.
    """

    color: np.ndarray
    alpha: np.ndarray
    size: float
    origin: tuple[float, float] = (0.0, 0.0)

    @functools.cached_property
    def mask(self) -> np.ndarray:
        """(h, w) bool: the pixels that count as the object, covered by half at least."""
        return self.alpha >= 0.5


def draw_patches(patches: Sequence[Patch], size: float, warp: Warp) -> Sprite:
    """Patches with a side of 2 drawn with a side of `size` pixels, moved by `warp`."""
    colors = np.clip(np.round([patch.color for patch in patches]), 0, 255).astype(int).tolist()
    inks = [(*color, 255) for color in colors]
    # RGBX: four plain channels. Averaged from black, colors come out multiplied by alpha.
    canvas, low = fill_patches(patches, inks, size, warp, "RGBX")
    planes = np.asarray(canvas.reduce(FINER), dtype=np.float32).transpose(2, 0, 1)  # (4, h, w)
    return Sprite(planes[:3].copy(), planes[3] / 255, size, (float(-low[0]), float(-low[1])))


def fill_patches(
    patches: Sequence[Patch], inks: Sequence[tuple[int, ...] | int], size: float, warp: Warp,
    mode: str,
) -> tuple[Image.Image, np.ndarray]:  # fmt: skip
    """Polygons filled one over the other, FINER times larger, and (2,) x y of the first pixel."""
    if warp.bends:
        patches = dense(list(patches))
    corners = warp(np.concatenate([patch.points for patch in patches])) * (size / 2)
    low, high = np.floor(corners.min(0)) - 1, np.ceil(corners.max(0)) + 1
    width, height = ((high - low) * FINER).astype(int).tolist()
    canvas = Image.new(mode, (width, height))
    draw = ImageDraw.Draw(canvas)
    flat, start = ((corners - low) * FINER).ravel().tolist(), 0
    for patch, ink in zip(patches, inks, strict=True):
        end = start + patch.points.size
        draw.polygon(flat[start:end], ink)
        start = end
    return canvas, low


def draw_digit(glyph: np.ndarray, inks: tuple[RGB, RGB], size: float, warp: Warp) -> Sprite:
    """A handwritten digit (8, 8), 0 ... 16, as a brush stroke with an outline: a color each."""
    cell, side = size / 9, math.ceil(size * 1.5) + 2
    padded = _softened(np.pad(glyph, 4)).astype(np.float32) / 16  # (14, 14)
    ink = _turned_ink if warp.simple else _warped_ink
    # Edges follow lines of equal ink and are about one pixel soft; ink fades faster inside.
    smooth, steep = ink(padded, side, cell, warp), max(1.3 * cell, 4.0)
    stroke = np.clip((smooth - 0.42) * steep + 0.5, 0, 1)
    alpha = np.clip((smooth - 0.15) * 2 * steep + 0.5, 0, 1)
    inner, outer = (np.array(one, dtype=np.float32)[:, None, None] for one in inks)
    color = outer * alpha + (inner - outer) * stroke  # (3, h, w)
    rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
    if not len(rows):
        return Sprite(color, alpha, size)
    crop = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return Sprite(color[:, *crop], alpha[crop], size)


def _turned_ink(grid: np.ndarray, side: int, cell: float, warp: Warp) -> np.ndarray:
    """(side, side) the grid (14, 14) enlarged and turned about its middle."""
    cosine, sine = math.cos(warp.angle) / cell, math.sin(warp.angle) / cell
    middle = side / 2
    from_x = (cosine, sine, 7 - (cosine + sine) * middle)
    from_y = (-sine, cosine, 7 - (cosine - sine) * middle)
    image = Image.fromarray(grid)
    return np.asarray(image.transform((side, side), _AFFINE, (*from_x, *from_y), _BICUBIC))


def _warped_ink(grid: np.ndarray, side: int, cell: float, warp: Warp) -> np.ndarray:
    """(side, side) the grid (14, 14) enlarged and warped."""
    from scipy.ndimage import map_coordinates  # slow to import, and seldom needed

    along = (np.arange(side) + 0.5 - side / 2) / (4.5 * cell)
    there: Points = np.stack(np.meshgrid(along, along), -1).reshape(-1, 2)
    here = warp.inverse(there) * 4.5 + 6.5  # cells of the grid, counted from their middles
    ink = map_coordinates(grid, here[:, ::-1].T, order=3, mode="constant")
    return ink.reshape(side, side)


def put_down(
    canvas: np.ndarray, sprite: Sprite, corner: tuple[int, int], light: tuple[float, float],
    strength: float,
) -> None:  # fmt: skip
    """Paste a sprite with its first pixel at `corner` (row, column): shadow, then the lit object.

    canvas: (3, H, W) float32, changed in place. light: (x, y) towards the light. strength: of
    shadow and shading, 0 (flat) ... 1.
    """
    color = sprite.color
    if strength > 0:
        reach = round(0.16 * sprite.size) + 2
        soft = _blurred(sprite.alpha, reach, 0.07 * sprite.size)
        away = 0.07 * sprite.size
        top = corner[0] - reach - round(light[1] * away)
        left = corner[1] - reach - round(light[0] * away)
        here, there = meet(canvas.shape[1:], soft.shape, (top, left))
        canvas[:, *here] *= 1 - np.float32(1.2 * min(strength, 0.8)) * soft[there]
        relief = soft[reach - 1 : 1 - reach, reach - 1 : 1 - reach]
        color = np.minimum(
            color * _shading(relief, sprite.size, light, strength), 255 * sprite.alpha
        )
    here, there = meet(canvas.shape[1:], sprite.alpha.shape, corner)
    canvas[:, *here] *= 1 - sprite.alpha[there]
    canvas[:, *here] += color[:, *there]


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
    """(h - 2, w - 2) each cell mixed with its neighbours: 1 6 1 both ways, over 8."""
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


def _blurred(alpha: np.ndarray, reach: int, radius: float) -> np.ndarray:
    """(h, w) float32 alpha with `reach` empty pixels around it, blurred by a Gaussian."""
    padded = np.zeros((alpha.shape[0] + 2 * reach, alpha.shape[1] + 2 * reach), dtype=np.uint8)
    padded[reach:-reach, reach:-reach] = alpha * 255
    image = Image.fromarray(padded)
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32) / 255
