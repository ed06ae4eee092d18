"""Class maps: the values that a file stores, not the colors that they are shown in."""

from __future__ import annotations

import numpy as np
from PIL import Image

_INDEX = ("L", "P", "I", "I;16", "I;16L", "I;16B", "I;16N")
_FIRST = ("LA", "La", "PA")
_COLORS = ("RGB", "RGBX", "RGBA", "RGBa")
_PNG = b"\x89PNG\r\n\x1a\n"


def to_levels(image: Image.Image) -> np.ndarray:
    """The values of a class map.

    Args:
        image: a loaded image; an alpha channel is ignored.

    Returns:
        (H, W) integers of a gray or indexed image, (H, W, 3) uint8 of one in colors.

    Raises:
        ValueError: pixels of another kind.
    """
    mode = image.mode
    if mode == "1":
        return np.asarray(image).astype(np.uint8)
    if mode in _INDEX:
        return np.asarray(image)
    if mode in _FIRST:
        return np.asarray(image.getchannel(0))
    if mode in _COLORS:
        return np.asarray(image)[:, :, :3]
    raise ValueError(f"class maps are gray, indexed or RGB, not of mode {mode}")


def gray_step(data: bytes) -> int:
    """The factor by which Pillow multiplies values: it stretches gray PNGs of 2 and 4 bits to 0 ...
    255.

    Args:
        data: the file.

    Returns:
        The factor, 1 for other files.
    """
    if not data.startswith(_PNG) or data[25:26] != b"\0":
        return 1
    return {2: 85, 4: 17}.get(data[24], 1)
