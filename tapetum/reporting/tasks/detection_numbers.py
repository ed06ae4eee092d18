"""The numbers of a measured detector that `tapetum.diagnosis` puts into words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tapetum.diagnosis import DetectionNumbers
from tapetum.evaluation import per_class
from tapetum.evaluation.errors import ERRORS
from tapetum.reporting.sections.examples import ImageOutcome
from tapetum.reporting.tasks.detection_errors import Inspected, most_frequent_confusion


def detection_numbers(
    view: Inspected, outcomes: Sequence[ImageOutcome], has_nms: bool
) -> DetectionNumbers:
    """Gather what the evaluation of a detector says.

    Args:
        view: the evaluation with its errors.
        outcomes: its images, detections above the thresholds.
        has_nms: whether the model suppresses overlapping boxes.

    Returns:
        The numbers.
    """
    evaluation, errors = view.evaluation, view.errors
    rows = [row for row in per_class(evaluation.result) if row.ground_truths]
    return DetectionNumbers(
        stats=evaluation.stats,
        class_ap={row.name: row.ap for row in rows},
        objects=sum(len(outcome.seen) for outcome in outcomes),
        detected=sum(int(outcome.seen.sum()) for outcome in outcomes),
        false_positives=sum(int((~outcome.right).sum()) for outcome in outcomes),
        images=len(outcomes),
        ap50=errors.ap,
        costs={kind: errors.costs[kind] for kind in ERRORS},
        affected={kind: view.classes[view.most_affected(kind)[0]] for kind in ERRORS},
        confusion=most_frequent_confusion(view) if len(view.of_kind("classification")) else None,
        sides=_sides(view),
        thresholds=(float(view.thresholds.min()), float(view.thresholds.max())),
        outputs=view.task.noun,
        annotations=view.task.annotation,
        overlap=view.task.overlap,
        has_nms=has_nms,
    )


def _sides(view: Inspected) -> tuple[float, float] | None:
    """Median side of the missed and of the detected objects, if there are both."""
    errors, sides = view.errors, np.sqrt(view.evaluation.ground_truth.area)
    detected = errors.match[errors.match >= 0]
    if not len(detected) or not errors.missed.any():
        return None
    return float(np.median(sides[errors.missed])), float(np.median(sides[detected]))
