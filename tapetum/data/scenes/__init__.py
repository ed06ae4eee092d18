"""Scenes: a dataset that is composed on the fly, for demonstrations, lessons and tests.

Drawn things and real handwritten digits (the test set of the UCI "Optical Recognition of
Handwritten Digits", Alpaydin and Kaynak 1998, as it comes with scikit-learn) lie on procedural
backgrounds, overlap, and cast shadows. Nothing is downloaded or stored: scene `index` of a split
is a pure function of (seed, split, index), and its truth is exact, since it is known which thing
every pixel shows.
"""

from __future__ import annotations

import functools

import numpy as np
import torch

from tapetum.base.errors import UsageError
from tapetum.base.runtime import derive_seed
from tapetum.data.picture import Picture
from tapetum.data.scenes.layout import Layout, SceneOptions, lay_out
from tapetum.data.scenes.sprites import put_down
from tapetum.data.scenes.textures import background, exposure, illumination, noise
from tapetum.data.scenes.things import THINGS
from tapetum.ops.masks import rle_encode
from tapetum.structures import Objects, Sample, Target

__all__ = ["LENGTHS", "THINGS", "SceneOptions", "Scenes", "handwriting"]

LENGTHS = {"train": 2000, "val": 200, "test": 200}
"""The splits, and how many scenes of each are counted unless told otherwise."""

_WRITERS = {"train": range(7), "val": range(7, 8), "test": range(8, 10)}
"""Which tenths of the handwritten digits a split may show."""


class Scenes:
    """A `Dataset` of scenes with boxes, masks and a semantic map.

    split: "train", "val" or "test"; no two share a scene or a handwritten digit.
    size: (height, width) of every picture. length: how many scenes there are; any number, since
    scene 10,000 exists whether or not anybody counts that far.
    options: what the scenes are like.

    A box is the tight hull of what can be seen of a thing, half open; `area` is the number of its
    visible pixels. In the semantic map 0 is background and a thing's pixels hold its label + 1.

    Raises:
        UsageError: an unknown split.
    """

    def __init__(
        self,
        split: str = "train",
        seed: int = 0,
        size: tuple[int, int] = (192, 256),
        length: int | None = None,
        options: SceneOptions = SceneOptions(),  # noqa: B008, it is frozen
    ) -> None:
        if split not in LENGTHS:
            raise UsageError(f"scenes have no split {split!r}", hint="one of " + ", ".join(LENGTHS))
        if min(size) < 1:
            raise ValueError(f"size: expected at least (1, 1), got {size}")
        self.name = "scenes"
        self.classes = THINGS
        self.keypoint_names: tuple[str, ...] = ()
        self.skeleton: tuple[tuple[int, int], ...] = ()
        self.multilabel = True
        self.split, self.seed, self.size, self.options = split, seed, size, options
        self.length = LENGTHS[split] if length is None else length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        """Scene `index` with labels (the classes in it), objects and semantic map."""
        layout = self._layout(index)
        image = _paint(layout, self.options, self._random(index, "surface"))
        boxes, area = layout.boxes_and_areas()
        owner = torch.from_numpy(layout.owner)
        labels = torch.from_numpy(layout.labels)
        objects = Objects(
            boxes=torch.from_numpy(boxes).float(),
            labels=labels,
            masks=owner == torch.arange(len(labels), dtype=torch.int16)[:, None, None],
            area=torch.from_numpy(area).float(),
            ids=self._ids(index, len(labels)),
        )
        of_pixel = np.append(layout.labels + 1, 0).astype(np.uint8)  # owner -1: background
        target = Target(labels.unique(), objects, torch.from_numpy(of_pixel.take(layout.owner)))
        return Sample(torch.from_numpy(image), target, self._name(index))

    def picture(self, index: int) -> Picture:
        """The truth of scene `index` as records, masks run-length coded, without painting it."""
        layout = self._layout(index)
        boxes, area = layout.boxes_and_areas()
        count = len(layout.labels)
        none = np.zeros(count, dtype=bool)
        return Picture(
            name=self._name(index),
            path=None,
            id=index,
            size=self.size,
            xywh=np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1),
            labels=layout.labels,
            crowd=none,
            difficult=none,
            area=area,
            ids=self._ids(index, count),
            segments=tuple(rle_encode(layout.owner == number) for number in range(count)),
        )

    def _layout(self, index: int) -> Layout:
        if not 0 <= index < self.length:
            raise IndexError(f"scene {index} of {self.length}")
        random = self._random(index, "layout")
        return lay_out(random, self.size, self.options, handwriting(self.split))

    def _random(self, index: int, purpose: str) -> np.random.Generator:
        # Layout and surface draw apart, so that the truth does not depend on the painting.
        return np.random.default_rng(
            derive_seed(self.seed, "scenes", self.split, int(index), purpose)
        )

    def _name(self, index: int) -> str:
        return f"{self.split}-{index:05d}"

    def _ids(self, index: int, count: int) -> tuple[int, ...]:
        return tuple(1000 * index + number for number in range(1, count + 1))


@functools.cache
def handwriting(split: str) -> np.ndarray:
    """The handwritten digits (N, 8, 8), 0 ... 16, that scenes of a split may show."""
    from sklearn.datasets import load_digits  # a second to import, so only when needed

    digits = load_digits().images
    return digits[np.isin(np.arange(len(digits)) % 10, _WRITERS[split])]


def _paint(layout: Layout, options: SceneOptions, random: np.random.Generator) -> np.ndarray:
    """The picture (3, H, W) uint8 of a layout."""
    size = layout.owner.shape[0], layout.owner.shape[1]
    angle = random.uniform(-2.6, -0.5)  # from above, left or right
    light = float(np.cos(angle)), float(np.sin(angle))
    canvas = background(random, size, options.texture)
    for sprite, corner in zip(layout.sprites, layout.corners, strict=True):
        put_down(canvas, sprite, corner, light, options.light)
    canvas *= illumination(random, size, light, options.light)
    canvas *= exposure(random, options.light)
    for channel in canvas:
        channel += np.float32(options.noise) * noise(random, size, "grain") + np.float32(0.5)
    return np.clip(canvas, 0, 255, out=canvas).astype(np.uint8)
