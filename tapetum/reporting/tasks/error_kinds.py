"""The kinds of error of a detector with their cost in AP50, advice and examples."""

from __future__ import annotations

import numpy as np

from tapetum.diagnosis import COST_SHOWN, DetectionNumbers, error_advice, error_meaning
from tapetum.evaluation.errors import ERRORS, FALSE_NEGATIVES, FALSE_POSITIVES, NEAR
from tapetum.evaluation.iou_types import similarity_of
from tapetum.reporting.contents import Crop, ErrorGroup
from tapetum.reporting.sections.crops import crop
from tapetum.reporting.sections.examples import detected_objects, true_objects
from tapetum.reporting.sections.run import Run
from tapetum.reporting.tasks.detection_errors import Inspected

EXAMPLES = 4
"""Most examples of a kind."""
NOTE = (
    "Each false positive and each missed object has one kind. Confident: above the thresholds. "
    "All: at any score. Cost: what AP50, which counts all, would gain if that kind alone were "
    "corrected (Bolya et al., TIDE, 2020)."
)


def error_groups(run: Run, view: Inspected, numbers: DetectionNumbers) -> list[ErrorGroup]:
    """All kinds of error, the most costly first, with examples of the costly ones; then all false
    positives and all false negatives together."""
    errors = view.errors
    shown, everywhere = errors.counts(view.confident), errors.counts()
    ranked = sorted(ERRORS, key=lambda name: -errors.costs[name])
    kinds = [
        ErrorGroup(
            name,
            shown[name],
            everywhere[name],
            errors.costs[name],
            error_meaning(name, numbers.overlap),
            error_advice(name, numbers) if everywhere[name] or shown[name] else "",
            examples(run, view, name) if errors.costs[name] >= COST_SHOWN else (),
        )
        for name in ranked
    ]
    undetected = errors.counted.copy()
    undetected[errors.match[errors.match >= 0]] = False
    undetected_here = errors.counted.copy()
    undetected_here[errors.match[view.confident & (errors.match >= 0)]] = False
    wrong = errors.kind >= 0
    totals = (
        ("all false positives", wrong & view.confident, wrong, FALSE_POSITIVES),
        ("all false negatives", undetected_here, undetected, FALSE_NEGATIVES),
    )
    return kinds + [
        ErrorGroup(name, int(some.sum()), int(everywhere_of.sum()), errors.costs[cost])
        for name, some, everywhere_of, cost in totals
    ]


def examples(run: Run, view: Inspected, name: str) -> list[Crop]:
    """A few errors of a kind as crops, one of each image before a second."""
    rows = view.of_kind(name)
    record = view.evaluation.ground_truth if name == "missed" else view.evaluation.detections
    chosen = spread(rows, record.image[rows], EXAMPLES)
    if name == "missed":
        return [_missed(run, view, int(row)) for row in chosen]
    return [_wrong(run, view, int(row)) for row in chosen]


def spread(rows: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """The first `count` of `rows` (N,), taking one of each of `groups` (N,) before a second."""
    seen: dict[int, int] = {}
    turn = []
    for group in groups.tolist():
        turn.append(seen.get(group, 0))
        seen[group] = turn[-1] + 1
    return rows[np.argsort(np.array(turn, dtype=np.int64), kind="stable")][:count]


def _wrong(run: Run, view: Inspected, row: int) -> Crop:
    """A false positive beside the object that it is about, if any."""
    evaluation, errors = view.evaluation, view.errors
    index = int(view.image[evaluation.detections.image[row]])
    target, kind = int(errors.target[row]), ERRORS[errors.kind[row]]
    detection = detected_objects(evaluation, np.array([row]))
    ground_truth = true_objects(evaluation, index, np.array([target])) if target >= 0 else None
    overlap = f"{view.task.overlap} {errors.overlap[row]:.2f}"
    labeled = "" if target < 0 else view.classes[evaluation.ground_truth.category[target]]
    reason = {
        "classification": f"labeled {labeled}, {overlap}",
        "localization": f"only {overlap} with the object",
        "both": f"the nearest object is {labeled}, {overlap}",
        "duplicate": f"detected already, {overlap}",
        "background": f"no object within {view.task.overlap} {NEAR}",
    }[kind]
    return Crop(
        crop(run.dataset[index].image, detection, ground_truth, run.dataset),
        evaluation.images[index].name,
        view.classes[evaluation.detections.category[row]],
        float(evaluation.detections.score[row]),
        reason,
    )


def _missed(run: Run, view: Inspected, row: int) -> Crop:
    evaluation = view.evaluation
    index = int(view.image[evaluation.ground_truth.image[row]])
    ground_truth = true_objects(evaluation, index, np.array([row]))
    return Crop(
        crop(run.dataset[index].image, None, ground_truth, run.dataset),
        evaluation.images[index].name,
        view.classes[evaluation.ground_truth.category[row]],
        None,
        why_missed(view, row),
    )


def why_missed(view: Inspected, row: int) -> str:
    """What was detected, if anything, where ground-truth object `row` was missed."""
    ground_truth, detections = view.evaluation.ground_truth, view.evaluation.detections
    weak = np.flatnonzero(view.errors.match == row)
    if len(weak):
        threshold = view.thresholds[ground_truth.category[row]]
        return f"detected with score {detections.score[weak[0]]:.2f}, below {threshold:.2f}"
    here = np.flatnonzero(view.confident & (detections.image == ground_truth.image[row]))
    if len(here) == 0:
        return "no detections in this image"
    similarity = similarity_of(view.evaluation.iou_type, ground_truth, detections)
    overlaps = similarity(np.full(len(here), row), here)
    best = int(overlaps.argmax())
    if overlaps[best] < NEAR:
        return "no detections here"
    predicted = view.classes[detections.category[here[best]]]
    overlap = f"{view.task.overlap} {overlaps[best]:.2f}"
    return f"the nearest detection is {predicted}, {overlap}"
