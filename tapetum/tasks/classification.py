"""Classification: what a whole image shows; one class, or several at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tapetum.base.runtime import Runtime
from tapetum.data.dataset import Dataset
from tapetum.data.reading.loading import Augment
from tapetum.data.transforms import (
    CLASSIFICATION_AUGMENTATIONS,
    classification_pixels,
    classification_transforms,
)
from tapetum.evaluation import (
    ClassificationResult,
    MultilabelResult,
    evaluate_classes,
    evaluate_multilabel,
    with_metrics,
)
from tapetum.models.predict import predict
from tapetum.render import draw_class_scores
from tapetum.structures import Model, Prediction, Target
from tapetum.tasks.task import ExplainTarget, Names, Task, Watch, batches, of_all_ranks

SMALL = 64
"""Pixels: images up to this size are seen as they are."""
PHOTOGRAPH = 160
"""Pixels that a model sees of larger ones; enough for most, and half the work of 224."""
TOP = 5


@dataclass(frozen=True)
class ClassificationEvaluation:
    """Class scores over a dataset, judged.

    names: of the images. scores: (N, C) float64. targets: (N,) int64 labels, or (N, C) bool where
    an image may have several.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    scores: np.ndarray
    targets: np.ndarray
    result: ClassificationResult | MultilabelResult

    @property
    def metric(self) -> str:
        """The number that judges the model as a whole."""
        return "mAP" if self.targets.ndim == 2 else "top1"

    @property
    def stats(self) -> dict[str, float]:
        return dict(self.result.stats)

    def best_thresholds(self) -> tuple[float | None, ...]:
        return ()

    def results(self) -> list[dict[str, Any]]:
        """A name and the score of every class for each image."""
        rows = zip(self.names, self.scores.tolist(), strict=True)
        return [
            {"image": name, "scores": dict(zip(self.classes, row, strict=True))}
            for name, row in rows
        ]


@dataclass(frozen=True)
class Classification(Task):
    """One label an image, or several."""

    name: str = "classification"
    metric: str = "top1"
    multilabel_metric: str = "mAP"
    noun: str = "labels"
    annotation: str = "labels"
    answers_every_class: bool = True
    augmentations: tuple[str, ...] = CLASSIFICATION_AUGMENTATIONS
    settings: Mapping[str, Any] = field(default_factory=lambda: {"batch_size": 64, "epochs": 20})

    def image_size(self, dataset: Dataset) -> int:
        short = min(dataset[0].size)
        return short if short <= SMALL else PHOTOGRAPH

    def arguments(self, dataset: Dataset, image_size: int) -> dict[str, Any]:
        return {
            "num_classes": len(dataset.classes),
            "image_size": image_size,
            "multilabel": dataset.multilabel,
            "stem": "small" if image_size <= SMALL else "imagenet",
        }

    def transforms(self, dataset: Dataset, image_size: int, augmentation: str) -> Augment:
        return classification_transforms(image_size, _suited(augmentation, image_size))

    def most_pixels(self, image_size: int, augmentation: str) -> int | None:
        return classification_pixels(image_size, _suited(augmentation, image_size))

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
    ) -> ClassificationEvaluation:
        names: list[str] = []
        scores: list[Tensor] = []
        labels: list[Tensor] = []
        for samples in batches(dataset, 64, watch, workers):
            images = [sample.image for sample in samples]
            answers = predict(model, images, batch_size=64, runtime=runtime)
            names += [sample.name for sample in samples]
            scores += [_scores(answer) for answer in answers]
            labels += [_labels(sample.target) for sample in samples]
        names, scores = of_all_ranks(names, 64), of_all_ranks(scores, 64)
        labels = of_all_ranks(labels, 64)
        table = torch.stack(scores).double().numpy()  # (N, C)
        if dataset.multilabel:
            targets = _table(labels, len(dataset.classes))
            result = with_metrics(evaluate_multilabel(table, targets, dataset.classes))
            return ClassificationEvaluation(tuple(names), dataset.classes, table, targets, result)
        single = torch.cat(labels).numpy()  # (N,)
        judged = with_metrics(evaluate_classes(table, single, dataset.classes))
        return ClassificationEvaluation(tuple(names), dataset.classes, table, single, judged)

    def answer(self, prediction: Prediction, names: Names, threshold: float) -> dict[str, Any]:
        """{"labels": [names], "scores": {class: probability}}; the likeliest classes first."""
        assert prediction.labels is not None
        scores = _scores(prediction)
        order = torch.sort(scores, descending=True, stable=True).indices.tolist()
        return {
            "labels": [names.classes[label] for label in prediction.labels.tolist()],
            "scores": {names.classes[label]: float(scores[label]) for label in order},
        }

    def describe(self, answer: Mapping[str, Any]) -> str:
        first = list(answer["scores"].items())[: max(1, len(answer["labels"]))]
        return ", ".join(f"{name} {score:.2f}" for name, score in first)

    def draw(
        self, image: Tensor, prediction: Prediction, names: Names, threshold: float
    ) -> dict[str, Image.Image]:
        return {"": draw_class_scores(image, _scores(prediction), names.classes)}

    def objects(self, prediction: Prediction, names: Names) -> list[ExplainTarget]:
        scores = _scores(prediction)
        order = torch.sort(scores, descending=True, stable=True).indices.tolist()
        return [
            ExplainTarget(
                f"{names.classes[label]} {float(scores[label]):.2f}",
                Target(labels=torch.tensor([label])),
            )
            for label in order
        ]


def _suited(augmentation: str, image_size: int) -> str:
    """The recipe that "default" means for images of that size."""
    return "small" if augmentation == "default" and image_size <= SMALL else augmentation


def _scores(prediction: Prediction) -> Tensor:
    """(C,)"""
    assert prediction.class_scores is not None
    return prediction.class_scores


def _labels(target: Target) -> Tensor:
    """(L,)"""
    assert target.labels is not None
    return target.labels


def _table(labels: Sequence[Tensor], classes: int) -> np.ndarray:
    """(N, C) bool: which classes each image has."""
    table = torch.zeros(len(labels), classes, dtype=torch.bool)
    for row, image_labels in enumerate(labels):
        table[row, image_labels] = True
    return table.numpy()
