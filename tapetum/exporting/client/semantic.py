"""Semantic maps: a class for every pixel, large images in overlapping tiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapetum.exporting.client.images import Array, Prepared, resize
from tapetum.exporting.client.running import Run


def answer(rule: dict[str, Any], run: Run, prepared: Prepared) -> dict[str, Array]:
    """{"map": (H, W) uint8}: the class of the highest logit at every pixel of the original."""
    pixels, tile = prepared.pixels, rule["tile"]
    if tile is not None and max(pixels.shape[2:]) > tile:
        logits = run_tiles(rule, run, pixels)
    else:
        (logits,) = run("model", pixels)
    height, width = prepared.size
    content = resize(logits[0, :, :height, :width], prepared.original)
    return {"map": content.argmax(axis=0).astype(np.uint8)}


def run_tiles(rule: dict[str, Any], run: Run, pixels: Array) -> Array:
    """Logits (1, C, H, W) of pixels, tile by tile; the weights of all tiles add up to 1."""
    tile, overlap, multiple = rule["tile"], rule["overlap"], rule["multiple"]
    sides = [spans(side, tile, overlap, multiple) for side in pixels.shape[2:]]
    down, across = (
        list(zip(tiles, tile_weights(side, tiles, overlap), strict=True))
        for side, tiles in zip(pixels.shape[2:], sides, strict=True)
    )
    whole: Array | None = None
    for (top, bottom), high in down:
        for (left, right), wide in across:
            (part,) = run("model", np.ascontiguousarray(pixels[:, :, top:bottom, left:right]))
            if whole is None:
                whole = np.zeros((1, part.shape[1], *pixels.shape[2:]), np.float32)
            weight = high[top:bottom, None] * wide[left:right]
            whole[:, :, top:bottom, left:right] += part * weight.astype(np.float32)
    assert whole is not None
    return whole


def spans(length: int, tile: int, overlap: int, multiple: int) -> list[tuple[int, int]]:
    """(begin, end) of the tiles along one side, evenly spread; they begin at whole multiples."""
    if length <= tile:
        return [(0, length)]
    steps = -(-(length - tile) // (tile - overlap))
    units = (length - tile) // multiple
    begins = [units * i // steps * multiple for i in range(steps + 1)]
    return [(begin, begin + tile) for begin in begins]


def tile_weights(length: int, tiles: list[tuple[int, int]], overlap: int) -> Array:
    """(T, length), how much each tile counts at each pixel: nothing in the outermost quarter of
    the overlap, all from three quarters on."""
    where = np.arange(length) + 0.5
    rows = []
    for begin, end in tiles:
        weight = ((where > begin) & (where < end)).astype(np.float64)
        if begin > 0:
            weight = weight * _rise(where - begin, overlap)
        if end < length:
            weight = weight * _rise(end - where, overlap)
        rows.append(weight)
    table = np.stack(rows)
    return np.asarray(table / table.sum(axis=0))


def _rise(depth: Array, overlap: int) -> Array:
    if overlap == 0:
        return np.ones_like(depth)
    t = ((depth - overlap / 4) / (overlap / 2)).clip(0, 1)
    return t * t * (3 - 2 * t)


def describe(
    found: dict[str, Array], about: dict[str, Any], threshold: float | None
) -> dict[str, Any]:
    """{"pixels": {class: fraction of the image}}, the largest first."""
    counts = np.bincount(found["map"].ravel(), minlength=len(about["classes"]))
    order = [i for i in np.argsort(-counts, kind="stable") if counts[i]]
    return {"pixels": {about["classes"][i]: float(counts[i] / found["map"].size) for i in order}}
