"""The report of detection, masks and keypoints: what was found, missed and imagined, and why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tapetum.evaluation import ClassRow as ClassNumbers
from tapetum.evaluation import per_class, precision_recall_curve
from tapetum.evaluation.errors import ERRORS
from tapetum.explain import heat_inside
from tapetum.render import draw_objects
from tapetum.render.overlay import overlay_heat
from tapetum.reporting.contents import ClassRow, Curve, Explanation, Panel, ReportContents, Sheet
from tapetum.reporting.sections.crops import pose
from tapetum.reporting.sections.examples import (
    ImageOutcome,
    best_and_worst,
    image_outcomes,
)
from tapetum.reporting.sections.run import MAPS, SHEETS, Run, frame
from tapetum.reporting.sections.suggestions import LOOSE, detection_steps, next_steps
from tapetum.reporting.tasks.detection_errors import Inspected
from tapetum.reporting.tasks.detection_tables import (
    confusion,
    doubtful_labels,
    thresholds_table,
)
from tapetum.reporting.tasks.error_kinds import COSTLY, MEANINGS, NOTE, kinds_of_mistakes
from tapetum.structures import Target
from tapetum.tasks.detection import DetectionEvaluation

WRONG_MAPS = 4
"""Most heat maps of wrong answers, beside `MAPS` of right ones."""


def detection_report(run: Run, evaluation: DetectionEvaluation) -> ReportContents:
    """Everything that the report of a detector shows; `evaluation` is on `run.dataset`."""
    assert run.thresholds is not None  # the caller has chosen them
    view = Inspected(evaluation, np.array(run.thresholds))
    outcomes = image_outcomes(evaluation, view.thresholds)
    best, worst = best_and_worst(outcomes, SHEETS)
    sheets = {o.index: _sheet(o, run) for o in [*best, *worst]}
    what, overlap = view.task.noun, view.task.overlap
    shown = confusion(view)
    thresholds = thresholds_table(view, run.chosen_on)
    return frame(
        run,
        evaluation.stats,
        "AP",
        verdicts=verdicts(view, outcomes),
        stats_note=f"COCO's definition, of {what}; overlaps are {overlap}; "
        "areas in pixels of the original images.",
        class_rows=_class_rows(evaluation),
        curves=_curves(evaluation),
        curves_note=f"{overlap} 0.5",
        panels=[shown] if isinstance(shown, Panel) else [],
        tables=[thresholds] if isinstance(shown, Panel) else [shown, thresholds],
        best=[sheets[o.index] for o in best],
        worst=[sheets[o.index] for o in worst],
        errors=kinds_of_mistakes(run, view),
        errors_note=NOTE,
        relabel=doubtful_labels(view),
        explanations=_explanations(outcomes, run),
        notes=(
            "Images show the detections above the threshold of their class, given in the table "
            "of thresholds. Truth is dashed, predictions are solid.",
        ),
        next_steps=next_steps(run, "AP", detection_steps(run, view)),
    )


def verdicts(view: Inspected, outcomes: Sequence[ImageOutcome]) -> list[str]:
    """What the run says, in sentences, the most important first."""
    stats = view.evaluation.result.stats
    sentences = []
    found = sum(int(o.seen.sum()) for o in outcomes)
    total = sum(len(o.seen) for o in outcomes)
    alarms = sum(int((~o.right).sum()) for o in outcomes)
    if total:
        sentences.append(
            f"AP {stats['AP']:.3f}, AP50 {stats['AP50']:.3f}: above the thresholds {found} of "
            f"{total} objects are found, with {alarms} false alarms on {len(outcomes)} images."
        )
    rows = [row for row in per_class(view.evaluation.result) if row.ground_truths]
    low, high = min(rows, key=_by_ap, default=None), max(rows, key=_by_ap, default=None)
    if low and high and high.ap - low.ap > 0.02:
        sentences.append(
            f"The easiest class is {high.name} (AP {high.ap:.3f}), the hardest {low.name} "
            f"(AP {low.ap:.3f}, {low.ground_truths} true objects here)."
        )
    costs = view.errors.costs
    worst = max(ERRORS, key=lambda name: costs[name])
    if costs[worst] >= COSTLY:
        meaning = MEANINGS[worst].format(overlap=view.task.overlap)
        sentences.append(
            f"Of the kinds of error {worst} costs most ({meaning}): without it AP50 would be "
            f"{view.errors.ap + costs[worst]:.3f}."
        )
    if stats["AP50"] - stats["AP75"] > LOOSE:
        sentences.append(
            f"Objects are found but their {view.task.noun} are loose: AP50 is "
            f"{stats['AP50']:.2f}, AP75 only {stats['AP75']:.2f}."
        )
    return sentences


def _by_ap(row: ClassNumbers) -> float:
    return row.ap


def _class_rows(evaluation: DetectionEvaluation) -> list[ClassRow]:
    return [
        ClassRow(
            row.name,
            {
                "AP": row.ap,
                "AP50": row.ap50,
                "AP75": row.ap75,
                "AR": row.ar,
                "true objects": row.ground_truths,
            },
        )
        for row in per_class(evaluation.result)
    ]


def _curves(evaluation: DetectionEvaluation) -> list[Curve]:
    curves = []
    for k, name in enumerate(evaluation.result.category_names):
        if evaluation.result.ground_truths[k, 0] == 0:
            continue
        recall, precision, _ = precision_recall_curve(evaluation.result, k)
        curves.append(Curve(name, recall.tolist(), precision.tolist()))
    return curves


def _sheet(outcome: ImageOutcome, run: Run) -> Sheet:
    image = run.dataset[outcome.index].image
    drawn = draw_objects(
        image, outcome.found, run.dataset.classes, outcome.ground_truth, **pose(run.dataset)
    )
    return Sheet(drawn, outcome.name, outcome.caption())


def _explanations(outcomes: Sequence[ImageOutcome], run: Run) -> list[Explanation]:
    """The most confident right detections, then wrong ones, with their heat maps; of each class one
    before a second."""
    if run.explain is None:
        return []
    right = _confident(outcomes, right=True)[:MAPS]
    wrong = _confident(outcomes, right=False)[:WRONG_MAPS]
    return [_explanation(outcome, row, run) for outcome, row in [*right, *wrong]]


def _confident(outcomes: Sequence[ImageOutcome], *, right: bool) -> list[tuple[ImageOutcome, int]]:
    seen: dict[int, int] = {}
    ranked = []
    for outcome in outcomes:
        assert outcome.found.scores is not None
        for row in np.flatnonzero(outcome.right == right).tolist():
            ranked.append((float(outcome.found.scores[row]), outcome, row))
    ranked.sort(key=lambda item: -item[0])
    turns = []
    for score, outcome, row in ranked:
        label = int(outcome.found.labels[row])
        turns.append((seen.get(label, 0), -score, outcome, row))
        seen[label] = seen.get(label, 0) + 1
    turns.sort(key=lambda item: item[:2])
    return [(turn[2], turn[3]) for turn in turns]


def _explanation(outcome: ImageOutcome, row: int, run: Run) -> Explanation:
    assert run.explain is not None
    image, classes = run.dataset[outcome.index].image, run.dataset.classes
    obj = outcome.found[[row]]
    target = Target(objects=obj)
    heat = run.explain(image, target)
    assert obj.scores is not None
    sides = obj.boxes[0, 2:] - obj.boxes[0, :2]
    return Explanation(
        image=draw_objects(image, obj, classes, **pose(run.dataset)),
        heat=overlay_heat(image, heat, objects=obj, classes=classes),
        name=outcome.name,
        label=classes[int(obj.labels[0])],
        score=float(obj.scores[0]),
        method=run.method(target),
        inside=heat_inside(heat, obj.boxes[0]),
        area=float(sides.prod()) / heat.numel(),
        verdict="right" if outcome.right[row] else "wrong",
    )
