"""A canvas for drawing: the image, enlarged if small, with a line width and font for its size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageFont
from torch import Tensor

from tapetum.render.text import load_font

_LONG_SIDE = 480
_SHORT_SIDE = 48
_LONGEST_ENLARGED = 4096

ImageLike = Tensor | Image.Image
"""(3, H, W) uint8 or float in [0, 1], or a PIL image."""


@dataclass(frozen=True)
class Canvas:
    """An image in RGB, enlarged by the integer `factor`, and the sizes to draw with in pixels."""

    image: Image.Image
    factor: int
    line: int
    font: ImageFont.FreeTypeFont

    @property
    def pad(self) -> int:
        """Room around a text."""
        return max(2, round(self.font.size / 5))


def make_canvas(image: ImageLike) -> Canvas:
    """Enlarge a small image by a whole factor and choose line width and letter size.

    Both grow a little slower than the image: large images hold more objects, and are looked at
    on larger screens.
    """
    pixels = to_image(image)
    factor = enlargement(pixels.size)
    if factor > 1:
        # Few pixels are shown as squares, more of them look better smooth.
        kind = Image.Resampling.NEAREST if factor > 3 else Image.Resampling.BICUBIC
        size = (pixels.width * factor, pixels.height * factor)
        pixels = pixels.resize(size, kind)
    scale = (math.sqrt(pixels.width * pixels.height) / 554) ** 0.85  # 1 at 640 x 480
    font = load_font(max(12, round(13 * scale)))
    return Canvas(pixels, factor, max(2, round(2 * scale)), font)


def enlargement(size: tuple[int, int]) -> int:
    """The whole factor that makes an image large enough for labels; 1 for ordinary ones."""
    short, long = sorted(size)
    wanted = max(math.ceil(_LONG_SIDE / long), math.ceil(_SHORT_SIDE / short))
    return max(1, min(wanted, _LONGEST_ENLARGED // long))


def to_image(image: ImageLike) -> Image.Image:
    """Convert any image to a PIL image in RGB (a copy: drawing never changes the caller's).

    Args:
        image: (3, H, W) uint8 or float in [0, 1], or a PIL image.

    Returns:
        The copy.

    Raises:
        ValueError: a tensor that is not (3, H, W) uint8 or float, or has no pixels.
    """
    if isinstance(image, Image.Image):
        return image.convert("RGB") if image.mode != "RGB" else image.copy()
    if image.ndim != 3 or image.shape[0] != 3 or image.numel() == 0:
        raise ValueError(f"image: expected (3, H, W) with pixels, got {tuple(image.shape)}")
    if image.is_floating_point():
        image = (image.detach().clamp(0, 1) * 255).round().to(torch.uint8)
    elif image.dtype != torch.uint8:
        raise ValueError(f"image: expected uint8 or float in [0, 1], got {image.dtype}")
    return Image.fromarray(np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy()))


def to_array(image: ImageLike) -> np.ndarray:
    """Any image as (H, W, 3) uint8."""
    return np.asarray(to_image(image))
