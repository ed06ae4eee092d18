"""What a detector does wrong: the kinds of error with their costs, advice and examples."""

from __future__ import annotations

import numpy as np

from tapetum.evaluation.errors import ERRORS, FALSE_NEGATIVES, FALSE_POSITIVES, NEAR
from tapetum.evaluation.iou_types import similarity_of
from tapetum.reporting.contents import Crop, Mistakes
from tapetum.reporting.sections.crops import crop
from tapetum.reporting.sections.examples import found_objects, true_objects
from tapetum.reporting.sections.run import Run
from tapetum.reporting.tasks.detection_errors import Inspected, commonest_mix

EXAMPLES, COSTLY = 4, 0.005
"""Most examples of a kind, and the AP50 from which a kind is shown with some."""
MEANINGS = {
    "class": "right place, wrong class",
    "place": "right class, {overlap} from 0.1 to 0.5",
    "both": "neither class nor place is right",
    "duplicate": "found already",
    "background": "nothing labelled within {overlap} 0.1",
    "missed": "no answer fits or is near",
}
NOTE = (
    "Each false alarm and each miss has one kind. Confident: above the thresholds. All: at any "
    "score. Costs: what AP50, which counts all, would gain if that kind alone were mended (Bolya "
    "et al., TIDE, 2020)."
)


def kinds_of_mistakes(run: Run, view: Inspected) -> list[Mistakes]:
    """Every kind, the most costly first, with examples of those that matter; then all false alarms
    and all misses together."""
    errors = view.errors
    shown, everywhere = errors.counts(view.confident), errors.counts()
    ranked = sorted(ERRORS, key=lambda name: -errors.costs[name])
    kinds = [
        Mistakes(
            name,
            shown[name],
            everywhere[name],
            errors.costs[name],
            MEANINGS[name].format(overlap=view.task.overlap),
            advice(view, name) if everywhere[name] or shown[name] else "",
            examples(run, view, name) if errors.costs[name] >= COSTLY else (),
        )
        for name in ranked
    ]
    unfound = errors.counted.copy()
    unfound[errors.match[errors.match >= 0]] = False
    unfound_here = errors.counted.copy()
    unfound_here[errors.match[view.confident & (errors.match >= 0)]] = False
    alarms = errors.kind >= 0
    totals = (
        ("all false alarms", alarms & view.confident, alarms, FALSE_POSITIVES),
        ("all that was not found", unfound_here, unfound, FALSE_NEGATIVES),
    )
    return kinds + [
        Mistakes(name, int(some.sum()), int(every.sum()), errors.costs[cost])
        for name, some, every, cost in totals
    ]


def advice(view: Inspected, name: str) -> str:
    """What to do about a kind of error that occurs, in one line."""
    worst = view.classes[view.most_affected(name)[0]]
    if name == "class":
        true, said, _ = commonest_mix(view)
        return f"{true} is taken for {said} most: are the two labelled alike?"
    return {
        "place": f"{view.task.annotation} of {worst} are loose most: how were they drawn?",
        "both": f"{worst} is said near others, loosely: parts of objects, or crowds of them?",
        "duplicate": f"{worst} is found twice most: a lower --nms-iou in predict",
        "background": f"{worst} is seen where nothing is labelled: is a label missing?",
        "missed": f"{worst} is overlooked most: small, hidden, or rare in training?",
    }[name]


def examples(run: Run, view: Inspected, name: str) -> list[Crop]:
    """A few errors of a kind as details of images, one of each image before a second."""
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
    """A false alarm beside the truth that it is about, if any."""
    evaluation, errors = view.evaluation, view.errors
    index = int(view.image[evaluation.detections.image[row]])
    target, kind = int(errors.target[row]), ERRORS[errors.kind[row]]
    found = found_objects(evaluation, np.array([row]))
    ground_truth = true_objects(evaluation, index, np.array([target])) if target >= 0 else None
    overlap = f"{view.task.overlap} {errors.overlap[row]:.2f}"
    labelled = "" if target < 0 else view.classes[evaluation.ground_truth.category[target]]
    reason = {
        "class": f"labelled {labelled}, {overlap}",
        "place": f"{overlap} with the truth only",
        "both": f"the nearest is {labelled}, {overlap}",
        "duplicate": f"found a second time, {overlap}",
        "background": f"nothing labelled within {view.task.overlap} {NEAR}",
    }[kind]
    return Crop(
        crop(run.dataset[index].image, found, ground_truth, run.dataset),
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
    """What was found, if anything, where truth number `row` was missed."""
    ground_truth, detections = view.evaluation.ground_truth, view.evaluation.detections
    weak = np.flatnonzero(view.errors.match == row)
    if len(weak):
        threshold = view.thresholds[ground_truth.category[row]]
        return f"found with {detections.score[weak[0]]:.2f} only, below {threshold:.2f}"
    here = np.flatnonzero(view.confident & (detections.image == ground_truth.image[row]))
    if len(here) == 0:
        return "nothing was found in this image"
    similarity = similarity_of(view.evaluation.iou_type, ground_truth, detections)
    overlaps = similarity(np.full(len(here), row), here)
    best = int(overlaps.argmax())
    if overlaps[best] < NEAR:
        return "nothing was found here"
    said = view.classes[detections.category[here[best]]]
    return f"the nearest answer is {said}, {view.task.overlap} {overlaps[best]:.2f}"
