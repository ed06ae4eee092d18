"""The report of a localizer: right class, right box, or both."""

from __future__ import annotations

import numpy as np
from PIL import Image

from tapetum.diagnosis import localization_advice, localization_findings
from tapetum.explain import heat_inside
from tapetum.render import draw_objects
from tapetum.render.overlay import overlay_heat
from tapetum.reporting.contents import ClassRow, Explanation, ReportContents, Sheet
from tapetum.reporting.sections.run import MAPS, SHEETS, Run, frame
from tapetum.reporting.sections.suggestions import next_steps
from tapetum.structures import Target
from tapetum.tasks.localization import LocalizationEvaluation


def localization_report(run: Run, evaluation: LocalizationEvaluation) -> ReportContents:
    """Everything that the report of a localizer shows; `evaluation` is on `run.dataset`."""
    quality = evaluation.result.quality
    judged = np.flatnonzero(quality >= 0)  # the others have no object
    order = judged[np.argsort(-quality[judged], kind="stable")]
    shown = [int(i) for i in order if len(evaluation.found[i])]
    advice = localization_advice(evaluation.stats, run.setup())
    return frame(
        run,
        evaluation.stats,
        "both_right",
        verdicts=[finding.text for finding in localization_findings(evaluation.stats)],
        class_rows=[ClassRow(name, row) for name, row in evaluation.result.classes.items()],
        best=[_sheet(run, evaluation, int(i)) for i in order[:SHEETS]],
        worst=[_sheet(run, evaluation, int(i)) for i in order[::-1][:SHEETS]],
        explanations=[]
        if run.explain is None
        else [_explanation(run, evaluation, i) for i in shown[:MAPS]],
        notes=("Ground truth is dashed, predictions are solid.",),
        next_steps=next_steps(run, "both_right", advice),
    )


def _sheet(run: Run, evaluation: LocalizationEvaluation, index: int) -> Sheet:
    sample = run.dataset[index]
    drawn = draw_objects(
        sample.image, evaluation.found[index], evaluation.classes, sample.target.objects
    )
    return Sheet(drawn, evaluation.names[index], _caption(evaluation, index))


def _caption(evaluation: LocalizationEvaluation, index: int) -> str:
    """Class right or wrong, and the IoU."""
    right = evaluation.result.class_right[index]
    named = (
        "the right class"
        if right == 1
        else "the wrong class"
        if right == 0
        else "some classes right"
    )
    return f"{named}, IoU {evaluation.result.iou[index]:.2f}"


def _explanation(run: Run, evaluation: LocalizationEvaluation, index: int) -> Explanation:
    assert run.explain is not None
    pixels = run.dataset[index].image
    obj = evaluation.found[index][[0]]
    target = Target(objects=obj)
    heat = run.explain(pixels, target)
    assert obj.scores is not None
    image: Image.Image = draw_objects(pixels, obj, evaluation.classes)
    sides = obj.boxes[0, 2:] - obj.boxes[0, :2]
    return Explanation(
        image=image,
        heat=overlay_heat(pixels, heat, objects=obj, classes=evaluation.classes),
        name=evaluation.names[index],
        label=evaluation.classes[int(obj.labels[0])],
        score=float(obj.scores[0]),
        method=run.method(target),
        inside=heat_inside(heat, obj.boxes[0]),
        area=float(sides.prod()) / heat.numel(),
    )
