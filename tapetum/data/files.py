"""Datasets on the disk: records from annotation files, pixels from image files, one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tapetum.base.errors import AnnotationError
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.dataset import Dataset
from tapetum.data.formats import AUTO, read_annotations
from tapetum.data.frame import settle, settle_in, to_objects
from tapetum.data.image import ImageSize, read_image
from tapetum.data.picture import Annotations, Picture
from tapetum.data.segments import segments_to_masks
from tapetum.data.splits import choose_split
from tapetum.structures import Sample, Target

SCENES = "scenes"
"""The name of the dataset that is drawn rather than read."""


class FileDataset:
    """A split of a dataset in files, as a Dataset.

    Boxes of a sample are clipped to its picture. A picture whose size is not the recorded one
    raises AnnotationError with its name, unless the recorded size is that of the pixels before
    EXIF turned them: then its boxes are turned along (see `tapetum.data.frame`). Pictures without
    an image file are left out; `left_out` counts them.

    name: folder and split. classes: names, by label. class_ids: the files' own ids of them.
    words: how the split was chosen. findings: of the whole dataset.
    masks: give samples masks (N, H, W), drawn from outlines, or from boxes where there are none.
    """

    def __init__(
        self,
        annotations: Annotations,
        split: str,
        *,
        masks: bool = False,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        chosen = choose_split(annotations, split)
        self._pictures = tuple(p for p in chosen.pictures if p.path is not None)
        self._masks, self._limits = masks, limits
        self.left_out = len(chosen.pictures) - len(self._pictures)
        if not self._pictures:
            why = f"split {split!r} has no picture that is there ({self.left_out} are missing)"
            raise AnnotationError(why, file=annotations.root, hint="tapetum check tells more")
        self.name = f"{annotations.root.resolve().name}/{chosen.name}"
        self.classes = annotations.classes
        self.class_ids = annotations.class_ids
        self.keypoint_names: tuple[str, ...] = ()
        self.skeleton: tuple[tuple[int, int], ...] = ()
        self.multilabel = True
        self.words = chosen.words
        self.findings = annotations.findings

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> Sample:
        """The decoded picture with its objects.

        Raises:
            ImageError: it cannot be decoded. AnnotationError: its size is not the recorded one.
        """
        picture = self._pictures[index]
        assert picture.path is not None  # the constructor left the others out
        image = read_image(picture.path, self._limits)
        picture = settle_in(picture, ImageSize(image.size, image.raw_size, image.orientation))
        objects = to_objects(picture, image.size)
        if self._masks:
            objects = objects.with_(masks=segments_to_masks(picture, image.size))
        return Sample(image.pixels, Target(objects=objects), picture.name)

    def class_counts(self) -> list[int]:
        """Objects of each class, in the order of the classes."""
        labels = [picture.labels for picture in self._pictures]
        return np.bincount(np.concatenate(labels), minlength=len(self.classes)).tolist()

    def picture(self, index: int) -> Picture:
        """The record in the frame of the decoded picture; reads no more than its header.

        Raises:
            ImageError, AnnotationError: as for indexing.
        """
        return settle(self._pictures[index], self._limits)


def open_dataset(
    data: str | Path,
    split: str,
    format: str = AUTO,
    *,
    masks: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> Dataset:
    """A dataset by its path, or "scenes", which is built in (write "./scenes" for a folder).

    split: "train", "val", "test", "all", or one of the dataset's own (`tapetum.data.splits`).

    Raises:
        UsageError: no such path, format or split.
        AnnotationError: the annotations cannot be read, or no picture is there.
    """
    if data == SCENES:
        from tapetum.data.scenes import Scenes

        return Scenes(split=split)
    return FileDataset(read_annotations(data, format, limits), split, masks=masks, limits=limits)
