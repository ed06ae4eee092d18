"""The report of detection, instance segmentation and keypoint detection."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tapetum.diagnosis import detection_advice, detection_findings, threshold_finding
from tapetum.evaluation import per_class, precision_recall_curve
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
from tapetum.reporting.sections.suggestions import MAX_SUGGESTIONS, next_steps
from tapetum.reporting.tasks.detection_errors import Inspected
from tapetum.reporting.tasks.detection_numbers import detection_numbers
from tapetum.reporting.tasks.detection_tables import (
    confusion,
    labels_to_check,
    thresholds_table,
)
from tapetum.reporting.tasks.error_kinds import NOTE, error_groups
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
    numbers = detection_numbers(view, outcomes, run.model.has_nms)
    shown = confusion(view)
    thresholds = thresholds_table(view, run.chosen_on)
    advice = detection_advice(numbers, run.setup(), MAX_SUGGESTIONS - 2)
    advice.append(threshold_finding(numbers, run.chosen_on))
    return frame(
        run,
        evaluation.stats,
        "AP",
        verdicts=[finding.text for finding in detection_findings(numbers)],
        stats_note=f"COCO's definition, of {what}; overlaps are {overlap}; "
        "areas in pixels of the original images.",
        class_rows=_class_rows(evaluation),
        curves=_curves(evaluation),
        curves_note=f"{overlap} 0.5",
        panels=[shown] if isinstance(shown, Panel) else [],
        tables=[thresholds] if isinstance(shown, Panel) else [shown, thresholds],
        best=[sheets[o.index] for o in best],
        worst=[sheets[o.index] for o in worst],
        errors=error_groups(run, view, numbers),
        errors_note=NOTE,
        relabel=labels_to_check(view),
        explanations=_explanations(outcomes, run),
        notes=(
            "Images show the detections above the threshold of their class, see Thresholds. "
            "Ground truth is dashed, predictions are solid.",
        ),
        next_steps=next_steps(run, "AP", advice),
    )


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
        image, outcome.detections, run.dataset.classes, outcome.ground_truth, **pose(run.dataset)
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
        assert outcome.detections.scores is not None
        for row in np.flatnonzero(outcome.right == right).tolist():
            ranked.append((float(outcome.detections.scores[row]), outcome, row))
    ranked.sort(key=lambda item: -item[0])
    turns = []
    for score, outcome, row in ranked:
        label = int(outcome.detections.labels[row])
        turns.append((seen.get(label, 0), -score, outcome, row))
        seen[label] = seen.get(label, 0) + 1
    turns.sort(key=lambda item: item[:2])
    return [(turn[2], turn[3]) for turn in turns]


def _explanation(outcome: ImageOutcome, row: int, run: Run) -> Explanation:
    assert run.explain is not None
    image, classes = run.dataset[outcome.index].image, run.dataset.classes
    obj = outcome.detections[[row]]
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
