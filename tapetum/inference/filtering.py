"""Which of the objects that a model predicts are listed and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from tapetum.base.errors import UsageError
from tapetum.inference.predictor import Predictor
from tapetum.structures import DEFAULT_POSTPROCESS, PostprocessOptions, Prediction


@dataclass(frozen=True)
class Choice:
    """The objects that count.

    Attributes:
        labels: of the classes that count; None: all.
        max_objects: the largest number of objects an image; None: all.
    """

    labels: tuple[int, ...] | None = None
    max_objects: int | None = None

    @classmethod
    def of(cls, predictor: Predictor, classes: Sequence[str], max_objects: int | None) -> Choice:
        """The choice in the terms of a model.

        Raises:
            UsageError: an unknown class, a number under 1, or a task without objects, or with a
                fixed number of them.
        """
        task = predictor.task
        if classes and not task.has_objects:
            raise UsageError(f"has no effect on {task.name}: no objects", option="classes")
        if max_objects is not None and not task.has_thresholds:
            why = "the number of objects is fixed" if task.has_objects else "no objects"
            raise UsageError(f"has no effect on {task.name}: {why}", option="max_detections")
        if max_objects is not None and max_objects < 1:
            raise UsageError(f"must be above 0, got {max_objects}", option="max_detections")
        known = {name: label for label, name in enumerate(predictor.classes)}
        for name in classes:
            if name not in known:
                hint = ", ".join(predictor.classes[:20])
                raise UsageError(f"unknown class {name!r}", option="classes", hint=hint)
        return cls(tuple(known[name] for name in classes) or None, max_objects)

    def filter(self, prediction: Prediction) -> Prediction:
        """The prediction with the objects that count, in their order."""
        objects = prediction.objects
        if objects is None or (self.labels is None and self.max_objects is None):
            return prediction
        if self.labels is not None:
            objects = objects[torch.isin(objects.labels, torch.tensor(self.labels))]
        if (
            self.max_objects is not None
            and objects.scores is not None
            and len(objects) > self.max_objects
        ):
            best = torch.sort(objects.scores, descending=True, stable=True).indices[
                : self.max_objects
            ]
            objects = objects[best.sort().values]
        return replace(prediction, objects=objects)


def nms_options(predictor: Predictor, nms_thresh: float | None) -> PostprocessOptions:
    """Options of the suppression of overlapping boxes (NMS).

    Args:
        predictor: the model.
        nms_thresh: in [0, 1], the IoU above which NMS drops the box with the lower score of two
            of a class; None: the model's default.

    Returns:
        Options for `Model.postprocess`.

    Raises:
        UsageError: not in [0, 1], or the model does not suppress boxes.
    """
    if nms_thresh is None:
        return DEFAULT_POSTPROCESS
    if not 0 <= nms_thresh <= 1:
        raise UsageError(f"must lie in [0, 1], got {nms_thresh}", option="nms_iou")
    if not predictor.model.has_nms:
        why = f"has no effect on {predictor.model_info.model}: a model without NMS"
        raise UsageError(why, option="nms_iou")
    return PostprocessOptions(nms_thresh=nms_thresh)
