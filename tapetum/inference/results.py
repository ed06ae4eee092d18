"""A prediction for one image with its class names: listed, shown, converted."""

from __future__ import annotations

import html
import io
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from PIL import Image
from torch import Tensor

from tapetum.base.errors import UsageError
from tapetum.data.formats.coco import category_ids
from tapetum.runs.model_info import ModelInfo
from tapetum.structures import Prediction
from tapetum.tasks import Task

DEFAULT_THRESHOLD = 0.5
"""The score from which objects count where their class has no threshold."""


def above_thresholds(prediction: Prediction, thresholds: Sequence[float]) -> Prediction:
    """Leave out the objects whose score is below the threshold of their class.

    Args:
        prediction: of one image; without scored objects it stays as it is.
        thresholds: one in [0, 1] for each class.

    Returns:
        The prediction with the objects that count.
    """
    objects = prediction.objects
    if objects is None or objects.scores is None:
        return prediction
    needed = objects.scores.new_tensor(thresholds)[objects.labels]
    return replace(prediction, objects=objects[objects.scores >= needed])


@dataclass(frozen=True, eq=False, repr=False)
class Result(Prediction):
    """A prediction that knows its image and the names of its classes.

    Iterating and printing go over the predictions that count: objects, classes, or fractions of
    the pixels. All others are in `objects`, `class_scores` and `semantic`, as in any prediction.

    Attributes:
        image: (3, H, W) uint8, or float in [0, 1].
        model_info: the model's name, classes and keypoints.
        task: the task of the model.
        thresholds: for each class the score from which an object counts; without any,
            DEFAULT_THRESHOLD. A method's `threshold` replaces them for all classes.
    """

    image: Tensor | None = None
    model_info: ModelInfo | None = None
    task: Task | None = None
    thresholds: tuple[float, ...] = ()

    @classmethod
    def of(
        cls,
        prediction: Prediction,
        image: Tensor,
        model_info: ModelInfo,
        task: Task,
        thresholds: tuple[float, ...] = (),
    ) -> Result:
        """The same prediction, with what is needed to show it."""
        values = {f.name: getattr(prediction, f.name) for f in fields(Prediction)}
        return cls(**values, image=image, model_info=model_info, task=task, thresholds=thresholds)

    def confident(self, threshold: float | None = None) -> Prediction:
        """Leave out the objects of a detector with low scores; other tasks keep all.

        Args:
            threshold: in [0, 1], for all classes; None: the run's threshold of each class.

        Returns:
            The prediction with the objects that count.
        """
        assert self.task is not None
        assert self.model_info is not None
        if not self.task.has_thresholds:
            return self
        count = len(self.model_info.classes)
        for_all = None if threshold is None else (threshold,) * count
        return above_thresholds(self, for_all or self.thresholds or (DEFAULT_THRESHOLD,) * count)

    def answer(self, threshold: float | None = None) -> dict[str, Any]:
        """JSON values, as in `api.predict_files`."""
        assert self.task is not None
        assert self.model_info is not None
        return self.task.answer(self.confident(threshold), self.model_info, 0.0)

    def rows(self, threshold: float | None = None) -> list[dict[str, Any]]:
        """List the predictions that count.

        Args:
            threshold: in [0, 1], for all classes; None: the run's threshold of each class.

        Returns:
            {"class", "score", ...} for each: an object with its box and masks or keypoints, a
            class with its probability, or a class with its fraction of the pixels.
        """
        answer = self.answer(threshold)
        if "objects" in answer:
            return answer["objects"]
        scores = answer.get("scores") or answer["pixels"]
        return [{"class": name, "score": score} for name, score in scores.items()]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows())

    def __len__(self) -> int:
        return len(self.rows())

    def __bool__(self) -> bool:
        return True  # a prediction without objects is one, too

    def __str__(self) -> str:
        rows = self.rows()
        if not rows:
            return "nothing found"
        width = max(len(row["class"]) for row in rows)
        return "\n".join(f"{row['class']:{width}}  {row['score']:.3f}{_place(row)}" for row in rows)

    def __repr__(self) -> str:
        assert self.task is not None
        return f"<{self.task.name}: {self.task.describe(self.answer())}>"

    def draw(self, threshold: float | None = None) -> Image.Image:
        """Draw the predictions that count into the image."""
        assert self.task is not None
        assert self.image is not None
        assert self.model_info is not None
        return self.task.draw(self.image.cpu(), self.confident(threshold), self.model_info, 0.0)[""]

    def to_coco(self, image_id: int = 1, threshold: float = 0.0) -> list[dict[str, Any]]:
        """COCO results of the objects: category_id, bbox, score, and segmentation or keypoints.

        Raises:
            UsageError: the task finds no objects.
        """
        assert self.model_info is not None
        ids = category_ids(self.model_info.class_ids or None, len(self.model_info.classes))
        return [_result(row, ids, image_id) for row in self._objects(threshold)]

    def to_supervision(self, threshold: float | None = None) -> Any:
        """The objects as `supervision.Detections`; that package must be installed.

        Raises:
            UsageError: the task finds no objects, or the package is not there.
        """
        self._objects(threshold)
        try:
            import supervision
        except ImportError as error:
            hint = "pip install supervision"
            raise UsageError("supervision is not installed", hint=hint) from error
        objects = self.confident(threshold).objects
        assert objects is not None
        objects = objects.to("cpu")
        assert objects.scores is not None
        return supervision.Detections(
            xyxy=objects.boxes.numpy(),
            mask=None if objects.masks is None else objects.masks.numpy(),
            confidence=objects.scores.numpy(),
            class_id=objects.labels.numpy(),
        )

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        buffer = io.BytesIO()
        self.draw().save(buffer, "PNG")
        return buffer.getvalue()

    def _repr_html_(self) -> str:
        image = b64encode(self._repr_png_()).decode()
        rows = "".join(
            f"<tr><td>{html.escape(row['class'])}</td><td>{row['score']:.3f}</td></tr>"
            for row in self.rows()
        )
        return (
            f'<img alt="{html.escape(repr(self))}" src="data:image/png;base64,{image}">'
            f"<table>{rows}</table>"
        )

    def _objects(self, threshold: float | None) -> list[dict[str, Any]]:
        answer = self.answer(threshold)
        if "objects" not in answer:
            assert self.task is not None
            raise UsageError(f"{self.task.name} finds no objects")
        return answer["objects"]


def _place(row: dict[str, Any]) -> str:
    """Where an object is, behind its name."""
    if "box" not in row:
        return ""
    return "  " + " ".join(f"{value:7.1f}" for value in row["box"])


def _result(row: dict[str, Any], ids: list[int], image_id: int) -> dict[str, Any]:
    x1, y1, x2, y2 = row["box"]
    result = {
        "image_id": image_id,
        "category_id": ids[row["label"]],
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "score": row["score"],
    }
    if "mask" in row:
        result["segmentation"] = row["mask"]
    if "keypoints" in row:
        result["keypoints"] = [value for point in row["keypoints"] for value in point]
    return result
