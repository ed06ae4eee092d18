"""Label maps over images: color and hatching per class, errors, a legend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image
from torch import Tensor

from tapetum.render.canvas import Canvas, ImageLike, make_canvas
from tapetum.render.draw import class_name
from tapetum.render.legend import Entry, with_legend
from tapetum.render.palette import BLACK, OKABE_ITO, WHITE, Color, class_color, luminance
from tapetum.structures import IGNORE_INDEX

BACKGROUND = "background"
"""A class of this name at 0 is left untinted."""

Places = tuple[np.ndarray, ...]
"""Rows and columns of pixels, of any one shape."""

_GRAY: Color = (128, 128, 128)
_WRONG: Color = OKABE_ITO[0]
_TONES = len(OKABE_ITO)
_PERIOD = 8


def draw_semantic(
    image: ImageLike,
    semantic: Tensor,
    classes: Sequence[str],
    *,
    alpha: float = 0.55,
    legend: bool = True,
) -> Image.Image:
    """The image tinted by class, with an outline around each region and the classes named below.

    A class always has the same look: the first seven are plain, later ones also hatched, so that
    105 differ in more than their tone.

    Args:
        image: (3, H, W) uint8 or float in [0, 1], or a PIL image. Small images are enlarged, as in
            `draw_objects`.
        semantic: (H, W) uint8 or int64, a class per pixel; 255, ignored, is hatched grey.
        classes: names by label.
        alpha: fraction of the tint, 0 to 1.
        legend: name the classes below.

    Returns:
        The drawn image.

    Raises:
        ValueError: the map has another size than the image, or `alpha` is outside [0, 1].
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha: expected a number in [0, 1], got {alpha}")
    canvas = make_canvas(image)
    numbers = _enlarged(semantic, canvas)  # (h, w)
    pixels = np.asarray(canvas.image).astype(np.float32)  # (h, w, 3)
    present = np.unique(numbers).tolist()
    for label in present:
        if not _is_plain(label, classes):
            inside = numbers == label
            look = _look(label, classes, np.nonzero(inside), 2 * canvas.line)  # (P, 3)
            pixels[inside] = pixels[inside] * (1 - alpha) + look * alpha
    _outline_regions(pixels, numbers, canvas.line, classes)
    drawn = Image.fromarray(pixels.round().astype(np.uint8))
    if not legend:
        return drawn
    entries = [_entry(label, classes, canvas) for label in present]
    return with_legend(drawn, canvas.font, entries)


def draw_semantic_errors(
    image: ImageLike, ground_truth: Tensor, predicted: Tensor, *, legend: bool = True
) -> Image.Image:
    """Where a label map is wrong: the image in grey, wrong pixels red and hatched, ignored grey.

    Args:
        image: (3, H, W) uint8 or float in [0, 1], or a PIL image.
        ground_truth: (H, W) classes; 255 is ignored.
        predicted: (H, W) classes.
        legend: write below which fraction of the pixels is wrong, ignored ones aside.

    Returns:
        The drawn image.

    Raises:
        ValueError: a map has another size than the image.
    """
    canvas = make_canvas(image)
    true_ids, predicted_ids = _enlarged(ground_truth, canvas), _enlarged(predicted, canvas)
    ignored = true_ids == IGNORE_INDEX
    wrong = (true_ids != predicted_ids) & ~ignored
    gray = np.asarray(canvas.image.convert("L").convert("RGB")).astype(np.float32)
    pixels = 0.6 * gray + 90
    pixels[ignored] = _GRAY
    marked = _hatched(_WRONG, WHITE, 1, np.nonzero(wrong), 2 * canvas.line)  # (P, 3)
    pixels[wrong] = 0.15 * gray[wrong] + 0.85 * marked
    drawn = Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))
    if not legend:
        return drawn
    fraction = wrong.sum() / max(1, (~ignored).sum())
    swatch = _hatched(_WRONG, WHITE, 1, _everywhere(_swatch_size(canvas)), 2 * canvas.line)
    entries = [Entry(f"wrong: {100 * fraction:.1f} %", Image.fromarray(swatch.astype(np.uint8)))]
    if ignored.any():
        plain = np.full((*_swatch_size(canvas), 3), _GRAY, dtype=np.uint8)
        entries.append(Entry("ignored", Image.fromarray(plain)))
    return with_legend(drawn, canvas.font, entries)


def _enlarged(semantic: Tensor, canvas: Canvas) -> np.ndarray:
    """(h, w) int64 the map at the size of the canvas."""
    numbers = semantic.detach().cpu().numpy().astype(np.int64)
    width, height = canvas.image.size
    expected = (height // canvas.factor, width // canvas.factor)
    if numbers.shape != expected:
        raise ValueError(f"semantic: expected the image's size {expected}, got {numbers.shape}")
    return numbers.repeat(canvas.factor, axis=0).repeat(canvas.factor, axis=1)


def _is_plain(label: int, classes: Sequence[str]) -> bool:
    return label == 0 and len(classes) > 0 and classes[0] == BACKGROUND


def _look(label: int, classes: Sequence[str], places: Places, width: int) -> np.ndarray:
    """(..., 3) the color of a class, hatched in a way of its own from the eighth on."""
    if label == IGNORE_INDEX:
        return _hatched(_GRAY, BLACK, 2, places, width)
    color = _color(label, classes)
    ink = WHITE if luminance(color) < 0.35 else BLACK
    return _hatched(color, ink, _rank(label, classes) // _TONES % 5, places, width)


def _color(label: int, classes: Sequence[str]) -> Color:
    return _GRAY if label == IGNORE_INDEX else class_color(_rank(label, classes))


def _rank(label: int, classes: Sequence[str]) -> int:
    """The class's number without the background: objects look the same with and without it."""
    return label - 1 if _is_plain(0, classes) else label


def _hatched(color: Color, ink: Color, kind: int, places: Places, width: int) -> np.ndarray:
    """(..., 3) `color` with lines of `ink`: 0 none, 1 and 2 slanted, 3 level, 4 upright."""
    y, x = places
    field = np.empty((*y.shape, 3), dtype=np.float32)
    field[:] = color
    if kind > 0:
        along = {1: x + y, 2: x - y, 3: y, 4: x}[kind]
        thick = max(1, width // 2)
        field[along % (_PERIOD * thick) < thick] = ink
    return field


def _outline_regions(
    pixels: np.ndarray, numbers: np.ndarray, line: int, classes: Sequence[str]
) -> None:
    """Draw the border of each region on its own side, in its full color; `pixels` is changed."""
    edge = np.zeros(numbers.shape, dtype=bool)
    for shift in range(1, line + 1):
        for this, there in ((numbers, edge), (numbers.T, edge.T)):
            differs = this[shift:] != this[:-shift]
            there[shift:] |= differs
            there[:-shift] |= differs
    for label in np.unique(numbers[edge]).tolist():
        if not _is_plain(label, classes):
            pixels[edge & (numbers == label)] = _color(label, classes)


def _entry(label: int, classes: Sequence[str], canvas: Canvas) -> Entry:
    size = _swatch_size(canvas)
    name = "ignored" if label == IGNORE_INDEX else class_name(classes, label)
    look = _look(label, classes, _everywhere(size), 2 * canvas.line)
    if _is_plain(label, classes):
        look[:] = 60
    return Entry(name, Image.fromarray(look.astype(np.uint8)))


def _everywhere(size: tuple[int, int]) -> Places:
    y, x = np.indices(size)
    return y, x


def _swatch_size(canvas: Canvas) -> tuple[int, int]:
    """(height, width)"""
    side = int(canvas.font.size)
    return side, 2 * side
