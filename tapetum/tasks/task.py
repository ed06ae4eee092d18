"""Task: all that depends on the kind of prediction, behind one interface.

Training, evaluation, prediction and explanation call it and test for no task by name. A task
defines which labels the images need, which metrics measure a model, and how a prediction is written
as JSON, as a line and as an image. It never changes a weight.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from PIL import Image
from torch import Tensor

from tapetum.base.progress import Progress, no_progress
from tapetum.base.ranks import gathered, ranks
from tapetum.base.runtime import Runtime
from tapetum.data.dataset import Dataset
from tapetum.data.reading.loading import Augment, samples_in_order, whole_sample
from tapetum.data.reading.views import Subset
from tapetum.structures import Model, Prediction, Sample, Target

Value = TypeVar("Value")


class Names(Protocol):
    """Names of classes and keypoints; a dataset has them, and a `ModelInfo`."""

    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def skeleton(self) -> tuple[tuple[int, int], ...]: ...
    @property
    def keypoint_names(self) -> tuple[str, ...]: ...


class Evaluation(Protocol):
    """The metrics of a model on a dataset. stats: by name, in their order; -1 is undefined."""

    @property
    def stats(self) -> dict[str, float]: ...

    def results(self) -> list[dict[str, Any]]:
        """The predictions as JSON values; for COCO's tasks, COCO's results."""
        ...

    def best_thresholds(self) -> tuple[float | None, ...]:
        """For each class the score from which its F1 is best, None where nothing was found; () of
        tasks without thresholds."""
        ...


@dataclass(frozen=True, eq=False)
class ExplainTarget:
    """One object or class of a prediction, to be explained.

    description: as in "dog 0.93". target: it alone, as `target_logits` takes it.
    """

    description: str
    target: Target


@dataclass(frozen=True)
class Watch:
    """How a long measurement is watched: `check` is called before each batch and may raise,
    `progress` wraps the indices."""

    check: Callable[[], None] = lambda: None
    progress: Progress = no_progress


@dataclass(frozen=True)
class Task(ABC):
    """A kind of prediction: fields in which tasks differ, and their methods.

    Attributes:
        name: one of `tapetum.structures.TASKS`.
        metric: the number that chooses the best checkpoint; higher is better.
        multilabel_metric: the same where an image may have several labels.
        noun: what a prediction consists of, in a sentence: "boxes", "masks".
        annotation: what annotators draw for it: "boxes", "outlines".
        overlap: the measure by which predicted and true objects are matched: "IoU", "OKS".
        iou_type: what is compared, as in pycocotools: "bbox", "segm", "keypoints"; "" without.
        has_objects: predictions are objects with boxes, which can be filtered, cropped, exported.
        has_thresholds: only objects that reach the score of their class count. Their number is
            free, so that a limit is useful.
        max_detections: objects of an image that COCO counts; 0 where their number is fixed.
        small_batches: batches are too small for statistics, so norms keep those of the weights.
        drawings: what `draw` returns: the endings of the names of files; "" is the main one.
        targets: what of a prediction can be explained, beside a class and a number: any of "pixel",
            "box", "mask", "keypoint".
        answers_every_class: each class has a score for each image.
        augmentations: names that `transforms` takes.
        settings: settings of training in which it differs from the common defaults.
    """

    name: str
    metric: str
    multilabel_metric: str = ""
    noun: str = ""
    annotation: str = ""
    overlap: str = ""
    iou_type: str = ""
    has_objects: bool = False
    has_thresholds: bool = False
    max_detections: int = 0
    small_batches: bool = False
    drawings: tuple[str, ...] = ("",)
    targets: tuple[str, ...] = ()
    answers_every_class: bool = False
    augmentations: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    @abstractmethod
    def image_size(self, dataset: Dataset) -> int:
        """Pixels that a model sees of the short side by default."""

    @abstractmethod
    def arguments(self, dataset: Dataset, image_size: int) -> dict[str, Any]:
        """What follows from the data for a model's arguments, where it has them."""

    @abstractmethod
    def transforms(self, dataset: Dataset, image_size: int, augmentation: str) -> Augment:
        """How training images are varied.

        Raises:
            UsageError: an unknown augmentation.
        """

    @abstractmethod
    def most_pixels(self, image_size: int, augmentation: str) -> int | None:
        """Pixels of the short side of an image beyond which those transforms see no more of it;
        None where every pixel counts."""

    @abstractmethod
    def ground_truth(self, dataset: Dataset, class_ids: Sequence[int | str] = ()) -> Any:
        """What `measure` needs of a dataset beside its samples, read once for any number of
        measurements; None where it needs no more."""

    @abstractmethod
    def measure(
        self,
        model: Model,
        dataset: Dataset,
        runtime: Runtime,
        *,
        class_ids: Sequence[int | str] = (),
        max_dets: int | None = None,
        watch: Watch = Watch(),
        workers: int = 0,
        known: Any = None,
    ) -> Evaluation:
        """Predict on all images and compute the metrics.

        Args:
            model: in evaluation mode or not; its mode is restored.
            dataset: images with labels.
            runtime: device and precision.
            class_ids: the id of each label in COCO results.
            max_dets: the largest number of detections an image; None: COCO's.
            watch: is called before each batch.
            workers: processes that decode the images.
            known: the result of `ground_truth` for the same dataset and class_ids, if any.

        Returns:
            The metrics.
        """

    @abstractmethod
    def answer(self, prediction: Prediction, names: Names, threshold: float) -> dict[str, Any]:
        """The prediction as JSON values; objects below `threshold` are left out."""

    @abstractmethod
    def describe(self, answer: Mapping[str, Any]) -> str:
        """The result of `answer` in one line."""

    @abstractmethod
    def draw(
        self, image: Tensor, prediction: Prediction, names: Names, threshold: float
    ) -> dict[str, Image.Image]:
        """Images of the prediction, by the ending of a file's name; "" is the main one."""

    @abstractmethod
    def objects(self, prediction: Prediction, names: Names) -> list[ExplainTarget]:
        """What can be explained of a prediction, by score."""


def batches(
    dataset: Dataset,
    size: int,
    watch: Watch,
    workers: int = 0,
    part: Callable[[Sample], Any] = whole_sample,
) -> Iterator[list[Any]]:
    """The samples of a dataset, or a part of each, in groups of `size`, watched.

    workers: processes that decode. part: worker processes hand over nothing else of a sample.
    Of several ranks each gets different groups, see `of_all_ranks`.
    """
    if ranks().world_size > 1:
        dataset = Subset(dataset, _own_indices(len(dataset), size))
    count = len(dataset)
    with closing(samples_in_order(dataset, size, workers, part)) as samples:
        batch: list[Any] = []
        for _, sample in zip(watch.progress(range(count), count), samples, strict=True):
            batch.append(sample)
            if len(batch) == size:
                watch.check()
                yield batch
                batch = []
        if batch:
            watch.check()
            yield batch


def _own_indices(count: int, size: int) -> list[int]:
    """The images of this rank: groups of `size`, dealt out to the ranks in turn."""
    process = ranks()
    starts = range(process.rank * size, count, process.world_size * size)
    return [index for start in starts for index in range(start, min(start + size, count))]


def of_all_ranks(values: list[Value], size: int) -> list[Value]:
    """One value an image of `batches` of `size`, of all ranks, in the order of the dataset."""
    parts = gathered(values)
    if len(parts) == 1:
        return values
    longest = max(map(len, parts))
    groups = (part[start : start + size] for start in range(0, longest, size) for part in parts)
    return [value for group in groups for value in group]


def image_of(sample: Sample) -> Tensor:
    """The pixels alone, (3, H, W)."""
    return sample.image
