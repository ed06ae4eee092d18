"""What a finding is about, as pictures: the box that is wrong, or the two that are the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from tapetum.base.errors import AnnotationError, ImageError, printable
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.frame import settle_in, to_objects
from tapetum.data.image import ImageFile, ImageSize, read_image
from tapetum.data.orientation import turn_boxes
from tapetum.data.picture import Annotations, Finding, Picture
from tapetum.data.splits import everything
from tapetum.render.canvas import to_image
from tapetum.render.draw import draw_things
from tapetum.render.palette import BLACK, OKABE_ITO, WHITE
from tapetum.structures import Objects

_SMALL = 1 / 12
"""Boxes of less than this share of the picture's longer side are shown enlarged, too."""

_AROUND = 6
"""Side of what is shown around such a box, in sides of the box."""

_LEAST = 1 / 80
"""Least side of a box as it is drawn, in longer sides of the picture: one without any is seen."""

_BEYOND = 0.5
"""Margin, in sides of the picture, at most, that is added to show a box outside of it."""

_GREY = 128
_SIDE = 560
"""Longer side of a picture on the page; those of a pair are shown at half of that."""

_LINE = 4


class Album:
    """The pictures of a dataset, by the names that findings give."""

    def __init__(self, annotations: Annotations, limits: Limits = DEFAULT_LIMITS) -> None:
        self._classes, self._limits = annotations.classes, limits
        self._known: dict[str, Picture | None] = {}
        for picture in everything(annotations):
            if picture.there:
                for name in set(_names(picture, annotations.root)):
                    # A name that two pictures have says nothing.
                    self._known[name] = None if name in self._known else picture

    def draw(self, finding: Finding) -> list[Image.Image]:
        """One or two pictures: the fault marked in its picture, and, where it is small, a detail;
        or twins side by side, with their things. Nothing where no picture can be shown."""
        names = [name for name in (finding.picture or finding.file, finding.twin) if name]
        found = [self._find(name) for name in names]
        pictures = [picture for picture in found if picture is not None]
        if len(pictures) < len(names):
            return []
        try:
            if finding.box is not None:
                return self._marked(pictures[0], finding.box)
            return [self._whole(picture) for picture in pictures]
        except ImageError:
            return []

    def _find(self, name: str) -> Picture | None:
        """The picture of that name, or the one that a file of annotations is called after."""
        path = Path(name)
        stands_for = f"{path.stem}.*" if path.suffix in (".xml", ".txt", ".json") else name
        return self._known.get(name, self._known.get(stands_for))

    def _marked(self, picture: Picture, xywh: Sequence[float]) -> list[Image.Image]:
        image = _decoded(picture, self._limits, None)
        boxes = _in_frame(picture, np.array([xywh], dtype=np.float64), image)
        pixels, box = _with_margin(image.pixels, _ordered(boxes[0]))
        detail = _around(box, (pixels.shape[1], pixels.shape[2]))
        if detail is None:
            return [_framed(pixels, box)]
        left, top, right, bottom = (round(value) for value in detail)
        inside = box - np.array([left, top, left, top])
        return [_framed(pixels, detail), _framed(pixels[:, top:bottom, left:right], inside)]

    def _whole(self, picture: Picture) -> Image.Image:
        """A picture with the things that are recorded on it, wherever they come to lie."""
        image = _decoded(picture, self._limits, _SIDE)
        try:
            things = settle_in(picture, _size(image))
        except AnnotationError:
            things = picture  # of another size: drawn as they are, for everybody to see
        objects = to_objects(things, _size(image).size)
        height, width = _size(image).size
        scale = torch.tensor([image.size[1] / width, image.size[0] / height]).repeat(2)
        plain = Objects(boxes=objects.boxes * scale, labels=objects.labels)
        return draw_things(image.pixels, plain, self._classes)


def _names(picture: Picture, root: Path) -> list[str]:
    """What findings may call a picture; `a.*` stands for an annotation file that belongs to it."""
    names = [picture.name]
    if picture.path is not None:
        inside = picture.path.is_relative_to(root)
        file = picture.path.relative_to(root).as_posix() if inside else str(picture.path)
        names += [file, f"{picture.path.stem}.*"]
    return [printable(name) for name in names]


def _decoded(picture: Picture, limits: Limits, at_least: int | None) -> ImageFile:
    if picture.path is not None:
        return read_image(picture.path, limits, at_least=at_least)
    assert picture.pixels is not None  # the album knows no others
    return read_image(picture.pixels, limits, name=picture.name)


def _size(image: ImageFile) -> ImageSize:
    """The sizes of the file, of which the decoded picture may be a fraction."""
    turned = image.orientation >= 5
    upright = image.raw_size[::-1] if turned else image.raw_size
    return ImageSize((upright[0], upright[1]), image.raw_size, image.orientation)


def _in_frame(picture: Picture, xywh: np.ndarray, image: ImageFile) -> np.ndarray:
    """(N, 4) x1 y1 x2 y2 on the upright picture, of boxes as the file has them."""
    if picture.size == image.raw_size != image.size:
        xywh = turn_boxes(xywh, image.orientation, image.raw_size)
    return np.concatenate((xywh[:, :2], xywh[:, :2] + xywh[:, 2:]), axis=1)


def _ordered(corners: np.ndarray) -> np.ndarray:
    return np.concatenate(
        (np.minimum(corners[:2], corners[2:]), np.maximum(corners[:2], corners[2:]))
    )


def _with_margin(pixels: Tensor, box: np.ndarray) -> tuple[Tensor, np.ndarray]:
    """The picture with grey around it, as far as the box reaches, and the box on that."""
    height, width = pixels.shape[1:]
    size = np.array([width, height], dtype=np.float64)
    most = np.ceil(_BEYOND * size)
    before = np.ceil(np.clip(-box[:2] * 1.1, 0, most))
    after = np.ceil(np.clip((box[2:] - size) * 1.1, 0, most))
    (left, top), (right, bottom) = before.astype(int).tolist(), after.astype(int).tolist()
    if left or top or right or bottom:
        pixels = torch.nn.functional.pad(pixels, (left, right, top, bottom), value=_GREY)
    limit = np.tile(size + before + after, 2)
    return pixels, np.clip(box + np.tile(before, 2), 0, limit)


def _around(box: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    """What to show enlarged of a picture of `size`, x1 y1 x2 y2, of its proportions; None if the
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
    """The picture at the size of the page, with a box, x1 y1 x2 y2, that is seen when small."""
    image = to_image(pixels)
    factor = _SIDE / max(image.size)
    kind = Image.Resampling.NEAREST if factor > 3 else Image.Resampling.LANCZOS
    width, height = (max(1, round(side * factor)) for side in image.size)
    image = image.resize((width, height), kind)
    least = np.minimum(_LEAST * _SIDE, (width, height)) / 2
    middle = np.clip((box[:2] + box[2:]) / 2 * factor, least, (width, height) - least)
    first = np.minimum(box[:2] * factor, middle - least) - _LINE
    last = np.maximum(box[2:] * factor, middle + least) + _LINE - 1
    corners = (*np.maximum(first, 1).tolist(), *np.minimum(last, (width - 2, height - 2)).tolist())
    draw = ImageDraw.Draw(image)
    draw.rectangle([corners[0] - 1, corners[1] - 1, corners[2] + 1, corners[3] + 1], outline=BLACK)
    draw.rectangle(corners, outline=OKABE_ITO[0], width=_LINE)
    inner = [corners[0] + _LINE, corners[1] + _LINE, corners[2] - _LINE, corners[3] - _LINE]
    if inner[2] > inner[0] and inner[3] > inner[1]:
        draw.rectangle(inner, outline=WHITE)
    return image
