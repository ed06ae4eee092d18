"""Datasets on the disk: records from annotation files, pixels from image files, one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tapetum.base.errors import AnnotationError, UsageError
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.dataset import Dataset
from tapetum.data.formats import AUTO, read_annotations
from tapetum.data.images.header import ImageSize
from tapetum.data.images.reader import ImageFile, read_image
from tapetum.data.reading.samples import IN_PYTHON, is_custom_data, open_custom
from tapetum.data.records.align import settle, settle_in, to_objects
from tapetum.data.records.annotation_types import (
    BACKGROUND,
    learns_from,
    narrowed,
    states_one_label,
)
from tapetum.data.records.image_record import Annotations, ImageRecord
from tapetum.data.records.segments import segments_to_masks
from tapetum.data.records.semantic import MAX_CLASSES, paint_semantic, read_semantic
from tapetum.data.splits.assign import choose_split
from tapetum.structures import Sample, Target

SCENES = "scenes"
"""The name of the built-in dataset."""


class FileDataset:
    """A split of a dataset in files, as a Dataset.

    What samples carry depends on the task.
    "classification": the labels of the image, else the sorted classes of its objects, crowds aside.
    "localization", "detection": objects. "instance_segmentation": objects with masks (N, H, W),
    drawn from outlines, or from boxes where there are none. "keypoint_detection": objects of the
    classes that have keypoints. "semantic_segmentation": a map, read, or painted from outlines;
    then class 0 is "background".

    Boxes of a sample are clipped to its image. An image whose size is not the recorded one
    raises AnnotationError with its name, unless the recorded size is that of the pixels before
    EXIF turned them: then its boxes are turned along (see `tapetum.data.records.align`). Images
    without an image file are left out; `left_out` counts them.

    Args:
        annotations: of the dataset.
        split: "train", "val", "test", "all", or a split of the dataset by its own name.
        task: one of `tapetum.structures.TASKS`.
        hold_out: keep some of "train" for validation, where the dataset has no split for it.
        limits: how large an image may be.

    Attributes:
        name: folder and split.
        classes: names, by label.
        class_ids: the files' ids of the classes.
        multilabel: False where the format gives each image of the dataset one label.
        palette: (C, 3) uint8 colors of the classes in color maps, else None.
        records: the record of each image.
        map_code: what the values of class maps mean, if there are maps.
        label_shift: added to the files' labels; 1 where class 0 is a background that they have not.
        left_out: the number of images without a file.
        description: how the split was chosen, in a phrase.
        findings: of all splits.

    Raises:
        UsageError: the annotations cannot serve the task. AnnotationError: no image has a file.
    """

    def __init__(
        self,
        annotations: Annotations,
        split: str,
        *,
        task: str = "detection",
        hold_out: bool = True,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        annotations = narrowed(annotations, task)
        chosen = choose_split(annotations, split, hold_out=hold_out)
        self.records = tuple(p for p in chosen.images if p.has_pixels)
        self.limits, self.map_code = limits, annotations.maps
        self.left_out = len(chosen.images) - len(self.records)
        if not self.records:
            why = f"split {split!r} has no image with a file ({self.left_out} are missing)"
            raise AnnotationError(why, file=annotations.root, hint="tapetum check lists them")
        self.name = f"{annotations.root.resolve().name}/{chosen.name}"
        self.task, self._annotation = task, learns_from(task)
        self.classes, self.class_ids = annotations.classes, annotations.class_ids
        self.label_shift = int(self._annotation == "semantic" and self.map_code is None)
        if self.label_shift:
            self._prepend_background(annotations)
        posed = self._annotation == "keypoints"
        self.keypoint_names = annotations.keypoint_names if posed else ()
        self.skeleton = annotations.skeleton if posed else ()
        self.multilabel = self._annotation != "labels" or not states_one_label(annotations)
        self.palette = annotations.palette
        self.description = chosen.description
        self.findings = annotations.findings

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Sample:
        """The decoded image with its target.

        Raises:
            ImageError: it cannot be decoded. AnnotationError: its size is not the recorded one, or
                its map does not fit it or holds a value that is no class.
        """
        record = self.records[index]
        if record.pixels is not None:
            size = record.pixels.shape[0], record.pixels.shape[1]
            target = self.target_of(record, ImageSize(size, size, 1))
            return Sample(_unpacked(record.pixels), target, record.name)
        assert record.path is not None  # the constructor left the others out
        image = read_image(record.path, self.limits)
        target = self.target_of(record, _size_of(image))
        return Sample(image.pixels, target, record.name)

    def class_counts(self) -> list[int]:
        """For each class, images with it where labels are needed, else objects of it (none are
        counted of what is known by pixels alone)."""
        if self._annotation == "labels":
            labels = [np.array(image.class_labels, dtype=np.int64) for image in self.records]
        else:
            labels = [image.labels for image in self.records]
        counts = np.bincount(np.concatenate(labels) + self.label_shift, minlength=len(self.classes))
        return counts.tolist()

    def classes_without_images(self) -> list[str]:
        """The classes that no image has; none of what is known by pixels alone."""
        if self.map_code is not None:
            return []
        counted = list(zip(self.classes, self.class_counts(), strict=True))
        return [name for name, count in counted[self.label_shift :] if not count]

    def record(self, index: int) -> ImageRecord:
        """The record in the frame of the decoded image; reads no more than its header.

        Raises:
            ImageError, AnnotationError: as for indexing.
        """
        return settle(self.records[index], self.limits)

    def target_of(self, image: ImageRecord, size: ImageSize) -> Target:
        """What a sample of the image carries, in the frame of its `size`."""
        if self._annotation == "labels":
            return Target(labels=torch.tensor(image.class_labels, dtype=torch.int64))
        if (
            self._annotation == "semantic"
            and image.semantic is not None
            and self.map_code is not None
        ):
            return Target(semantic=read_semantic(image, self.map_code, size, self.limits))
        image = settle_in(image, size)
        if self._annotation == "semantic":
            return Target(semantic=paint_semantic(image, size.size))
        objects = to_objects(image, size.size)
        if self._annotation != "keypoints":
            objects = objects.with_(keypoints=None)
        if self._annotation == "masks":
            objects = objects.with_(masks=segments_to_masks(image, size.size))
        return Target(objects=objects)

    def _prepend_background(self, annotations: Annotations) -> None:
        if len(self.classes) >= MAX_CLASSES:
            why = f"{len(self.classes)} classes and a background are too many for a map of bytes"
            raise UsageError(why, file=annotations.root)
        self.classes = (BACKGROUND, *self.classes)
        numbers = [id for id in self.class_ids if isinstance(id, int)]
        self.class_ids = (min(numbers, default=1) - 1, *self.class_ids)


def open_dataset(
    data: str | Path,
    split: str,
    format: str = AUTO,
    *,
    task: str = "detection",
    hold_out: bool = True,
    limits: Limits = DEFAULT_LIMITS,
) -> Dataset:
    """A split of a dataset, from files, from code, or built in.

    Args:
        data: a folder or file of annotations; or "FILE.py:FUNCTION", a function that returns
            samples (`tapetum.data.reading.samples.open_custom`); or "scenes", the built-in dataset
            (write "./scenes" for a folder), also with a challenge or a count, as in
            "scenes:clutter,count=4" (`tapetum.data.scenes.open_scenes`).
        split: "train", "val", "test", "all", or a split of the dataset by its own name.
        format: one of `tapetum.data.formats.FORMATS`, or "auto".
        task: one of `tapetum.structures.TASKS`; decides what the samples carry.
        hold_out: keep some of "train" for validation, where the dataset has no split for it.
        limits: on the sizes of files and images.

    Returns:
        The dataset; its images are decoded when it is indexed.

    Raises:
        UsageError: no such path, format, split or task; or the annotations cannot serve the task.
        AnnotationError: the annotations cannot be read, or no image has a file.
    """
    if is_scenes(data):
        from tapetum.data.scenes import open_scenes

        return open_scenes(str(data), split, task)
    if is_custom_data(data):
        return open_custom(str(data), split, task=task, hold_out=hold_out)
    if data == IN_PYTHON:
        hint = "tapetum.evaluate(run, samples), resume(run, samples), report(run, samples)"
        raise UsageError("samples in Python are not stored with a run: pass them again", hint=hint)
    annotations = read_annotations(data, format, limits, task=task)
    return FileDataset(annotations, split, task=task, hold_out=hold_out, limits=limits)


def is_scenes(data: str | Path) -> bool:
    """Is this the name of the built-in dataset?"""
    return isinstance(data, str) and data.partition(":")[0] == SCENES


def _size_of(image: ImageFile) -> ImageSize:
    return ImageSize(image.size, image.raw_size, image.orientation)


def _unpacked(pixels: np.ndarray) -> torch.Tensor:
    """(3, H, W) uint8, a copy, of (H, W) gray or (H, W, 3) colors."""
    image = np.empty((3, *pixels.shape[:2]), dtype=np.uint8)
    image[:] = pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return torch.from_numpy(image)
