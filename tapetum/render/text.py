"""Text on images: one font that is always available, and names cut to a width."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import matplotlib
from PIL import ImageFont

from tapetum.base.errors import printable

ELLIPSIS = "…"
_LONGEST = 300


@lru_cache(maxsize=32)
def load_font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib, `size` pixels high.

    The basic layout engine is asked for, so that images are equal on every machine.
    """
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def text_width(text: str, font: ImageFont.FreeTypeFont) -> int:
    """Width of one line in whole pixels."""
    return int(-(-font.getlength(text) // 1))


def line_height(font: ImageFont.FreeTypeFont) -> int:
    """Height of a line in pixels, the same for every text."""
    ascent, descent = font.getmetrics()
    return ascent + descent


def shorten(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """`text` on one printable line of at most `width` pixels, its end replaced by an ellipsis.

    Empty if not even the ellipsis has room.
    """
    line = printable(text[:_LONGEST])
    if len(text) <= _LONGEST and text_width(line, font) <= width:
        return line
    low, high = 0, len(line)
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(line[:middle].rstrip() + ELLIPSIS, font) <= width:
            low = middle
        else:
            high = middle - 1
    cut = line[:low].rstrip() + ELLIPSIS
    return cut if text_width(cut, font) <= width else ""
