"""Places for labels: near their box, inside the image, without overlaps where possible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from tapetum.render.canvas import Canvas
from tapetum.render.palette import DARK, Color, text_color
from tapetum.render.text import line_height, shorten, text_width

Rect = tuple[int, int, int, int]
"""Left, top, right, bottom in canvas pixels, half open."""


@dataclass(frozen=True)
class Label:
    """What is written at one box; ground truth below its box, on dark, with a colored bar."""

    box: Rect
    name: str
    note: str
    color: Color
    ground_truth: bool = False


def paste_labels(canvas: Canvas, labels: list[Label]) -> None:
    """Write `labels` on the canvas; the first one gets the best place and lies on top."""
    taken = np.zeros((0, 4), dtype=np.int64)
    placed: list[tuple[Image.Image, int, int]] = []
    for label in labels:
        patch = _patch(canvas, label)
        if patch is None:
            continue
        rect = _best_place(label, patch.size, canvas.image.size, taken)
        taken = np.vstack([taken, rect])
        placed.append((patch, rect[0], rect[1]))
    for patch, left, top in reversed(placed):
        canvas.image.paste(patch, (left, top))


def _patch(canvas: Canvas, label: Label) -> Image.Image | None:
    """The label as a small image, so that no letter can reach out of it; None without room."""
    font, pad = canvas.font, canvas.pad
    bar = 2 * canvas.line if label.ground_truth else 0
    room = min(canvas.image.width, 18 * int(font.size)) - 2 * pad - bar
    note = f" {label.note}" if label.note else ""
    name = shorten(label.name, font, room - text_width(note, font))
    text = (name + note).strip()
    height = line_height(font) + pad
    if not text or text_width(text, font) > room or height > canvas.image.height:
        return None
    fill = DARK if label.ground_truth else label.color
    patch = Image.new("RGB", (text_width(text, font) + 2 * pad + bar, height), fill)
    draw = ImageDraw.Draw(patch)
    if bar:
        draw.rectangle((0, 0, bar - 1, height), fill=label.color)
    draw.text((bar + pad, pad // 2), text, fill=text_color(fill), font=font)
    return patch


def _best_place(
    label: Label, size: tuple[int, int], limits: tuple[int, int], taken: np.ndarray
) -> Rect:
    """The first of the usual places that is free, else the one that hides least."""
    places = [_inside(left, top, size, limits) for left, top in _places(label, size)]
    covered = [_overlap(place, taken) for place in places]
    return places[int(np.argmin(covered))]


def _places(label: Label, size: tuple[int, int]) -> list[tuple[int, int]]:
    """Top left corners to try, best first: outside the box, inside it, at its other end."""
    left, top, right, bottom = label.box
    width, height = size
    above, below = top - height, bottom
    if label.ground_truth:
        rows = (below, bottom - height, above, top)
    else:
        rows = (above, top, below, bottom - height)
    return [(column, row) for row in rows for column in (left, right - width)] + [
        (right, top),
        (left - width, top),
        (right, bottom - height),
        (left - width, bottom - height),
    ]


def _inside(left: int, top: int, size: tuple[int, int], limits: tuple[int, int]) -> Rect:
    """The place moved into the image."""
    width, height = size
    left = min(max(left, 0), limits[0] - width)
    top = min(max(top, 0), limits[1] - height)
    return left, top, left + width, top + height


def _overlap(rect: Rect, taken: np.ndarray) -> int:
    """Pixels of `rect` that other labels have taken."""
    low = np.maximum(taken[:, :2], rect[:2])
    high = np.minimum(taken[:, 2:], rect[2:])
    return int(np.prod(np.clip(high - low, 0, None), axis=1).sum())
