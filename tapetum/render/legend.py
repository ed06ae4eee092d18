"""A legend below an image: what its colors and lines mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from tapetum.render.palette import DARK, text_color
from tapetum.render.text import line_height, shorten, text_width


@dataclass(frozen=True, eq=False)
class Entry:
    """A name and a small image of what it stands for."""

    name: str
    swatch: Image.Image


def with_legend(
    image: Image.Image, font: ImageFont.FreeTypeFont, entries: Sequence[Entry]
) -> Image.Image:
    """The image with the entries below it, in as many rows as they need.

    Without entries, or where the image is too narrow for the widest of them, it stays as it is.
    """
    pad = max(2, round(font.size / 5))
    names = [shorten(entry.name, font, 14 * int(font.size)) for entry in entries]
    widths = [
        entry.swatch.width + 6 * pad + text_width(name, font)
        for entry, name in zip(entries, names, strict=True)
    ]
    if not entries or max(widths) + pad > image.width:
        return image
    places, rows = _places(widths, image.width - pad)
    high = max(line_height(font), *(entry.swatch.height for entry in entries)) + 2 * pad
    sheet = Image.new("RGB", (image.width, image.height + rows * high), DARK)
    sheet.paste(image)
    draw = ImageDraw.Draw(sheet)
    for entry, name, (left, row) in zip(entries, names, places, strict=True):
        x, top = left + 2 * pad, image.height + row * high
        sheet.paste(entry.swatch, (x, top + (high - entry.swatch.height) // 2))
        text = (x + entry.swatch.width + 2 * pad, top + (high - line_height(font)) // 2)
        draw.text(text, name, fill=text_color(DARK), font=font)
    return sheet


def _places(widths: Sequence[int], room: int) -> tuple[list[tuple[int, int]], int]:
    """(left, row) of each entry, and the number of rows."""
    places, left, row = [], 0, 0
    for width in widths:
        if left and left + width > room:
            left, row = 0, row + 1
        places.append((left, row))
        left += width
    return places, row + 1
