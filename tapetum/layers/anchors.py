"""Anchors: boxes of a few sizes and shapes at each cell of each pyramid level."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor


class AnchorGrid:
    """Anchors of a pyramid: level i has `sizes[i]` x `ratios` boxes a cell.

    Corners of the boxes at a cell's origin are rounded to pixels, and the step from cell to cell
    is the size of the padded image over the size of the map, rounded down: torchvision's
    conventions, under which the published detectors were trained.

    Args:
        sizes: for each level, the square roots of the anchors' areas in pixels.
        ratios: height / width of the anchors.

    Raises:
        ValueError: the levels have different numbers of sizes, or a size or ratio is not above 0.
    """

    def __init__(self, sizes: Sequence[Sequence[float]], ratios: Sequence[float]) -> None:
        self.sizes = tuple(tuple(float(size) for size in level) for level in sizes)
        self.ratios = tuple(float(ratio) for ratio in ratios)
        if len({len(level) for level in self.sizes}) != 1:
            counts = [len(level) for level in self.sizes]
            raise ValueError(f"sizes: expected as many for each level, got {counts}")
        for value in (*chain(*self.sizes), *self.ratios):
            if not 0 < value < math.inf:
                raise ValueError(f"anchors: expected sizes and ratios above 0, got {value}")

    @property
    def per_cell(self) -> int:
        """Number of anchors at each cell."""
        return len(self.sizes[0]) * len(self.ratios)

    def __call__(self, pixels: Tensor, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Anchors of a batch, cached: do not write to them.

        Args:
            pixels: (B, 3, H, W) padded images.
            maps: (B, C, h, w) of each level.

        Returns:
            (h * w * per_cell, 4) of each map, xyxy in pixels: cells row by row, then ratios, then
            sizes.
        """
        if len(maps) != len(self.sizes):
            raise ValueError(f"maps: expected {len(self.sizes)} levels, got {len(maps)}")
        grids = tuple((m.shape[-2], m.shape[-1]) for m in maps)
        image = (pixels.shape[-2], pixels.shape[-1])
        dtype = torch.promote_types(pixels.dtype, torch.float32)
        return _anchors(self.sizes, self.ratios, image, grids, pixels.device, dtype)


@functools.lru_cache(maxsize=16)
def _anchors(
    sizes: tuple[tuple[float, ...], ...],
    ratios: tuple[float, ...],
    image: tuple[int, int],
    grids: tuple[tuple[int, int], ...],
    device: torch.device,
    dtype: torch.dtype,
) -> tuple[Tensor, ...]:
    # Made outside inference mode: what prediction puts into the cache, training may use.
    with torch.inference_mode(False), torch.no_grad():
        levels = []
        for level_sizes, (rows, columns) in zip(sizes, grids, strict=True):
            cell = cell_anchors(level_sizes, ratios).to(device, dtype)  # (A, 4)
            step_y, step_x = image[0] // rows, image[1] // columns
            y = torch.arange(rows, device=device, dtype=dtype) * step_y
            x = torch.arange(columns, device=device, dtype=dtype) * step_x
            y, x = torch.meshgrid(y, x, indexing="ij")  # (rows, columns)
            origin = torch.stack((x, y, x, y), dim=-1)  # (rows, columns, 4)
            levels.append((origin[:, :, None] + cell).reshape(-1, 4))  # (rows * columns * A, 4)
        return tuple(levels)


def cell_anchors(sizes: Sequence[float], ratios: Sequence[float]) -> Tensor:
    """The anchors of a cell, centred at the origin (Ren et al. 2015, section 3.1.1).

    Args:
        sizes: square roots of the areas, in pixels.
        ratios: height by width.

    Returns:
        (len(ratios) * len(sizes), 4) xyxy float32, rounded to pixels.
    """
    size = torch.tensor(sizes, dtype=torch.float32)
    height = torch.sqrt(torch.tensor(ratios, dtype=torch.float32))
    width = 1 / height
    w = (width[:, None] * size).flatten()
    h = (height[:, None] * size).flatten()
    return (torch.stack((-w, -h, w, h), dim=1) / 2).round()


def octave_sizes(smallest: Sequence[int], octaves: int) -> tuple[tuple[int, ...], ...]:
    """Sizes of anchors, evenly spread (in log scale) up to twice the smallest (Lin et al. 2017,
    section 4).

    Args:
        smallest: size on each level, in pixels.
        octaves: sizes a level.

    Returns:
        The sizes of each level, in pixels.
    """
    return tuple(tuple(int(s * 2 ** (i / octaves)) for i in range(octaves)) for s in smallest)
