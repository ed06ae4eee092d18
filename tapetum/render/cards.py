"""An image with its class scores; images in rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw
from torch import Tensor

from tapetum.render.canvas import Canvas, ImageLike, make_canvas
from tapetum.render.draw import class_name
from tapetum.render.overlay import contact_sheet
from tapetum.render.palette import DARK, OKABE_ITO, WHITE, Color, mix, text_color
from tapetum.render.text import line_height, shorten, text_width

MAX_CLASSES = 5
"""Bars on a card."""

_PLAIN: Color = OKABE_ITO[5]
_RIGHT: Color = OKABE_ITO[2]
_WRONG: Color = OKABE_ITO[0]
_TRUE_MARK, _FALSE_MARK = "✓", "✗"


def draw_class_scores(
    image: ImageLike,
    class_scores: Tensor,
    classes: Sequence[str],
    ground_truth: int | Sequence[int] | None = None,
    *,
    max_classes: int = MAX_CLASSES,
) -> Image.Image:
    """The image with a bar for each of the classes with the highest scores below it.

    Args:
        image: (3, H, W) uint8 or float in [0, 1], or a PIL image.
        class_scores: (C,) float; bars are as long as the score, from 0 to 1, and cut there. Scores
            that are not probabilities (margins) have bars relative to the largest.
        classes: C names.
        ground_truth: the label of the image, or several. The bars of true classes are green and
            ticked, the first bar is red and crossed where it is wrong, and true classes that are
            not among the first are added below them.
        max_classes: bars, without those that are added.

    Returns:
        The drawn image.
    """
    canvas = make_canvas(image)
    values = class_scores.detach().cpu().double().flatten()
    known = (
        []
        if ground_truth is None
        else [ground_truth]
        if isinstance(ground_truth, int)
        else list(ground_truth)
    )
    order = values.argsort(descending=True, stable=True).tolist()
    shown = order[:max_classes] + [label for label in order[max_classes:] if label in known]
    height = line_height(canvas.font) + canvas.pad
    pixels = canvas.image
    strip = Image.new("RGB", (pixels.width, len(shown) * height + canvas.pad), DARK)
    for place, label in enumerate(shown):
        mark = _mark(label, place, known, ground_truth is not None)
        name = f"{mark} {class_name(classes, label)}".strip()
        row = (2 * canvas.pad, canvas.pad // 2 + place * height, height)
        _bar(
            strip, canvas, row, name, float(values[label]), _bar_length(values, label), _color(mark)
        )
    sheet = Image.new("RGB", (pixels.width, pixels.height + strip.height), DARK)
    sheet.paste(pixels)
    sheet.paste(strip, (0, pixels.height))
    return sheet


def image_grid(
    images: Sequence[Image.Image], captions: Sequence[str] | None = None, *, width: int = 1600
) -> Image.Image:
    """Images with their captions in as many columns as make the sheet about square.

    Small ones (templates, filters) are enlarged so that they can be seen.

    Args:
        images: any sizes.
        captions: one per image.
        width: of the sheet in pixels, about, at most.

    Returns:
        The sheet.

    Raises:
        ValueError: another number of captions than of images.
    """
    largest = max((max(image.size) for image in images), default=64)
    columns = max(1, math.ceil(math.sqrt(1.4 * len(images))))
    columns = min(columns, max(1, len(images)))
    # A last row that is nearly empty looks like a mistake: the same rows hold fewer columns.
    columns = math.ceil(len(images) / math.ceil(max(1, len(images)) / columns)) or 1
    cell = max(48, min(max(128, largest), width // columns))
    grown = [_grown(image, cell) for image in images]
    return contact_sheet(grown, columns, captions, cell=cell)


def side_by_side(images: Sequence[Image.Image], *, gap: int = 8) -> Image.Image:
    """Images in one row, aligned at their upper edges.

    Args:
        images: one or more, of any sizes.
        gap: white pixels between them.

    Returns:
        The row.

    Raises:
        ValueError: no images.
    """
    if not images:
        raise ValueError("images: expected at least one, got none")
    width = sum(image.width for image in images) + gap * (len(images) - 1)
    sheet, left = Image.new("RGB", (width, max(image.height for image in images)), WHITE), 0
    for image in images:
        sheet.paste(image.convert("RGB"), (left, 0))
        left += image.width + gap
    return sheet


def _bar(
    strip: Image.Image, canvas: Canvas, row: tuple[int, int, int], name: str, value: float,
    fraction: float, color: Color,
) -> None:  # fmt: skip
    """One line of the card: name, bar on a dim track, number."""
    left, top, height = row
    font, draw = canvas.font, ImageDraw.Draw(strip)
    number = f"{value:.2f}"
    room = strip.width - 2 * left
    wide = min(int(0.42 * room), 14 * int(font.size))
    draw.text((left, top), shorten(name, font, wide - left), fill=text_color(DARK), font=font)
    start, end = left + wide, strip.width - 2 * left - text_width("-0.00", font)
    high = max(2, height // 2)
    above = top + (height - high) // 2
    if end - start >= 4:
        draw.rectangle((start, above, end, above + high), fill=mix(DARK, WHITE, 0.15))
        if fraction > 0:
            reach = start + round((end - start) * fraction)
            draw.rectangle((start, above, reach, above + high), fill=color)
    if end >= left:
        draw.text((end + left, top), number, fill=text_color(DARK), font=font)


def _bar_length(values: Tensor, label: int) -> float:
    """How long the bar of a class is, 0 to 1."""
    largest = float(values.abs().max())
    scale = 1.0 if float(values.min()) >= 0 and largest <= 1 else largest
    fraction = float(values[label]) / max(scale, 1e-12)
    return min(1.0, max(0.0, fraction)) if math.isfinite(fraction) else 0.0


def _mark(label: int, place: int, known: Sequence[int], judged: bool) -> str:
    if not judged:
        return ""
    if label in known:
        return _TRUE_MARK
    return _FALSE_MARK if place == 0 else ""


def _color(mark: str) -> Color:
    return {_TRUE_MARK: _RIGHT, _FALSE_MARK: _WRONG}.get(mark, _PLAIN)


def _grown(image: Image.Image, cell: int) -> Image.Image:
    """An image of few pixels enlarged by a whole factor, so that they stay squares."""
    factor = cell // max(image.size)
    if factor < 3:
        return image
    size = (image.width * factor, image.height * factor)
    return image.resize(size, Image.Resampling.NEAREST)
