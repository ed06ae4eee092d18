"""Samples in Python as a Dataset; each is validated when it is read.

A sequence is anything with `__len__` and `__getitem__(index) -> Sample`: a list, a
`torch.utils.data.Dataset`, or a class of the user. These attributes are used where it has them:
classes, keypoint_names, skeleton, multilabel, class_ids, name. Indexing must be a pure function of
the index, since each epoch, each evaluation and each resumed training reads the samples again.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from tapetum.base.custom_code import CustomFunction, custom_code_error, custom_function
from tapetum.base.errors import TapetumError, UsageError
from tapetum.base.seeds import derive_seed
from tapetum.data.reading.sample_validation import SampleValidator
from tapetum.data.records.annotation_types import learns_from
from tapetum.data.records.image_record import ImageRecord, bare_record
from tapetum.ops.masks import rle_encode
from tapetum.structures import Objects, Sample, Target
from tapetum.structures.tasks import TASKS

HELD_OUT = 0.1
SAMPLES = "samples"
"""The name of a sequence that has none."""
IN_PYTHON = "samples in Python"
"""What a run calls data that was passed to it, and that only the caller can pass again."""


class Samples(Protocol):
    """What can be a dataset."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Sample: ...


class SampleDataset:
    """A sequence of samples, or some of it, as a `tapetum.data.dataset.Dataset`.

    Args:
        samples: the sequence.
        classes: names, by label; None: those of the sequence.
        task: one of `tapetum.structures.TASKS`; samples carry what it learns from, and no more.
        name: of the dataset, in messages; None: that of the sequence.
        multilabel: may an image have no label, or several? None: that of the sequence; else a
            list or tuple is searched for such images; else False.
        indices: which samples, in this order; None for all.

    Raises:
        UsageError: no samples, no classes, or an unknown task.
    """

    def __init__(
        self,
        samples: Samples,
        classes: Sequence[str] | None = None,
        *,
        task: str = "detection",
        name: str | None = None,
        multilabel: bool | None = None,
        indices: Sequence[int] | None = None,
    ) -> None:
        if task not in TASKS:
            raise UsageError(f"unknown task {task!r}", hint="one of " + ", ".join(TASKS))
        self.samples, self.task = samples, task
        self.indices = tuple(range(len(samples)) if indices is None else indices)
        self.name = name or str(getattr(samples, "name", SAMPLES))
        if not self.indices:
            raise UsageError("there are no samples", file=self.name)
        self.classes = _classes(samples, classes, self.name)
        self.class_ids = tuple(getattr(samples, "class_ids", ()))
        if multilabel is None:
            multilabel = getattr(samples, "multilabel", None)
        with_keypoints = learns_from(task) == "keypoints"
        self.keypoint_names = self._keypoint_names() if with_keypoints else ()
        self.skeleton = tuple(getattr(samples, "skeleton", ())) if with_keypoints else ()
        several = _has_several(samples) if multilabel is None else bool(multilabel)
        self.multilabel = learns_from(task) != "labels" or several
        self._validator = SampleValidator(
            task, len(self.classes), len(self.keypoint_names), self.multilabel
        )

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        """The sample with what is needed of it.

        Raises:
            AnnotationError: it cannot be; the line names its index in the sequence, and the fault.
        """
        place = self.indices[index]
        sample = self._validator.check(self.samples[place], self.name, place)
        target = _narrowed(sample.target, self.task)
        return replace(sample, target=target, name=sample.name or f"{place:06d}")

    def record(self, index: int) -> ImageRecord:
        """The annotations as a record: that of the sequence, where it has a method `record`, else
        that of the sample, in float64.

        Raises:
            AnnotationError: as for indexing.
        """
        code = getattr(self.samples, "record", None)
        if code is not None:
            return code(self.indices[index])
        return as_record(self[index], self.indices[index])

    def _keypoint_names(self) -> tuple[str, ...]:
        """Those that the sequence says, else a number for each of the first object with some."""
        stated = tuple(map(str, getattr(self.samples, "keypoint_names", ())))
        if stated:
            return stated
        targets = (getattr(self.samples[index], "target", Target()) for index in self.indices)
        points = (t.objects.keypoints for t in targets if t.objects is not None)
        first = next((p for p in points if p is not None), None)
        return () if first is None else tuple(f"point {n}" for n in range(first.shape[1]))


def open_samples(
    samples: Samples,
    split: str,
    classes: Sequence[str] | None = None,
    *,
    task: str = "detection",
    hold_out: bool = True,
    name: str | None = None,
) -> SampleDataset:
    """A split of a sequence of samples that has no splits.

    Args:
        samples: the sequence.
        split: "all", "train" or "val".
        classes: names by label from 0; None: those of the sequence.
        task: one of `tapetum.structures.TASKS`.
        hold_out: keep a tenth of "train", a fixed choice of the indices, for "val".
        name: of the dataset, for messages; None: that of the sequence.

    Returns:
        The dataset.

    Raises:
        UsageError: another split, or too few samples to hold any out.
    """
    count = len(samples)
    if split == "all" or (split == "train" and not hold_out):
        return SampleDataset(samples, classes, task=task, name=name)
    name = name or str(getattr(samples, "name", SAMPLES))
    if split not in ("train", "val"):
        raise UsageError(f"it has no split {split!r}", file=name, hint="it has train, val, all")
    if count < 2:
        hint = "give separate validation data"
        raise UsageError(f"{count} samples are too few to hold any out", file=name, hint=hint)
    order = sorted(range(count), key=lambda index: derive_seed(0, "held out", index))
    held = set(order[: max(1, round(HELD_OUT * count))])
    indices = [index for index in range(count) if (index in held) == (split == "val")]
    return SampleDataset(samples, classes, task=task, name=f"{name}/{split}", indices=indices)


def is_custom_data(data: Any) -> bool:
    """Does this mean a function in a Python file: "FILE.py:FUNCTION"?"""
    return isinstance(data, str) and custom_function(data) is not None


def open_custom(
    data: str, split: str, *, task: str = "detection", hold_out: bool = True
) -> SampleDataset:
    """The dataset that a function in a Python file returns: a sequence with `classes`.

    A function with an argument `split` is called with "train", "val", "test" or "all", and returns
    None for one that it does not have; else it returns all there is, and a tenth is held out.

    Args:
        data: "FILE.py:FUNCTION".
        split: "train", "val", "test" or "all".
        task: one of `tapetum.structures.TASKS`.
        hold_out: keep a tenth of "train" for "val" where the function has no splits.

    Returns:
        The dataset.

    Raises:
        UsageError: no such file, function or split; the function fails; it returns no sequence.
    """
    code, has_splits, samples = _call(data, split)
    name = f"{code.file.stem}:{code.function}"
    if samples is None:
        raise UsageError(f"it has no split {split!r}", file=name, hint="it returned None for it")
    if has_splits:
        return SampleDataset(samples, task=task, name=f"{name}/{split}")
    return open_samples(samples, split, task=task, hold_out=hold_out, name=name)


def open_custom_to_evaluate(data: str, *, task: str = "detection") -> SampleDataset:
    """The split "test" of a function's data where it has one, else "val"; see `open_custom`."""
    _, has_splits, samples = _call(data, "test")
    return open_custom(data, "test" if has_splits and samples is not None else "val", task=task)


def _call(data: str, split: str) -> tuple[CustomFunction, bool, Samples | None]:
    """The function, whether it knows splits, and what it returns for this one."""
    code = custom_function(data)
    assert code is not None
    function = code.load()
    has_splits = "split" in inspect.signature(function).parameters
    samples = _called(function, code, {"split": split} if has_splits else {})
    sequence = hasattr(samples, "__len__") and hasattr(samples, "__getitem__")
    if not (sequence or (has_splits and samples is None)):
        why = f"returned {type(samples).__name__}, not a sequence of tapetum.Sample"
        raise UsageError(why, file=code.file, where=code.function)
    return code, has_splits, samples


def as_record(sample: Sample, id: int) -> ImageRecord:
    """A sample as evaluation takes it; masks run-length coded, ids counted from 1."""
    height, width = sample.size
    labels, objects = sample.target.labels, sample.target.objects
    stated_labels = None if labels is None else tuple(labels.tolist())
    bare = bare_record(sample.name, None, id, (height, width), image_labels=stated_labels)
    if objects is None:
        return bare
    corners = objects.boxes.double().numpy()
    sides = corners[:, 2:] - corners[:, :2]
    none = np.zeros(len(objects), dtype=bool)
    masks = () if objects.masks is None else tuple(rle_encode(m) for m in objects.masks.numpy())
    points = objects.keypoints
    return replace(
        bare,
        xywh=np.concatenate([corners[:, :2], sides], 1),
        labels=objects.labels.numpy(),
        crowd=none if objects.crowd is None else objects.crowd.numpy(),
        difficult=none if objects.difficult is None else objects.difficult.numpy(),
        area=_areas(objects, sides),
        ids=objects.ids or tuple(range(1, len(objects) + 1)),
        segments=masks,
        keypoints=None if points is None else points.double().numpy(),
    )


def _areas(objects: Objects, sides: np.ndarray) -> np.ndarray:
    """(N,) float64: as stated, else the pixels of the masks, else width x height."""
    if objects.area is not None:
        return objects.area.double().numpy()
    if objects.masks is not None:
        return objects.masks.sum(dim=(1, 2)).double().numpy()
    return sides.prod(axis=1)


def _narrowed(target: Target, task: str) -> Target:
    """The annotations that the task takes."""
    annotation = learns_from(task)
    if annotation == "labels":
        return Target(labels=target.labels)
    if annotation == "semantic":
        return Target(semantic=target.semantic)
    objects = target.objects
    assert objects is not None  # validated before
    return Target(
        objects=objects.with_(
            scores=None,
            masks=objects.masks if annotation == "masks" else None,
            keypoints=objects.keypoints if annotation == "keypoints" else None,
        )
    )


def _classes(samples: Samples, given: Sequence[str] | None, name: str) -> tuple[str, ...]:
    classes = given if given is not None else getattr(samples, "classes", None)
    hint = 'give classes=["cat", "dog"], or a "classes" attribute of the samples'
    if not classes or isinstance(classes, str):
        raise UsageError("class names are missing", file=name, hint=hint)
    names = tuple(map(str, classes))
    if len(set(names)) != len(names):
        raise UsageError("two classes have the same name", file=name, hint=", ".join(names))
    return names


def _has_several(samples: Samples) -> bool:
    """Does any image of a list at hand have no label, or several?"""
    if not isinstance(samples, list | tuple):
        return False
    rows = (getattr(getattr(sample, "target", None), "labels", None) for sample in samples)
    return any(labels is not None and len(labels) != 1 for labels in rows)


def _called(function: Callable[..., Any], code: CustomFunction, arguments: dict[str, Any]) -> Any:
    try:
        return function(**arguments)
    except TapetumError:
        raise
    except Exception as error:
        raise custom_code_error(error, code) from error
