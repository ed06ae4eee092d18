"""Images as the model wants them: read, resized, normalised, padded."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

Array = np.ndarray


LONGEST = 64
"""Widths: an image that is longer loses the rest at both ends before it is resized and cropped."""


class Prepared(NamedTuple):
    """pixels: (1, 3, H, W) float32. size: (height, width) of the content, without padding.
    original: (height, width) of the image as it came."""

    pixels: Array
    size: tuple[int, int]
    original: tuple[int, int]


def read_image(source: str | Path | Array | Image.Image) -> Array:
    """(H, W, 3) uint8 RGB, upright; 16 bits are scaled, and alpha is laid on white.

    source: a file, a Pillow image, or an array (H, W) or (H, W, 3 or 4), uint8 in RGB order.
    """
    if isinstance(source, np.ndarray):
        source = Image.fromarray(np.ascontiguousarray(source))
    if not isinstance(source, Image.Image):
        with Image.open(source) as opened:
            opened.load()
            source = opened
    image = ImageOps.exif_transpose(source)
    if image.mode == "F":
        raise ValueError("pixels of mode F are not supported")
    if image.mode.startswith("I"):
        gray = (np.asarray(image).astype(np.int64) * 255 + 32767) // 65535
        return np.repeat(gray.astype(np.uint8)[:, :, None], 3, axis=2)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        rgba = np.asarray(image.convert("RGBA")).astype(np.uint32)
        colors, alpha = rgba[:, :, :3], rgba[:, :, 3:]
        return ((colors * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return np.asarray(image.convert("RGB"))


def preprocess(image: Array, rule: dict[str, Any]) -> Prepared:
    """An image (H, W, 3) uint8 for the graph: values become (value / 255 - mean) / std, and zeros
    at the right and the bottom fill up to whole multiples of rule["multiple"]. Of a rule "center"
    the square in the middle remains."""
    original = (image.shape[0], image.shape[1])
    planes = image.transpose(2, 0, 1)
    if rule["kind"] == "center":
        over = [max(0, side - LONGEST * min(original)) // 2 for side in original]
        planes = center(planes, (original[0] - 2 * over[0], original[1] - 2 * over[1]))
    planes = planes.astype(np.float32) / np.float32(255)
    resized = prepared_size((planes.shape[1], planes.shape[2]), rule)
    planes = resize(planes, resized, "antialias" if rule["antialias"] else "bilinear")
    if rule["kind"] == "center":
        planes = center(planes, (rule["size"], rule["size"]))
    size = (planes.shape[1], planes.shape[2])
    mean, std = (np.array(rule[name], np.float32)[:, None, None] for name in ("mean", "std"))
    height, width = (math.ceil(side / rule["multiple"]) * rule["multiple"] for side in size)
    pixels = np.zeros((1, 3, height, width), np.float32)
    pixels[0, :, : size[0], : size[1]] = (planes - mean) / std
    return Prepared(pixels, size, original)


def prepared_size(original: tuple[int, int], rule: dict[str, Any]) -> tuple[int, int]:
    """(height, width) before padding or the crop. "square": one size for all. "center": the shorter
    side becomes resize_size. "sides": the shorter side becomes min_size, or less where the longer
    one would pass max_size; None: no such bound, and images that keep to max_size stay as they
    are."""
    if rule["kind"] == "square":
        return rule["size"], rule["size"]
    if rule["kind"] == "center":
        height, width = (rule["resize_size"] * side // min(original) for side in original)
        return height, width
    least = math.inf if rule["min_size"] is None else rule["min_size"]
    most = math.inf if rule["max_size"] is None else rule["max_size"]
    if rule["min_size"] is None and max(original) <= most:
        return original
    scale = min(least / min(original), most / max(original))
    height, width = (max(1, math.floor(side * scale)) for side in original)
    return height, width


def center(planes: Array, size: tuple[int, int]) -> Array:
    """The middle of (..., h, w), of `size` (height, width)."""
    top, left = (round((old - new) / 2) for old, new in zip(planes.shape[-2:], size, strict=True))
    return planes[..., top : top + size[0], left : left + size[1]]


def resize(planes: Array, size: tuple[int, int], kind: str = "bilinear") -> Array:
    """(..., h, w) brought to `size` (height, width): "bilinear" or "antialias", as PyTorch does."""
    if planes.shape[-2:] == tuple(size):
        return planes
    places, weights = taps(planes.shape[-1], size[1], kind)
    columns = sum(planes[..., p] * w for p, w in zip(places.T, weights.T, strict=True))
    places, weights = taps(planes.shape[-2], size[0], kind)
    parts = zip(places.T, weights.T[:, :, None], strict=True)
    return np.asarray(sum(columns[..., p, :] * w for p, w in parts))


def taps(old: int, new: int, kind: str) -> tuple[Array, Array]:
    """Which of `old` places, (new, T), make up each of `new` ones, and their weights (new, T).

    Places of pixels are their centres. "bilinear": the two nearest. "bicubic": the four nearest,
    a = -0.75. "antialias": a triangle as wide as the pixels that fall together.
    """
    scale = np.float32(old) / np.float32(new)
    at = scale * (np.arange(new, dtype=np.float32) + np.float32(0.5))
    if kind == "antialias":
        return _triangle(old, at, scale)
    at = at - np.float32(0.5)
    if kind == "bilinear":
        low = np.maximum(at, 0).astype(np.int64).clip(0, old - 1)
        part = (np.maximum(at, 0) - low).clip(0, 1).astype(np.float32)
        return np.stack((low, np.minimum(low + 1, old - 1)), 1), np.stack((1 - part, part), 1)
    low = np.floor(at).astype(np.int64)
    part = (at - low).clip(0, 1).astype(np.float32)
    places = (low[:, None] + np.arange(-1, 3)).clip(0, old - 1)
    return places, np.stack((_far(part + 1), _near(part), _near(1 - part), _far(2 - part)), 1)


def _triangle(old: int, at: Array, scale: np.float32) -> tuple[Array, Array]:
    support = max(scale, np.float32(1))
    first = np.maximum((at - support + np.float32(0.5)).astype(np.int64), 0)
    stop = np.minimum((at + support + np.float32(0.5)).astype(np.int64), old)
    places = first[:, None] + np.arange(int((stop - first).max()))
    far = np.abs((places - at[:, None] + np.float32(0.5)) / support).astype(np.float32)
    weights = np.where(places < stop[:, None], np.maximum(1 - far, 0), 0).astype(np.float32)
    return places.clip(0, old - 1), weights / weights.sum(axis=1, keepdims=True)


def _near(x: Array, a: float = -0.75) -> Array:
    return ((a + 2) * x - (a + 3)) * x * x + 1


def _far(x: Array, a: float = -0.75) -> Array:
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
