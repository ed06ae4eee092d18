"""Colors that are distinct with any color vision, and text colors with contrast on them."""

from __future__ import annotations

from functools import cache

import matplotlib
import numpy as np

Color = tuple[int, int, int]

OKABE_ITO: tuple[Color, ...] = (
    (213, 94, 0),  # vermillion
    (86, 180, 233),  # sky blue
    (0, 158, 115),  # bluish green
    (204, 121, 167),  # reddish purple
    (230, 159, 0),  # orange
    (0, 114, 178),  # blue
    (240, 228, 66),  # yellow
)
"""Okabe and Ito (2008), without black; ordered so that few classes get the clearest ones."""

BLACK: Color = (0, 0, 0)
WHITE: Color = (255, 255, 255)
DARK: Color = (22, 24, 29)

HEAT_MAPS = ("viridis", "magma", "inferno", "cividis")
"""Perceptually uniform color maps: equal steps of heat look like equal steps."""


def class_color(index: int) -> Color:
    """The color of class `index`, always the same one.

    After the seven base colors come their darker and their lighter tones; after 21 they repeat,
    and the label has to tell.
    """
    base = OKABE_ITO[index % len(OKABE_ITO)]
    tone = index // len(OKABE_ITO) % 3
    if tone == 1:
        return mix(base, BLACK, 0.42)
    return mix(base, WHITE, 0.5) if tone == 2 else base


def mix(color: Color, other: Color, fraction: float) -> Color:
    """`color` with `fraction` (0 to 1) of it replaced by `other`."""
    red, green, blue = (round(a + (b - a) * fraction) for a, b in zip(color, other, strict=True))
    return red, green, blue


def text_color(background: Color) -> Color:
    """Black or white, whichever has the higher contrast (4.58 or more on every background)."""
    return max(BLACK, WHITE, key=lambda ink: contrast(ink, background))


def contrast(one: Color, other: Color) -> float:
    """Contrast ratio, 1 to 21 (Web Content Accessibility Guidelines 2.2, section 1.4.3)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(color: Color) -> float:
    """Relative luminance of an sRGB color, 0 (black) to 1 (white)."""
    scaled = np.array(color) / 255
    linear = np.where(scaled <= 0.04045, scaled / 12.92, ((scaled + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def hex_color(color: Color) -> str:
    """The color as charts want it, "#rrggbb"."""
    return "#{:02x}{:02x}{:02x}".format(*color)


@cache
def heat_table(name: str = "viridis") -> np.ndarray:
    """The 256 colors of a heat map, (256, 3) uint8, from cold to hot.

    Raises:
        ValueError: not one of HEAT_MAPS.
    """
    if name not in HEAT_MAPS:
        raise ValueError(f"colormap: expected one of {', '.join(HEAT_MAPS)}, got {name!r}")
    colors = matplotlib.colormaps[name](np.arange(256))[:, :3]
    table = np.round(colors * 255).astype(np.uint8)
    table.flags.writeable = False
    return table
