"""Masks tinted onto images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tapetum.render.palette import Color

MASK_STRENGTH = 0.45


def blend_mask(
    image: Image.Image,
    mask: Tensor,
    color: Color,
    *,
    line: int,
    strength: float = MASK_STRENGTH,
) -> None:
    """Tint the pixels of `mask` (h, w) bool on `image`, an integer times larger, and outline them.

    Works on the smallest rectangle that holds the mask, so that many masks on a large image
    cost no more than their own pixels.

    Raises:
        ValueError: the mask's size does not divide the image's.
    """
    factor = _whole_factor(mask.shape, image.size)
    inside = mask.detach().cpu().numpy()
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if len(rows) == 0:
        return
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    part = inside[top:bottom, left:right].repeat(factor, axis=0).repeat(factor, axis=1)
    x1, y1, x2, y2 = (int(v) * factor for v in (left, top, right, bottom))
    patch = np.asarray(image.crop((x1, y1, x2, y2))).astype(np.float32)  # (h, w, 3)
    patch[part] = patch[part] * (1 - strength) + np.array(color) * strength
    patch[_border(part, line)] = color
    image.paste(Image.fromarray(patch.round().astype(np.uint8)), (x1, y1))


def _border(inside: np.ndarray, line: int) -> np.ndarray:
    """The pixels of a mask within `line` pixels of its edge."""
    padded = torch.from_numpy(np.pad(inside, line)).float()[None, None]
    # Erosion by a square is a minimum filter; minus max-pooling of minus the mask.
    core = -torch.nn.functional.max_pool2d(-padded, 2 * line + 1, stride=1)
    return inside & ~(core[0, 0].numpy() > 0)


def _whole_factor(small: Sequence[int], large: tuple[int, int]) -> int:
    height, width = small
    factor = large[1] // max(height, 1)
    if factor < 1 or (width * factor, height * factor) != large:
        raise ValueError(f"mask: expected the image's size, got {(height, width)}")
    return factor
