"""Any pixel mode of Pillow to 8-bit RGB, by one explicit table.

| mode                     | what becomes of it                                                  |
|--------------------------|---------------------------------------------------------------------|
| 1, L                     | gray, repeated in the three channels                                |
| RGB, RGBX                | as it is (16-bit color comes from Pillow as its high byte)         |
| P                        | its palette's colors                                               |
| LA, La, PA, RGBA, RGBa,  | laid on `BACKGROUND` by its alpha                                   |
| or a transparent color  |                                                                     |
| CMYK, YCbCr, HSV         | Pillow's conversion (JPEGs that Adobe stored inverted included)     |
| I;16, I;16L, I;16B, I;16N| 0..65535 scaled linearly to 0..255, rounded                         |
| I                        | the same; a value outside 0..65535 is refused, not cut              |
| F                        | 0..1 scaled to 0..255 if nothing exceeds 1, else taken as 0..255;   |
|                          | a value outside 0..255 or not finite is refused, not cut            |
| anything else (LAB, ...) | refused                                                             |
"""

from __future__ import annotations

import numpy as np
from PIL import Image

BACKGROUND = (255, 255, 255)
"""The color behind transparent pixels: white, as on paper and in browsers."""

_PLAIN = ("1", "L", "RGB", "RGBX", "P", "CMYK", "YCbCr", "HSV")
_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_WIDE = ("I;16", "I;16L", "I;16B", "I;16N")


def to_rgb(image: Image.Image) -> np.ndarray:
    """Convert a loaded image to RGB, by the table above.

    Args:
        image: of any mode of the table.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: a mode or a range of values outside the table.
    """
    mode = image.mode
    if mode in _WIDE or mode == "I":
        return _as_gray(_scale_wide(np.asarray(image)))
    if mode == "F":
        return _as_gray(_scale_float(np.asarray(image)))
    if mode in _ALPHA or (mode in _PLAIN and "transparency" in image.info):
        return _on_background(np.asarray(image.convert("RGBA")))
    if mode in _PLAIN:
        return np.asarray(image if mode == "RGB" else image.convert("RGB"))
    raise ValueError(f"pixels of mode {mode} are not supported")


def _as_gray(levels: np.ndarray) -> np.ndarray:
    return np.repeat(levels[:, :, None], 3, axis=2)  # (H, W) -> (H, W, 3)


def _scale_wide(values: np.ndarray) -> np.ndarray:
    wide = values.astype(np.int64)
    if wide.size and (wide.min() < 0 or wide.max() > 65535):
        raise ValueError(f"values {wide.min()} to {wide.max()} are outside 0 to 65535")
    return ((wide * 255 + 32767) // 65535).astype(np.uint8)


def _scale_float(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise ValueError("some values are not finite")
    low, high = (values.min(), values.max()) if values.size else (0, 0)
    if low < 0 or high > 255:
        raise ValueError(f"values {low:g} to {high:g} are outside 0 to 255")
    scale = 255.0 if high <= 1 else 1.0
    return np.rint(values.astype(np.float64) * scale).astype(np.uint8)


def _on_background(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[:, :, 3:].astype(np.uint32)  # (H, W, 1)
    colors = rgba[:, :, :3].astype(np.uint32)
    behind = np.array(BACKGROUND, dtype=np.uint32)
    return ((colors * alpha + behind * (255 - alpha) + 127) // 255).astype(np.uint8)
