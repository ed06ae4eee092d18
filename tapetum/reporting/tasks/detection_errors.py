"""The evaluation of a detector with its errors, at one threshold per class."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tapetum.evaluation.errors import ERRORS, ErrorKinds, error_kinds
from tapetum.tasks.detection import BY_IOU_TYPE, Detection, DetectionEvaluation


@dataclass(frozen=True, eq=False)
class Inspected:
    """The evaluation of a detector with its kinds of error; thresholds: (K,), one per class."""

    evaluation: DetectionEvaluation
    thresholds: np.ndarray

    @property
    def task(self) -> Detection:
        """What was asked: what its answers and their overlaps are called."""
        return BY_IOU_TYPE[self.evaluation.iou_type]

    @cached_property
    def errors(self) -> ErrorKinds:
        """What is wrong with each detection and each ground truth."""
        evaluation = self.evaluation
        cap = evaluation.result.rules.max_dets[-1]
        return error_kinds(
            evaluation.ground_truth, evaluation.detections, evaluation.iou_type, max_dets=cap
        )

    @cached_property
    def confident(self) -> np.ndarray:
        """(N,) bool: the detections that reach the threshold of their class."""
        detections = self.evaluation.detections
        return detections.score >= self.thresholds[detections.category]

    @cached_property
    def image(self) -> np.ndarray:
        """(images,) for each place in `ground_truth.image_ids` the index in the dataset."""
        places = {
            image_id: place for place, image_id in enumerate(self.evaluation.ground_truth.image_ids)
        }
        index = np.zeros(len(places), dtype=np.int64)
        for number, record in enumerate(self.evaluation.images):
            index[places[record.id]] = number
        return index

    @property
    def classes(self) -> tuple[str, ...]:
        return self.evaluation.ground_truth.category_names

    def of_kind(self, name: str) -> np.ndarray:
        """Detections with an error of this kind above the thresholds, highest scores first; if
        there are none, those below. "missed": objects, those without a near detection first, large
        first."""
        if name == "missed":
            missed = np.flatnonzero(self.errors.missed_among(self.confident))
            keys = -self.evaluation.ground_truth.area[missed], ~self.errors.missed[missed]
            return missed[np.lexsort(keys)]
        of_kind = self.errors.kind == ERRORS.index(name)
        shown = of_kind & self.confident
        rows = np.flatnonzero(shown if shown.any() else of_kind)
        return rows[np.argsort(-self.evaluation.detections.score[rows], kind="stable")]

    def most_affected(self, name: str) -> tuple[int, int]:
        """The class with most errors of a kind, and how many: the detections' own class; of
        "missed" the ground truths'. Count 0 where there are none."""
        record = self.evaluation.ground_truth if name == "missed" else self.evaluation.detections
        counts = np.bincount(record.category[self.of_kind(name)], minlength=1)
        return int(counts.argmax()), int(counts.max())


def most_frequent_confusion(view: Inspected) -> tuple[str, str, int]:
    """(true class, predicted class, how often) of the most frequent confusion; one must occur."""
    rows = view.of_kind("classification")
    ground_truth, detections = view.evaluation.ground_truth, view.evaluation.detections
    true, predicted = ground_truth.category[view.errors.target[rows]], detections.category[rows]
    pairs = np.bincount(true * len(view.classes) + predicted)
    first, second = divmod(int(pairs.argmax()), len(view.classes))
    return view.classes[first], view.classes[second], int(pairs.max())
