"""Tables of a detector: what it takes for what, where its thresholds lie, which labels to doubt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tapetum.evaluation.confusion import detection_confusion
from tapetum.evaluation.errors import ERRORS, NEAR
from tapetum.evaluation.similarity import box_similarity
from tapetum.render import confusion_matrix
from tapetum.render.confusion import MOST_NUMBERED
from tapetum.reporting.contents import Panel, Table
from tapetum.reporting.tasks.detection_errors import Inspected
from tapetum.tasks.detection import DetectionEvaluation

MOST_DOUBTS, MOST_CONFUSIONS = 12, 15
SURE = 0.5
"""The least score, besides its threshold, of a detection that may know better than a label."""


def doubtful_labels(view: Inspected) -> Table | None:
    """Where the model is sure and the label disagrees: one of the two is wrong."""
    evaluation, errors = view.evaluation, view.errors
    ground_truth, detections = evaluation.ground_truth, evaluation.detections
    renamed = errors.kind == ERRORS.index("class")
    # A truth that was found under its own name as well is not in doubt.
    renamed &= ~np.isin(errors.target, errors.match[view.confident & (errors.match >= 0)])
    sure = view.confident & (detections.score >= SURE)
    alone = np.flatnonzero((errors.kind == ERRORS.index("background")) & sure)
    rows = np.concatenate((np.flatnonzero(renamed & sure), alone[_beside_all(evaluation, alone)]))
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
        for row in rows[:MOST_DOUBTS].tolist()
    ]
    more = f" The {len(cells)} surest of {len(rows):,}." if len(rows) > len(cells) else ""
    note = "The model is sure and the label says something else: one of them is wrong." + more
    heads = ("image", "labelled", "found", "score", "left, top, width, height")
    return Table("Worth relabelling", heads, cells, note)


def _beside_all(evaluation: DetectionEvaluation, rows: np.ndarray) -> np.ndarray:
    """(R,) bool: which detections lie beside the boxes of all truths of their image; a mask or a
    pose that fits nothing may still be of something that is labelled."""
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
    """What is taken for what: a chart, or of many classes the commonest confusions."""
    evaluation = view.evaluation
    counts = detection_confusion(
        evaluation.ground_truth,
        evaluation.detections,
        view.thresholds,
        iou_type=evaluation.iou_type,
    )
    pairing = (
        f"Detections above the thresholds, the strongest first, each paired with the truth of the "
        f"highest {view.task.overlap} (0.5 or more) of any class that is still free."
    )
    names = [*view.classes, "background"]
    if len(names) <= MOST_NUMBERED + 1:
        note = (
            "Rows are true classes in percent, columns what was said. In the last column: missed; "
            f"in the last row: found where nothing is. {pairing}"
        )
        return Panel("Confusion", confusion_matrix(counts, names), note)
    return Table(
        "Commonest confusions",
        ("true class", "taken for", "times", "of"),
        commonest_confusions(counts, view.classes),
        pairing,
    )


def commonest_confusions(
    counts: np.ndarray, classes: Sequence[str]
) -> list[tuple[str, str, int, int]]:
    """(true, predicted, how often, of how many) between two classes, the commonest first."""
    totals = counts.sum(axis=1)
    mixed = counts[:-1, :-1] * (1 - np.eye(len(classes), dtype=np.int64))
    order = np.argsort(-mixed, axis=None, kind="stable")[:MOST_CONFUSIONS]
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
        (name, float(least), _share(2 * h, n + g), _share(h, n), _share(h, g))
        for name, least, h, n, g in zip(
            view.classes,
            view.thresholds.tolist(),
            hits.tolist(),
            taken.tolist(),
            true.tolist(),
            strict=True,
        )
    ]
    note = (
        f"Chosen on {chosen_on}, where they give the best F1; the other numbers are of the "
        f"images shown here. tapetum predict uses them unless it is told --threshold."
    )
    heads = ("class", "threshold", "F1", "precision", "recall")
    return Table("Thresholds", heads, rows, note)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
