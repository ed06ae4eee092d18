"""Which of the objects that a model finds somebody wants to hear of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from tapetum.base.errors import UsageError
from tapetum.inference.predictor import Predictor
from tapetum.structures import DEFAULT_POSTPROCESS, PostprocessOptions, Prediction


@dataclass(frozen=True)
class Choice:
    """labels: the classes that count, None for all. most: objects of an image, None for all."""

    labels: tuple[int, ...] | None = None
    most: int | None = None

    @classmethod
    def of(cls, predictor: Predictor, classes: Sequence[str], most: int | None) -> Choice:
        """The choice in the terms of a model.

        Raises:
            UsageError: a class that it does not know, a number under 1, or a task without objects.
        """
        if (classes or most is not None) and not predictor.task.has_objects:
            option = "classes" if classes else "max_detections"
            raise UsageError(
                f"{predictor.task.name} finds no objects to choose from", option=option
            )
        if most is not None and most < 1:
            raise UsageError(f"must be above 0, got {most}", option="max_detections")
        known = {name: label for label, name in enumerate(predictor.classes)}
        for name in classes:
            if name not in known:
                hint = ", ".join(predictor.classes[:20])
                raise UsageError(f"unknown class {name!r}", option="classes", hint=hint)
        return cls(tuple(known[name] for name in classes) or None, most)

    def kept(self, prediction: Prediction) -> Prediction:
        """The prediction with the objects that count, in the order they had."""
        objects = prediction.objects
        if objects is None or (self.labels is None and self.most is None):
            return prediction
        if self.labels is not None:
            objects = objects[torch.isin(objects.labels, torch.tensor(self.labels))]
        if self.most is not None and objects.scores is not None and len(objects) > self.most:
            best = torch.sort(objects.scores, descending=True, stable=True).indices[: self.most]
            objects = objects[best.sort().values]
        return replace(prediction, objects=objects)


def nms_options(predictor: Predictor, nms_thresh: float | None) -> PostprocessOptions:
    """How the model is to suppress overlapping boxes.

    Args:
        predictor: of the model.
        nms_thresh: IoU above which the weaker of two boxes of a class is dropped, in [0, 1]; None:
            the model's own.

    Raises:
        UsageError: not in [0, 1], or the model does not suppress boxes.
    """
    if nms_thresh is None:
        return DEFAULT_POSTPROCESS
    if not 0 <= nms_thresh <= 1:
        raise UsageError(f"must lie in [0, 1], got {nms_thresh}", option="nms_iou")
    if not predictor.task.has_thresholds:
        why = f"{predictor.model_info.model} does not suppress overlapping boxes"
        raise UsageError(why, option="nms_iou")
    return PostprocessOptions(nms_thresh=nms_thresh)
