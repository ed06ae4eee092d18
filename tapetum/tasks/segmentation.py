"""Semantic segmentation: the class of every pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tapetum.base.ranks import gathered
from tapetum.base.runtime import Runtime
from tapetum.data.dataset import Dataset
from tapetum.data.reading.loading import Augment
from tapetum.data.transforms import SEGMENTATION_AUGMENTATIONS, segmentation_transforms
from tapetum.evaluation import Confusion, SegmentationResult, with_metrics
from tapetum.models.predict import predict
from tapetum.render import draw_semantic
from tapetum.structures import IGNORE_INDEX, Model, Prediction, Target
from tapetum.tasks.task import ExplainTarget, Names, Task, Watch, batches

MAP = "-map"
"""Ends the name of the drawing that holds the class numbers."""


@dataclass(frozen=True)
class SegmentationEvaluation:
    """Maps over a dataset, measured by one confusion matrix; the maps themselves are not kept.

    names: of the images.
    """

    names: tuple[str, ...]
    result: SegmentationResult

    @property
    def quality(self) -> np.ndarray:
        """(N,) the mean IoU of each image alone; -1 where all of it is ignored."""
        return self.result.image_miou

    @property
    def stats(self) -> dict[str, float]:
        return dict(self.result.stats)

    def best_thresholds(self) -> tuple[float | None, ...]:
        return ()

    def results(self) -> list[dict[str, Any]]:
        """A name and the mean IoU for each image."""
        rows = zip(self.names, self.quality.tolist(), strict=True)
        return [{"image": name, "mIoU": value} for name, value in rows]


@dataclass(frozen=True)
class Segmentation(Task):
    """A class for each pixel."""

    name: str = "semantic_segmentation"
    metric: str = "mIoU"
    noun: str = "class maps"
    annotation: str = "class maps"
    overlap: str = "IoU"
    drawings: tuple[str, ...] = ("", MAP)
    targets: tuple[str, ...] = ("pixel",)
    augmentations: tuple[str, ...] = SEGMENTATION_AUGMENTATIONS
    settings: Mapping[str, Any] = field(default_factory=lambda: {"batch_size": 8, "epochs": 60})

    def image_size(self, dataset: Dataset) -> int:
        """The side of the square crops that training sees, in whole multiples of 32; prediction
        sees whole images."""
        return max(32, min(320, min(dataset[0].size) // 32 * 32))

    def arguments(self, dataset: Dataset, image_size: int) -> dict[str, Any]:
        return {"num_classes": len(dataset.classes)}

    def transforms(self, dataset: Dataset, image_size: int, augmentation: str) -> Augment:
        return segmentation_transforms((image_size, image_size), augmentation)

    def most_pixels(self, image_size: int, augmentation: str) -> int | None:
        return None  # windows are cut from the images as they are

    def ground_truth(self, dataset: Dataset, class_ids: Sequence[int | str] = ()) -> None:
        return None  # it comes with each sample

    def measure(
        self,
        model: Model,
        dataset: Dataset,
        runtime: Runtime,
        *,
        class_ids: Sequence[int | str] = (),
        max_dets: int | None = None,
        watch: Watch = Watch(),  # noqa: B008, it is frozen
        workers: int = 0,
        known: None = None,
    ) -> SegmentationEvaluation:
        """Ground truth and prediction are compared in the frame of the original images."""
        whole = Confusion(dataset.classes, ignore=IGNORE_INDEX)
        names: list[str] = []
        for samples in batches(dataset, 4, watch, workers):
            images = [sample.image for sample in samples]
            answers = predict(model, images, batch_size=4, runtime=runtime)
            for sample, answer in zip(samples, answers, strict=True):
                whole.add(_map(sample.target), _map(answer))
                names.append(sample.name)
        whole, *others = (confusion for part in gathered([whole]) for confusion in part)
        for other in others:
            whole.merge(other)
        names = [name for part in gathered(names) for name in part]
        return SegmentationEvaluation(tuple(names), with_metrics(whole.result()))

    def answer(self, prediction: Prediction, names: Names, threshold: float) -> dict[str, Any]:
        """{"pixels": {class: fraction of the image}}, the largest first."""
        fractions = _class_fractions(_map(prediction), len(names.classes))
        order = torch.sort(fractions, descending=True, stable=True).indices.tolist()
        return {
            "pixels": {names.classes[i]: float(fractions[i]) for i in order if fractions[i] > 0}
        }

    def describe(self, answer: Mapping[str, Any]) -> str:
        return ", ".join(
            f"{name} {100 * fraction:.0f} %" for name, fraction in answer["pixels"].items()
        )

    def draw(
        self, image: Tensor, prediction: Prediction, names: Names, threshold: float
    ) -> dict[str, Image.Image]:
        """The image with the classes laid over it, and MAP: the class numbers as a PNG."""
        semantic = _map(prediction)
        numbers = Image.fromarray(semantic.to(torch.uint8).numpy())
        return {"": draw_semantic(image, semantic, names.classes), MAP: numbers}

    def objects(self, prediction: Prediction, names: Names) -> list[ExplainTarget]:
        """The pixels of each class, the class with the most pixels first."""
        semantic = _map(prediction)
        fractions = _class_fractions(semantic, len(names.classes))
        order = torch.sort(fractions, descending=True, stable=True).indices.tolist()
        return [
            ExplainTarget(
                f"{names.classes[label]}, {100 * float(fractions[label]):.0f} % of the image",
                Target(semantic=torch.where(semantic == label, semantic, IGNORE_INDEX)),
            )
            for label in order
            if fractions[label] > 0
        ]


def _map(target: Target) -> Tensor:
    """(H, W)"""
    assert target.semantic is not None
    return target.semantic


def _class_fractions(semantic: Tensor, classes: int) -> Tensor:
    """(C,) the fraction of each class in the pixels."""
    counts = torch.bincount(semantic.flatten().long(), minlength=classes)[:classes]
    return counts.double() / semantic.numel()
