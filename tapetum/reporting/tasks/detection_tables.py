"""Tables of a detector: confusion matrix, thresholds, labels to check."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tapetum.evaluation.confusion import detection_confusion
from tapetum.evaluation.errors import ERRORS, NEAR
from tapetum.evaluation.similarity import box_similarity
from tapetum.render import confusion_matrix
from tapetum.render.confusion import MAX_NUMBERED
from tapetum.reporting.contents import Panel, Table
from tapetum.reporting.tasks.detection_errors import Inspected
from tapetum.tasks.detection import DetectionEvaluation

MAX_LABELS, MAX_CONFUSIONS = 12, 15
CONFIDENT = 0.5
"""Score of a detection, besides its threshold, from which it may be right and a label wrong."""


def labels_to_check(view: Inspected) -> Table | None:
    """Labels that a confident detection contradicts: one of the two is wrong."""
    evaluation, errors = view.evaluation, view.errors
    ground_truth, detections = evaluation.ground_truth, evaluation.detections
    renamed = errors.kind == ERRORS.index("classification")
    # A ground truth that was found under its own name as well is not in doubt.
    renamed &= ~np.isin(errors.target, errors.match[view.confident & (errors.match >= 0)])
    confident = view.confident & (detections.score >= CONFIDENT)
    alone = np.flatnonzero((errors.kind == ERRORS.index("background")) & confident)
    rows = np.concatenate(
        (np.flatnonzero(renamed & confident), alone[_beside_all(evaluation, alone)])
    )
    rows = rows[np.argsort(-detections.score[rows], kind="stable")]
    if len(rows) == 0:
        return None
    cells = [
        (
            evaluation.images[int(view.image[detections.image[row]])].name,
            view.classes[ground_truth.category[errors.target[row]]] if renamed[row] else "nothing",
            view.classes[detections.category[row]],
            float(detections.score[row]),
            _place(detections.xywh[row]),
        )
        for row in rows[:MAX_LABELS].tolist()
    ]
    more = f" The {len(cells)} most confident of {len(rows):,}." if len(rows) > len(cells) else ""
    note = "A confident detection contradicts the label: one of the two is wrong." + more
    heads = ("image", "label", "detection", "score", "left, top, width, height")
    return Table("Labels to check", heads, cells, note)


def _beside_all(evaluation: DetectionEvaluation, rows: np.ndarray) -> np.ndarray:
    """(R,) bool: which detections lie beside the boxes of all ground truths of their image; a mask
    or a pose that fits nothing may still be of something that is labeled."""
    ground_truth, detections = evaluation.ground_truth, evaluation.detections
    overlap = box_similarity(ground_truth, detections)
    beside = np.ones(len(rows), dtype=bool)
    for place, row in enumerate(rows.tolist()):
        here = np.flatnonzero(ground_truth.image == detections.image[row])
        beside[place] = bool((overlap(here, np.full(len(here), row)) < NEAR).all())
    return beside


def _place(xywh: Iterable[float]) -> str:
    return ", ".join(f"{value:.0f}" for value in xywh)


def confusion(view: Inspected) -> Panel | Table:
    """The confusion matrix as a chart; of many classes the most frequent confusions."""
    evaluation = view.evaluation
    counts = detection_confusion(
        evaluation.ground_truth,
        evaluation.detections,
        view.thresholds,
        iou_type=evaluation.iou_type,
    )
    pairing = (
        f"Detections above the thresholds, highest scores first, are each matched to the object of "
        f"highest {view.task.overlap} (0.5 or more), of any class, that is still free."
    )
    names = [*view.classes, "background"]
    if len(names) <= MAX_NUMBERED + 1:
        note = (
            "Rows are true classes in percent, columns predicted classes. Last column: missed "
            f"objects; last row: detections on background. {pairing}"
        )
        return Panel("Confusion matrix", confusion_matrix(counts, names), note)
    return Table(
        "Most frequent confusions",
        ("true class", "predicted class", "times", "of"),
        frequent_confusions(counts, view.classes),
        pairing,
    )


def frequent_confusions(
    counts: np.ndarray, classes: Sequence[str]
) -> list[tuple[str, str, int, int]]:
    """(true, predicted, how often, of how many) between two classes, the most frequent first."""
    totals = counts.sum(axis=1)
    mixed = counts[:-1, :-1] * (1 - np.eye(len(classes), dtype=np.int64))
    order = np.argsort(-mixed, axis=None, kind="stable")[:MAX_CONFUSIONS]
    pairs = [divmod(place, len(classes)) for place in order.tolist()]
    return [
        (classes[i], classes[j], int(mixed[i, j]), int(totals[i])) for i, j in pairs if mixed[i, j]
    ]


def thresholds_table(view: Inspected, chosen_on: str) -> Table:
    """The threshold of each class and what it gives on these images."""
    errors, evaluation = view.errors, view.evaluation
    classes = len(view.classes)
    category = evaluation.detections.category
    hits = np.bincount(category[(errors.match >= 0) & view.confident], minlength=classes)
    taken = hits + np.bincount(category[(errors.kind >= 0) & view.confident], minlength=classes)
    true = np.bincount(evaluation.ground_truth.category[errors.counted], minlength=classes)
    rows = [
        (name, float(threshold), _fraction(2 * h, n + g), _fraction(h, n), _fraction(h, g))
        for name, threshold, h, n, g in zip(
            view.classes,
            view.thresholds.tolist(),
            hits.tolist(),
            taken.tolist(),
            true.tolist(),
            strict=True,
        )
    ]
    note = (
        f"Chosen on {chosen_on} for the best F1; the other columns are measured on the images "
        f"shown here. tapetum predict uses these thresholds unless a threshold is given."
    )
    heads = ("class", "threshold", "F1", "precision", "recall")
    return Table("Thresholds", heads, rows, note)


def _fraction(part: int, whole: int) -> float | None:
    return part / whole if whole else None
