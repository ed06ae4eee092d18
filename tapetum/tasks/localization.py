"""Localization: which class, and where; one object an image, or a fixed number of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from torch import Tensor

from tapetum.base.runtime import Runtime
from tapetum.data.dataset import Dataset
from tapetum.data.reading.loading import Augment
from tapetum.data.transforms import (
    LOCALIZATION_AUGMENTATIONS,
    detection_pixels,
    detection_transforms,
)
from tapetum.evaluation import LocalizationResult, evaluate_locations, with_metrics
from tapetum.models.predict import predict
from tapetum.render import draw_objects
from tapetum.structures import Model, Objects, Prediction
from tapetum.tasks.detection import DETECTION
from tapetum.tasks.task import ExplainTarget, Names, Task, Watch, batches, of_all_ranks

_OBJECTS = DETECTION
"""Its answers read and explain like those of detection."""


@dataclass(frozen=True)
class LocalizationEvaluation:
    """Objects found over a dataset, judged. names: of the images; found: the model's objects."""

    names: tuple[str, ...]
    found: tuple[Objects, ...]
    classes: tuple[str, ...]
    result: LocalizationResult

    @property
    def stats(self) -> dict[str, float]:
        return dict(self.result.stats)

    def best_thresholds(self) -> tuple[float | None, ...]:
        return ()

    def results(self) -> list[dict[str, Any]]:
        """A name and the objects for each image."""
        return [
            {"image": name, **_OBJECTS.answer(Prediction(objects=objects), self, 0.0)}
            for name, objects in zip(self.names, self.found, strict=True)
        ]

    @property
    def skeleton(self) -> tuple[tuple[int, int], ...]:
        return ()

    @property
    def keypoint_names(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True)
class Localization(Task):
    """The main object of an image with its box, or a few objects."""

    name: str = "localization"
    metric: str = "both_right"
    noun: str = "boxes"
    annotation: str = "boxes"
    overlap: str = "IoU"
    has_objects: bool = True
    targets: tuple[str, ...] = ("pixel", "box")
    augmentations: tuple[str, ...] = LOCALIZATION_AUGMENTATIONS
    settings: Mapping[str, Any] = field(default_factory=lambda: {"batch_size": 16, "epochs": 20})

    def image_size(self, dataset: Dataset) -> int:
        return 128

    def arguments(self, dataset: Dataset, image_size: int) -> dict[str, Any]:
        return {
            "num_classes": len(dataset.classes),
            "image_size": image_size,
        }

    def transforms(self, dataset: Dataset, image_size: int, augmentation: str) -> Augment:
        return detection_transforms(image_size, augmentation)

    def most_pixels(self, image_size: int, augmentation: str) -> int | None:
        return detection_pixels(image_size, augmentation)

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
    ) -> LocalizationEvaluation:
        names: list[str] = []
        found: list[Objects] = []
        ground_truth: list[Objects] = []
        for samples in batches(dataset, 16, watch, workers):
            images = [sample.image for sample in samples]
            answers = predict(model, images, batch_size=16, runtime=runtime)
            names += [sample.name for sample in samples]
            found += [_objects(answer) for answer in answers]
            ground_truth += [_objects(sample.target) for sample in samples]
        names, found = of_all_ranks(names, 16), of_all_ranks(found, 16)
        ground_truth = of_all_ranks(ground_truth, 16)
        result = evaluate_locations(
            found, ground_truth, dataset.classes, objects=model.max_objects or 1
        )
        return LocalizationEvaluation(
            tuple(names), tuple(found), dataset.classes, with_metrics(result)
        )

    def answer(self, prediction: Prediction, names: Names, threshold: float) -> dict[str, Any]:
        """{"objects": [{"class", "label", "score", "box"}]} as in detection; none is left out,
        since the number of answers is fixed."""
        return _OBJECTS.answer(prediction, names, 0.0)

    def describe(self, answer: Mapping[str, Any]) -> str:
        return _OBJECTS.describe(answer)

    def draw(
        self, image: Tensor, prediction: Prediction, names: Names, threshold: float
    ) -> dict[str, Image.Image]:
        return {"": draw_objects(image, _objects(prediction), names.classes)}

    def objects(self, prediction: Prediction, names: Names) -> list[ExplainTarget]:
        return _OBJECTS.objects(prediction, names)


def _objects(target: Any) -> Objects:
    assert target.objects is not None
    return target.objects
