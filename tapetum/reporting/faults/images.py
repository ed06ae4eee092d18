"""Images of a finding: the wrong box marked, or two duplicates side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from tapetum.base.errors import AnnotationError, ImageError, printable
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.images.header import ImageSize
from tapetum.data.images.orientation import turn_boxes
from tapetum.data.images.reader import ImageFile, read_image
from tapetum.data.records.align import settle_in, to_objects
from tapetum.data.records.image_record import Annotations, Finding, ImageRecord
from tapetum.render.canvas import to_image
from tapetum.render.draw import draw_objects
from tapetum.render.palette import BLACK, OKABE_ITO, WHITE
from tapetum.structures import Objects

_SMALL = 1 / 12
"""Boxes of less than this fraction of the longer side of the image are shown enlarged, too."""

_AROUND = 6
"""Side of what is shown around such a box, in sides of the box."""

_MIN_DRAWN = 1 / 80
"""Least side of a box as it is drawn, in longer sides of the image: one without any is seen."""

_BEYOND = 0.5
"""Margin, in sides of the image, at most, that is added to show a box outside of it."""

_GRAY = 128
_SIDE = 560
"""Longer side of an image on the page; those of a pair are shown at half of that."""

_LINE = 4


class Album:
    """The images of a dataset, by the names that findings give."""

    def __init__(self, annotations: Annotations, limits: Limits = DEFAULT_LIMITS) -> None:
        self._classes, self._limits = annotations.classes, limits
        self._known: dict[str, ImageRecord | None] = {}
        for image in annotations.all_images():
            if image.has_pixels:
                for name in set(_names(image, annotations.root)):
                    # A name that two images have is ambiguous.
                    self._known[name] = None if name in self._known else image

    def draw(self, finding: Finding) -> list[Image.Image]:
        """One or two images: the fault marked in its image, and, where it is small, a detail;
        or duplicates side by side, with their objects. [] where no image can be shown."""
        names = [name for name in (finding.image or finding.file, finding.duplicate) if name]
        matches = [self._find(name) for name in names]
        images = [image for image in matches if image is not None]
        if len(images) < len(names):
            return []
        try:
            if finding.box is not None:
                return self._marked(images[0], finding.box)
            return [self._whole(image) for image in images]
        except ImageError:
            return []

    def _find(self, name: str) -> ImageRecord | None:
        """The image of that name, or the one that a file of annotations is called after."""
        path = Path(name)
        stands_for = f"{path.stem}.*" if path.suffix in (".xml", ".txt", ".json") else name
        return self._known.get(name, self._known.get(stands_for))

    def _marked(self, record: ImageRecord, xywh: Sequence[float]) -> list[Image.Image]:
        image = _decoded(record, self._limits, None)
        boxes = _in_frame(record, np.array([xywh], dtype=np.float64), image)
        pixels, box = _with_margin(image.pixels, _ordered(boxes[0]))
        detail = _around(box, (pixels.shape[1], pixels.shape[2]))
        if detail is None:
            return [_framed(pixels, box)]
        left, top, right, bottom = (round(value) for value in detail)
        inside = box - np.array([left, top, left, top])
        return [_framed(pixels, detail), _framed(pixels[:, top:bottom, left:right], inside)]

    def _whole(self, record: ImageRecord) -> Image.Image:
        """An image with the objects that are recorded on it, wherever they come to lie."""
        image = _decoded(record, self._limits, _SIDE)
        try:
            instances = settle_in(record, _size(image))
        except AnnotationError:
            instances = record  # of another size: drawn as they are
        objects = to_objects(instances, _size(image).size)
        height, width = _size(image).size
        scale = torch.tensor([image.size[1] / width, image.size[0] / height]).repeat(2)
        plain = Objects(boxes=objects.boxes * scale, labels=objects.labels)
        return draw_objects(image.pixels, plain, self._classes)


def _names(image: ImageRecord, root: Path) -> list[str]:
    """What findings may call an image; `a.*` stands for an annotation file that belongs to it."""
    names = [image.name]
    if image.path is not None:
        inside = image.path.is_relative_to(root)
        file = image.path.relative_to(root).as_posix() if inside else str(image.path)
        names += [file, f"{image.path.stem}.*"]
    return [printable(name) for name in names]


def _decoded(image: ImageRecord, limits: Limits, at_least: int | None) -> ImageFile:
    if image.path is not None:
        return read_image(image.path, limits, at_least=at_least)
    assert image.pixels is not None  # the album knows no others
    return read_image(image.pixels, limits, name=image.name)


def _size(image: ImageFile) -> ImageSize:
    """The sizes of the file, of which the decoded image may be a fraction."""
    turned = image.orientation >= 5
    upright = image.raw_size[::-1] if turned else image.raw_size
    return ImageSize((upright[0], upright[1]), image.raw_size, image.orientation)


def _in_frame(record: ImageRecord, xywh: np.ndarray, image: ImageFile) -> np.ndarray:
    """(N, 4) x1 y1 x2 y2 on the upright image, of boxes as the file has them."""
    if record.size == image.raw_size != image.size:
        xywh = turn_boxes(xywh, image.orientation, image.raw_size)
    return np.concatenate((xywh[:, :2], xywh[:, :2] + xywh[:, 2:]), axis=1)


def _ordered(corners: np.ndarray) -> np.ndarray:
    return np.concatenate(
        (np.minimum(corners[:2], corners[2:]), np.maximum(corners[:2], corners[2:]))
    )


def _with_margin(pixels: Tensor, box: np.ndarray) -> tuple[Tensor, np.ndarray]:
    """The image with grey around it, as far as the box reaches, and the box on that."""
    height, width = pixels.shape[1:]
    size = np.array([width, height], dtype=np.float64)
    limit = np.ceil(_BEYOND * size)
    before = np.ceil(np.clip(-box[:2] * 1.1, 0, limit))
    after = np.ceil(np.clip((box[2:] - size) * 1.1, 0, limit))
    (left, top), (right, bottom) = before.astype(int).tolist(), after.astype(int).tolist()
    if left or top or right or bottom:
        pixels = torch.nn.functional.pad(pixels, (left, right, top, bottom), value=_GRAY)
    corner = np.tile(size + before + after, 2)
    return pixels, np.clip(box + np.tile(before, 2), 0, corner)


def _around(box: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    """What to show enlarged of an image of `size`, x1 y1 x2 y2, of its proportions; None if the
    box is large."""
    side = float((box[2:] - box[:2]).max())
    if side >= _SMALL * max(size):
        return None
    limit = np.array(size[::-1], dtype=np.float64)
    reach = limit / 2 * min(max(_AROUND * side, 64) / max(size), 1)
    middle = np.clip((box[:2] + box[2:]) / 2, reach, limit - reach)
    corners = np.round(np.concatenate((middle - reach, middle + reach)))
    return np.clip(corners, 0, np.tile(limit, 2))


def _framed(pixels: Tensor, box: np.ndarray) -> Image.Image:
    """The image at the size of the page, with a box, x1 y1 x2 y2, that is seen when small."""
    image = to_image(pixels)
    factor = _SIDE / max(image.size)
    kind = Image.Resampling.NEAREST if factor > 3 else Image.Resampling.LANCZOS
    width, height = (max(1, round(side * factor)) for side in image.size)
    image = image.resize((width, height), kind)
    smallest = np.minimum(_MIN_DRAWN * _SIDE, (width, height)) / 2
    middle = np.clip((box[:2] + box[2:]) / 2 * factor, smallest, (width, height) - smallest)
    first = np.minimum(box[:2] * factor, middle - smallest) - _LINE
    last = np.maximum(box[2:] * factor, middle + smallest) + _LINE - 1
    corners = (*np.maximum(first, 1).tolist(), *np.minimum(last, (width - 2, height - 2)).tolist())
    draw = ImageDraw.Draw(image)
    draw.rectangle([corners[0] - 1, corners[1] - 1, corners[2] + 1, corners[3] + 1], outline=BLACK)
    draw.rectangle(corners, outline=OKABE_ITO[0], width=_LINE)
    inner = [corners[0] + _LINE, corners[1] + _LINE, corners[2] - _LINE, corners[3] - _LINE]
    if inner[2] > inner[0] and inner[3] > inner[1]:
        draw.rectangle(inner, outline=WHITE)
    return image
