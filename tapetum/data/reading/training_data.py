"""The images of a training: what it learns from and what it is measured on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tapetum.base.errors import UsageError
from tapetum.base.progress import Log, Progress, no_log, no_progress
from tapetum.base.words import count_of
from tapetum.data.checking.near_duplicates import (
    TINY,
    alike,
    fingerprints_of,
    similarity_threshold,
)
from tapetum.data.dataset import Dataset
from tapetum.data.formats import read_annotations
from tapetum.data.formats.label_maps.legend import numbered
from tapetum.data.reading.files import SCENES, FileDataset, open_dataset
from tapetum.data.reading.samples import IN_PYTHON, Samples, is_custom_data, open_samples
from tapetum.data.records.annotation_types import learns_from, narrowed
from tapetum.data.records.image_record import Annotations, ImageRecord
from tapetum.data.splits.assign import to_divide, with_held_out
from tapetum.data.splits.hold_out import HoldOut
from tapetum.data.splits.split_file import Names, with_parts, write_parts
from tapetum.runs.train_options import TrainOptions
from tapetum.structures import IGNORE_INDEX

MAX_LISTED_CLASSES = 12
"""Classes that `describe` lists; more are only counted."""


@dataclass(frozen=True)
class DataSpec:
    """Where images are, and how they are read: a part of the options of a training.

    Args:
        data: as `open_dataset` takes it.
        val: validation data; None: a split of `data`.
        format: of `data`, or "auto".
        unlabeled: "negative": images without labels have no objects; "skip": they are left out.
        validate: is validation data needed?
    """

    data: str
    val: str | None = None
    format: str = "auto"
    unlabeled: str = "negative"
    validate: bool = True

    @staticmethod
    def of(given: TrainOptions) -> DataSpec:
        """As the options of a training say."""
        return DataSpec(given.data, given.val, given.format, given.unlabeled, given.validate)


@dataclass(frozen=True)
class TrainingData:
    """The data of a training.

    Args:
        training: what is learned from.
        validation: what is used for validation; None for none.
        log_lines: how the files were read.
        annotations: of `training`, where it is in files.
    """

    training: Dataset
    validation: Dataset | None
    log_lines: tuple[str, ...] = ()
    annotations: Annotations | None = None

    @staticmethod
    def open(
        reading: DataSpec,
        task: str,
        options: HoldOut | None = None,
        names: Names | None = None,
        progress: Progress = no_progress,
        log: Log = no_log,
        check: Callable[[Dataset], None] | None = None,
    ) -> TrainingData:
        """Open the data of a training.

        Args:
            reading: where it is.
            task: one of `tapetum.structures.TASKS`.
            options: what to hold out; None: the default, where validation data is missing.
            names: the images of each split that the run made before, if it did.
            progress: wraps the indices while near-duplicates are searched.
            log: gets a line about each long step.
            check: is called with the images that are to be divided, before near-duplicates are
                searched among them; it may raise.

        Raises:
            UsageError: options that do not fit the data, or validation data of other classes.
        """
        if in_files(reading.data):
            images = _of_files(reading, task, options, names, progress, log, check)
        else:
            images = _built_in(reading, task)
        if reading.validate and reading.val is not None:
            validation, lines = open_validation(reading, task)
            images = replace(images, validation=validation, log_lines=(*images.log_lines, *lines))
        if images.validation is not None and images.validation.classes != images.training.classes:
            why = "its classes differ from those of the training data"
            raise UsageError(why, file=reading.val)
        return images

    def counts(self) -> dict[str, Any]:
        """Images and, of datasets in files, objects of each class, by split; and the classes that
        no training image has."""
        both = self._parts()
        counted = {n: d.class_counts() for n, d in both.items() if isinstance(d, FileDataset)}
        images = {name: len(part) for name, part in both.items()}
        return {"images": images, "objects": counted, "untrained": self._untrained()}

    def keep(self, folder: Path) -> None:
        """Note in the run folder which images were held out, if that was not the dataset's own
        choice."""
        if self.annotations is not None:
            write_parts(folder, self.annotations)

    def describe(self) -> list[str]:
        """Splits, classes, what is left out and why, before the training starts."""
        lines = [*self.log_lines, *self._splits()]
        classes = self.training.classes
        count = count_of(len(classes), "class", "classes")
        lines.append(f"{count}: {', '.join(self._counted()[:MAX_LISTED_CLASSES])}")
        if len(classes) > MAX_LISTED_CLASSES:
            lines[-1] += f" and {len(classes) - MAX_LISTED_CLASSES} more"
        return lines + self._warning() + self._unnamed() + self._findings()

    def _untrained(self) -> list[str]:
        """The classes that no training image has, as far as that is known."""
        if not isinstance(self.training, FileDataset):
            return []
        return self.training.classes_without_images()

    def _warning(self) -> list[str]:
        names = self._untrained()
        if not names:
            return []
        listed = ", ".join(names[:MAX_LISTED_CLASSES])
        if len(names) > MAX_LISTED_CLASSES:
            listed += f" and {len(names) - MAX_LISTED_CLASSES} more"
        what, them = ("class", "it") if len(names) == 1 else ("classes", "them")
        return [f"warning: no training image has the {what} {listed}: add images of {them}"]

    def _parts(self) -> dict[str, Dataset]:
        parts = {"train": self.training}
        return parts if self.validation is None else parts | {"val": self.validation}

    def _splits(self) -> list[str]:
        counts = ", ".join(f"{name} {len(part):,}" for name, part in self._parts().items())
        lines = [f"images: {counts}"]
        if isinstance(self.training, FileDataset):
            lines[0] += f"; {self.training.description}"
        for dataset in self._parts().values():
            if isinstance(dataset, FileDataset) and dataset.left_out:
                lines.append(f"{dataset.name}: missing: {count_of(dataset.left_out, 'image')}")
        return lines

    def _counted(self) -> list[str]:
        """The classes, those with the most training objects first, where these are known."""
        classes = self.training.classes
        if not isinstance(self.training, FileDataset):
            return list(classes)
        counts = self.training.class_counts()
        if not any(counts):
            return list(classes)
        order = sorted(range(len(classes)), key=lambda label: -counts[label])
        return [f"{classes[label]} {counts[label]:,}" for label in order]

    def _unnamed(self) -> list[str]:
        """How to name the classes of maps, which are numbers without a list."""
        part = self.annotations
        if (
            part is None
            or part.maps is None
            or not set(part.classes) <= set(numbered(IGNORE_INDEX))
        ):
            return []
        return [
            "the classes have no names: a file classes.txt beside the folders of images and maps "
            "gives them, a name a line, that of class 0 first; so does a description in YAML, "
            "which also says what to ignore (docs/formats.md)"
        ]

    def _findings(self) -> list[str]:
        if self.annotations is None:
            return []
        lines = []
        for severity, label in (("error", "left out"), ("warning", "doubtful")):
            found = [f.code for f in self.annotations.findings if f.severity == severity]
            if found:
                counted = (f"{code} {count:,}" for code, count in Counter(found).most_common())
                lines.append(f"{label}: {', '.join(counted)}; tapetum check shows each")
        return lines


def in_files(data: str) -> bool:
    """Are its images in files, rather than scenes or samples from code?"""
    return data.partition(":")[0] != SCENES and data != IN_PYTHON and not is_custom_data(data)


def refuse_file_options(reading: DataSpec, options: HoldOut | None) -> None:
    """What cannot be followed for images that are in no files is not silently left.

    Raises:
        UsageError: something of that kind was asked for.
    """
    given = {
        "format": reading.format != DataSpec.format,
        "unlabeled": reading.unlabeled != DataSpec.unlabeled,
        "group_by": options is not None and options.group_by is not None,
        "split_ratio": options is not None,
    }
    for option in (name for name, is_given in given.items() if is_given):
        raise UsageError("is for images in files", file=reading.data, option=option)


@dataclass(frozen=True)
class InMemoryData:
    """Samples in Python, in place of a path."""

    data: Samples
    val: Samples | None
    classes: Sequence[str] | None

    @staticmethod
    def of(data: Any, val: Any, classes: Sequence[str] | None) -> InMemoryData | None:
        """None where `data` is a path or a name.

        Raises:
            UsageError: one of the two is a path and the other is not, or classes for files.
        """
        paths = [value is None or isinstance(value, str | Path) for value in (data, val)]
        if paths[0] and paths[1]:
            if classes is not None:
                raise UsageError("classes are for samples in Python; files name their own")
            return None
        if paths[0] or (paths[1] and val is not None):
            raise UsageError("data and val: expected samples for both, or files for both")
        return InMemoryData(data, val, classes)

    def open(self, task: str, validate: bool) -> TrainingData:
        """As `TrainingData.open`.

        Raises:
            UsageError: no samples or classes, too few to hold any out, or others in `val`.
        """
        holds_out = validate and self.val is None
        classes = self.classes
        training = open_samples(self.data, "train", classes, task=task, hold_out=holds_out)
        if not validate:
            return TrainingData(training, None)
        if self.val is None:
            return TrainingData(training, open_samples(self.data, "val", classes, task=task))
        classes = classes or getattr(self.val, "classes", None) or training.classes
        validation = open_samples(self.val, "all", classes, task=task, name="val")
        if validation.classes != training.classes:
            raise UsageError("its classes differ from those of the training data", file="val")
        return TrainingData(training, validation)


def open_validation(reading: DataSpec, task: str) -> tuple[Dataset, list[str]]:
    """All images of the place that is named for validation; how its files were read."""
    assert reading.val is not None
    if not in_files(reading.val):
        return open_dataset(reading.val, "all", task=task), []
    part = replace(reading, data=reading.val, format=DataSpec.format)
    annotations, lines = annotations_of(part, task)
    return FileDataset(annotations, "all", task=task), lines


def annotations_of(reading: DataSpec, task: str) -> tuple[Annotations, list[str]]:
    """All annotations for a task, and how images without labels are used."""
    annotations = narrowed(read_annotations(reading.data, reading.format, task=task), task)
    all_records = {id(p): p for part in annotations.splits.values() for p in part}
    without_labels = {number for number, image in all_records.items() if unlabeled(image, task)}
    lines = [f"{reading.data}: {annotations.format}, {count_of(len(all_records), 'image')}"]
    if not without_labels:
        return annotations, lines
    lines.append(f"{len(without_labels):,} of them have no labels and ")
    if reading.unlabeled == "negative":
        lines[-1] += "count as images without objects (`unlabeled` skip leaves them out)"
        return annotations, lines
    lines[-1] += "are left out (`unlabeled` is skip)"
    splits = {
        name: tuple(p for p in part if id(p) not in without_labels)
        for name, part in annotations.splits.items()
    }
    return replace(annotations, splits=splits), lines


def unlabeled(image: ImageRecord, task: str) -> bool:
    """Is nothing said of what the image shows?"""
    annotation = learns_from(task)
    if annotation == "semantic":
        return image.semantic is None and not len(image)
    return not image.class_labels if annotation == "labels" else not len(image)


def _of_files(
    reading: DataSpec,
    task: str,
    options: HoldOut | None,
    names: Names | None,
    progress: Progress,
    log: Log,
    check: Callable[[Dataset], None] | None,
) -> TrainingData:
    annotations, lines = annotations_of(reading, task)
    holds_out = reading.validate and reading.val is None
    if options is not None and (not holds_out or to_divide(annotations) is None):
        why = "it has a split for validation" if holds_out else "nothing is held out of it"
        why = f"{why}, so `split_ratio` and `group_by` cannot be used"
        raise UsageError(why, file=reading.data)
    if holds_out and to_divide(annotations) is not None:
        if names is None:
            if check is not None:
                check(FileDataset(annotations, "train", task=task, hold_out=False))
            alike = near_duplicates(annotations, progress, log)
            annotations = with_held_out(annotations, options or HoldOut(), alike)
        else:
            annotations, changes = with_parts(annotations, names)
            lines += changes
    training = FileDataset(annotations, "train", task=task, hold_out=holds_out)
    validation = FileDataset(annotations, "val", task=task) if holds_out else None
    return TrainingData(training, validation, tuple(lines), annotations)


def _built_in(reading: DataSpec, task: str) -> TrainingData:
    holds_out = reading.validate and reading.val is None
    training = open_dataset(reading.data, "train", task=task, hold_out=holds_out)
    return TrainingData(
        training, open_dataset(reading.data, "val", task=task) if holds_out else None
    )


def near_duplicates(annotations: Annotations, progress: Progress, log: Log) -> list[list[int]]:
    """Groups of places, in the split that is to be divided, whose images look nearly the same."""
    source = to_divide(annotations)
    assert source is not None
    images = annotations.splits[source]
    log(f"looking for near-duplicates among {count_of(len(images), 'image')}")
    marks = fingerprints_of(images, progress=progress)
    groups = alike(marks, similarity_threshold([image.size or (TINY, TINY) for image in images]))
    if groups:
        log(f"{sum(map(len, groups)):,} images are near-duplicates of another")
    return groups
