"""Heat maps and masks over images; many images on one sheet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from tapetum.render.canvas import ImageLike, make_canvas, to_array, to_image
from tapetum.render.draw import draw_objects
from tapetum.render.masks import MASK_STRENGTH, blend_mask
from tapetum.render.palette import BLACK, DARK, WHITE, class_color, heat_table, text_color
from tapetum.render.text import line_height, load_font, shorten, text_width
from tapetum.structures import Objects


def overlay_heat(
    image: ImageLike,
    heat: Tensor,
    strength: float = 0.6,
    *,
    colormap: str = "inferno",
    bar: bool = False,
    objects: Objects | None = None,
    classes: Sequence[str] = (),
) -> Image.Image:
    """A heat map over its image, which is shown in grey so that every color is heat.

    Without bar and objects the result has the image's own size; with them a small image is
    enlarged, as `draw_objects` does.

    Args:
        image: (3, H, W) uint8 or float in [0, 1], or a PIL image.
        heat: (H, W) float in [0, 1], in the frame of the image.
        strength: fraction of the map in the mixture, 0 to 1.
        colormap: one of `tapetum.render.palette.HEAT_MAPS`.
        bar: add a strip below with the colors from 0 to 1.
        objects: drawn on top, usually the object that is explained.
        classes: names by label, for the objects.

    Returns:
        The drawn image.

    Raises:
        ValueError: the map has another size than the image, or values outside [0, 1].
    """
    gray = to_array(to_image(image).convert("L"))  # (H, W, 3)
    _check_heat(heat, gray.shape[:2])
    if not 0 <= strength <= 1:
        raise ValueError(f"strength: expected a number in [0, 1], got {strength}")
    levels = (heat.detach().cpu().double().numpy() * 255).round().astype(np.uint8)
    colors = heat_table(colormap)[levels]  # (H, W, 3)
    mixed = gray * (1 - strength) + colors * strength
    pixels = Image.fromarray(np.round(mixed).astype(np.uint8))
    if objects is not None or bar:
        pixels = draw_objects(pixels, objects or Objects.empty(), classes)
    return _with_bar(pixels, colormap) if bar else pixels


def overlay_masks(
    image: ImageLike, masks: Tensor, labels: Tensor, strength: float = MASK_STRENGTH
) -> Image.Image:
    """Masks over their image, at its size.

    Args:
        image: (3, H, W) uint8 or float in [0, 1], or a PIL image.
        masks: (N, H, W) bool.
        labels: (N,) int64, which give the colors.
        strength: fraction of the color in the mixture, 0 to 1.

    Returns:
        The drawn image.
    """
    pixels = to_image(image)
    line = max(1, min(pixels.size) // 200)
    if masks.ndim != 3 or len(masks) != len(labels):
        raise ValueError(f"masks: expected ({len(labels)}, H, W), got {tuple(masks.shape)}")
    for mask, label in zip(masks, labels.tolist(), strict=True):
        blend_mask(pixels, mask, class_color(label), line=line, strength=strength)
    return pixels


def contact_sheet(
    images: Sequence[Image.Image],
    columns: int = 4,
    captions: Sequence[str] | None = None,
    *,
    cell: int = 320,
) -> Image.Image:
    """Images in rows on one sheet, each fitted into a square cell.

    Args:
        images: any sizes.
        columns: of the sheet, 1 or more.
        captions: one per image.
        cell: side of a cell in pixels.

    Returns:
        The sheet.

    Raises:
        ValueError: no columns, or another number of captions than of images.
    """
    if columns < 1:
        raise ValueError(f"columns: expected 1 or more, got {columns}")
    names = [""] * len(images) if captions is None else list(captions)
    if len(names) != len(images):
        raise ValueError(f"captions: expected {len(images)}, got {len(names)}")
    if not images:
        return Image.new("RGB", (cell, cell), WHITE)
    cells = [_captioned(*pair, cell) for pair in zip(images, names, strict=True)]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    heights = [max(image.height for image in row) for row in rows]
    gap, across = max(4, cell // 40), min(columns, len(cells))
    size = (across * (cell + gap) + gap, sum(heights) + gap * (len(rows) + 1))
    sheet, top = Image.new("RGB", size, WHITE), gap
    for row, height in zip(rows, heights, strict=True):
        for i, image in enumerate(row):
            sheet.paste(image, (gap + i * (cell + gap), top))
        top += height + gap
    return sheet


def _captioned(image: Image.Image, caption: str, cell: int) -> Image.Image:
    """An image `cell` pixels wide with its caption below."""
    font, small = load_font(max(10, cell // 20)), _fitted(image, cell)
    below = line_height(font) + cell // 40 if caption else 0
    sheet = Image.new("RGB", (cell, small.height + below), WHITE)
    sheet.paste(small, ((cell - small.width) // 2, 0))
    text = shorten(caption, font, cell)
    start = (cell - text_width(text, font)) // 2
    ImageDraw.Draw(sheet).text((start, small.height + cell // 80), text, fill=DARK, font=font)
    return sheet


def _check_heat(heat: Tensor, size: tuple[int, ...]) -> None:
    if tuple(heat.shape) != size:
        raise ValueError(f"heat: expected the image's size {size}, got {tuple(heat.shape)}")
    if not bool(((heat >= 0) & (heat <= 1)).all()):
        raise ValueError("heat: expected values in [0, 1]")


def _with_bar(image: Image.Image, colormap: str) -> Image.Image:
    """The image with a strip of all colors below, from 0 to 1."""
    font = make_canvas(image).font
    height, pad = line_height(font) + 4, max(4, int(font.size) // 2)
    sheet = Image.new("RGB", (image.width, image.height + height), DARK)
    sheet.paste(image)
    draw = ImageDraw.Draw(sheet)
    left = 2 * pad + text_width("0", font)
    right = image.width - 2 * pad - text_width("1", font)
    if right - left < 8:
        return image
    ramp = np.tile(heat_table(colormap)[None], (height - 8, 1, 1))
    strip = Image.fromarray(ramp).resize((right - left, height - 8), Image.Resampling.BILINEAR)
    sheet.paste(strip, (left, image.height + 4))
    draw.rectangle((left - 1, image.height + 3, right, image.height + height - 4), outline=BLACK)
    draw.text((pad, image.height + 2), "0", fill=text_color(DARK), font=font)
    draw.text((right + pad, image.height + 2), "1", fill=text_color(DARK), font=font)
    return sheet


def _fitted(image: Image.Image, cell: int) -> Image.Image:
    """The whole image inside a square of `cell` pixels, enlarged or made smaller."""
    scale = cell / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
