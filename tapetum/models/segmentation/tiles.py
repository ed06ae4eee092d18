"""Large images in overlapping tiles, blended so that no seam shows.

A map is worst at the edge of its tile, where convolutions see padding instead of neighbours. So
every tile counts for nothing in its outermost `overlap` / 4 pixels, fully from 3 / 4 of the overlap
inwards, and smoothly in between; where two tiles meet, their weights add up to one. A network that
looks no further than `overlap` / 4 around a pixel gives what it gives for the whole image.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def forward_tiles(
    network: Callable[[Tensor], Tensor], pixels: Tensor, tile: int, overlap: int, multiple: int
) -> Tensor:
    """The output of a network, tile by tile.

    No more than one tile of one image is in the network at a time.

    Args:
        network: images (1, 3, h, w) to maps (1, C, h, w) of the same size.
        pixels: (B, 3, H, W).
        tile: pixels of a tile's side.
        overlap: pixels that neighboring tiles have in common at least.
        multiple: tile, overlap, H and W are multiples of it, so that the network's grids lie as
            they do in the whole image.

    Returns:
        (B, C, H, W), float32 at least.
    """
    sides = pixels.shape[-2:]
    down, across = (_weighted_spans(side, tile, overlap, multiple) for side in sides)
    windows = [
        (slice(*row), slice(*column), high[slice(*row), None] * wide[slice(*column)])
        for row, high in down
        for column, wide in across
    ]
    blended: Tensor | None = None
    for index, image in enumerate(pixels.split(1)):
        for row, column, weight in windows:
            found = network(image[:, :, row, column])[0]  # (C, h, w)
            found = found.to(torch.promote_types(found.dtype, torch.float32))
            if blended is None:
                blended = found.new_zeros(len(pixels), len(found), *sides)
            blended[index, :, row, column] += found * weight.to(found)
    assert blended is not None
    return blended


def _weighted_spans(
    length: int, tile: int, overlap: int, multiple: int
) -> list[tuple[tuple[int, int], Tensor]]:
    tiles = spans(length, tile, overlap, multiple)
    return list(zip(tiles, tile_weights(length, tiles, overlap), strict=True))


def spans(length: int, tile: int, overlap: int, multiple: int) -> list[tuple[int, int]]:
    """The tiles along one side, evenly spread; they begin at whole multiples.

    Args:
        length: of the side in pixels.
        tile: pixels of a tile's side.
        overlap: pixels that neighboring tiles have in common at least.
        multiple: the sizes are multiples of it.

    Returns:
        (begin, end) of each tile.

    Raises:
        ValueError: sizes that are not whole multiples, or an overlap of more than half a tile.
    """
    if any(size % multiple for size in (length, tile, overlap)):
        raise ValueError(f"expected multiples of {multiple}, got {length}, {tile}, {overlap}")
    if not 0 <= 2 * overlap <= tile or tile == 0:
        raise ValueError(f"overlap: expected 0 to half of {tile}, got {overlap}")
    if length <= tile:
        return [(0, length)]
    steps = -(-(length - tile) // (tile - overlap))
    units = (length - tile) // multiple
    begins = [units * i // steps * multiple for i in range(steps + 1)]
    return [(begin, begin + tile) for begin in begins]


def tile_weights(length: int, tiles: list[tuple[int, int]], overlap: int) -> Tensor:
    """The weight of each tile at each pixel of a side.

    Args:
        length: of the side in pixels.
        tiles: (begin, end) of each, T of them.
        overlap: pixels that neighboring tiles have in common at least.

    Returns:
        (T, length) float64; columns sum to one.
    """
    where = torch.arange(length, dtype=torch.float64) + 0.5
    rows = []
    for begin, end in tiles:
        weight = ((where > begin) & (where < end)).double()
        if begin > 0:
            weight = weight * _rise(where - begin, overlap)
        if end < length:
            weight = weight * _rise(end - where, overlap)
        rows.append(weight)
    weight = torch.stack(rows)
    return weight / weight.sum(dim=0)


def _rise(depth: Tensor, overlap: int) -> Tensor:
    """0 up to a quarter of the overlap from the edge, 1 from three quarters, smooth between."""
    if overlap == 0:
        return torch.ones_like(depth)
    t = ((depth - overlap / 4) / (overlap / 2)).clamp(0, 1)
    return t * t * (3 - 2 * t)
