"""Localization: which class, and where; one thing a picture, or a fixed number of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from PIL import Image
from torch import Tensor, nn

from tapetum.base.runtime import Runtime
from tapetum.data.dataset import Dataset
from tapetum.data.loading import Augment
from tapetum.data.transforms import RECIPES, standard_pixels, standard_transforms
from tapetum.evaluation import LocalizationResult, evaluate_locations
from tapetum.models.predict import predict
from tapetum.render import draw_things
from tapetum.structures import Model, Objects, Prediction
from tapetum.tasks.detection import Detection
from tapetum.tasks.task import Names, Thing, Watch, batches

_THINGS = Detection("detection", need="boxes", kind="bbox")
"""Its answers read and explain like those of detection."""


@dataclass(frozen=True)
class LocalizationMeasured:
    """Objects found over a dataset, judged. names: of the pictures; found: the model's objects."""

    names: tuple[str, ...]
    found: tuple[Objects, ...]
    classes: tuple[str, ...]
    result: LocalizationResult

    @property
    def stats(self) -> dict[str, float]:
        return dict(self.result.stats)

    def results(self) -> list[dict[str, Any]]:
        """A name and the objects for each picture."""
        return [
            {"picture": name, **_THINGS.answer(Prediction(objects=objects), self, 0.0)}
            for name, objects in zip(self.names, self.found, strict=True)
        ]

    @property
    def skeleton(self) -> tuple[tuple[int, int], ...]:
        return ()

    @property
    def keypoint_names(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True)
class Localization:
    """The main thing of a picture with its box, or a few things."""

    name: str = "localization"
    need: str = "box"
    metric: str = "both_right"
    recipes: tuple[str, ...] = RECIPES
    settings: Mapping[str, Any] = field(default_factory=lambda: {"batch_size": 16, "epochs": 20})

    def image_size(self, dataset: Dataset) -> int:
        return 128

    def arguments(self, dataset: Dataset, image_size: int) -> dict[str, Any]:
        return {"classes": len(dataset.classes), "image_size": image_size}

    def transforms(self, dataset: Dataset, image_size: int, recipe: str) -> Augment:
        return standard_transforms(image_size, recipe)

    def most_pixels(self, image_size: int, recipe: str) -> int | None:
        return standard_pixels(image_size, recipe)

    def truth(self, dataset: Dataset, class_ids: Sequence[int | str] = ()) -> None:
        return None  # it comes with each sample

    def measure(
        self,
        model: nn.Module,
        dataset: Dataset,
        runtime: Runtime,
        *,
        class_ids: Sequence[int | str] = (),
        max_dets: int | None = None,
        watch: Watch = Watch(),  # noqa: B008, it is frozen
        workers: int = 0,
        known: None = None,
    ) -> LocalizationMeasured:
        names: list[str] = []
        found: list[Objects] = []
        truth: list[Objects] = []
        for samples in batches(dataset, 16, watch, workers):
            images = [sample.image for sample in samples]
            answers = predict(cast(Model, model), images, batch_size=16, runtime=runtime)
            names += [sample.name for sample in samples]
            found += [_objects(answer) for answer in answers]
            truth += [_objects(sample.target) for sample in samples]
        result = evaluate_locations(
            found, truth, dataset.classes, objects=int(getattr(model, "objects", 1))
        )
        return LocalizationMeasured(tuple(names), tuple(found), dataset.classes, result)

    def answer(self, prediction: Prediction, names: Names, threshold: float) -> dict[str, Any]:
        """{"objects": [{"class", "label", "score", "box"}]} as in detection; none is left out,
        since the number of answers is fixed."""
        return _THINGS.answer(prediction, names, 0.0)

    def words(self, answer: Mapping[str, Any]) -> str:
        return _THINGS.words(answer)

    def draw(
        self, picture: Tensor, prediction: Prediction, names: Names, threshold: float
    ) -> dict[str, Image.Image]:
        return {"": draw_things(picture, _objects(prediction), names.classes)}

    def things(self, prediction: Prediction, names: Names) -> list[Thing]:
        return _THINGS.things(prediction, names)


def _objects(target: Any) -> Objects:
    assert target.objects is not None
    return target.objects
