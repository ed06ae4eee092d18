"""The predictions of a model for image files, as JSON values, and drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from tapetum.base.progress import Progress
from tapetum.inference.filtering import Choice, nms_options
from tapetum.inference.folder import predict_in_batches
from tapetum.inference.image_files import save_drawings
from tapetum.inference.predictor import Predictor
from tapetum.inference.results import above_thresholds
from tapetum.inference.thresholds import Thresholds
from tapetum.structures import PostprocessOptions, Prediction

SCHEMA = "tapetum.predictions/1"
Draw = Callable[[int, Tensor, Prediction], None]


@dataclass(frozen=True)
class Answering:
    """A model, image files, and which of its detections count."""

    predictor: Predictor
    files: Sequence[Path]
    thresholds: Thresholds
    choice: Choice
    options: PostprocessOptions

    @staticmethod
    def of(
        predictor: Predictor,
        files: Sequence[Path],
        threshold: float | None,
        classes: Sequence[str],
        max_detections: int | None,
        nms_iou: float | None,
    ) -> Answering:
        """See `tapetum.api.predict_files`.

        Raises:
            UsageError: an option that this model does not support.
        """
        thresholds = Thresholds.of(predictor, threshold)
        choice = Choice.of(predictor, classes, max_detections)
        options = nms_options(predictor, nms_iou)
        return Answering(predictor, files, thresholds, choice, options)

    def answers(
        self, progress: Progress, draw: Draw | None = None, workers: int | None = None
    ) -> dict[str, Any]:
        """Predict on all files, by the schema tapetum.predictions/1.

        Args:
            progress: shows how far it is.
            draw: is called with the index of each file, its pixels and its prediction.
            workers: processes that decode images; None: chosen by the number of images and cores.

        Returns:
            JSON values, as in `tapetum.api.predict_files`.
        """
        images: list[dict[str, Any]] = []
        failed: list[dict[str, str]] = []
        count = len(self.files)
        entries = predict_in_batches(
            self.predictor, self.files, workers=workers, options=self.options
        )
        with closing(entries):
            for index, entry in zip(progress(range(count), count), entries, strict=True):
                if entry.image is None or entry.prediction is None:
                    failed.append({"file": str(entry.file), "error": str(entry.error)})
                    continue
                counted = above_thresholds(entry.prediction, self.thresholds.values)
                prediction = self.choice.filter(counted)
                images.append(self._answer(entry.file, entry.image, prediction))
                if draw is not None:
                    draw(index, entry.image, prediction)
        return self._head() | {"images": images, "failed": failed}

    def _answer(self, file: Path, image: Tensor, prediction: Prediction) -> dict[str, Any]:
        head = {"file": str(file), "size": list(image.shape[-2:])}
        return head | self.predictor.task.answer(prediction, self.predictor.model_info, 0.0)

    def _head(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "task": self.predictor.task.name,
            "model": self.predictor.model_info.model,
            "classes": list(self.predictor.classes),
            "threshold": self.thresholds.given,
        }


@dataclass(frozen=True)
class Drawings:
    """Writes images with the answers drawn in, and appends their files to `written`."""

    predictor: Predictor
    names: Sequence[str]
    out: Path
    written: list[Path]

    def __call__(self, index: int, pixels: Tensor, prediction: Prediction) -> None:
        drawn = self.predictor.task.draw(pixels, prediction, self.predictor.model_info, 0.0)
        name = self.names[index]
        self.written.extend(save_drawings(drawn, self.out, name))
