"""The report of localization: which things are named right, placed right, or both."""

from __future__ import annotations

import numpy as np
from PIL import Image

from tapetum.explain import heat_inside
from tapetum.render import draw_things
from tapetum.render.overlay import overlay_heat
from tapetum.reporting.contents import ClassRow, Explanation, ReportContents, Sheet
from tapetum.reporting.next import localization_steps, next_steps
from tapetum.reporting.run import MAPS, SHEETS, Run, frame
from tapetum.structures import Target
from tapetum.tasks.localization import LocalizationMeasured


def localization_report(run: Run, measured: LocalizationMeasured) -> ReportContents:
    """Everything that the report of a localizer shows; `measured` is on `run.dataset`."""
    quality = measured.result.quality
    judged = np.flatnonzero(quality >= 0)  # the others hold nothing to be found
    order = judged[np.argsort(-quality[judged], kind="stable")]
    shown = [int(i) for i in order if len(measured.found[i])]
    return frame(
        run,
        measured.stats,
        "both_right",
        verdicts=verdicts(measured),
        class_rows=[ClassRow(name, row) for name, row in measured.result.classes.items()],
        best=[_sheet(run, measured, int(i)) for i in order[:SHEETS]],
        worst=[_sheet(run, measured, int(i)) for i in order[::-1][:SHEETS]],
        explanations=[]
        if run.explain is None
        else [_explanation(run, measured, i) for i in shown[:MAPS]],
        notes=("Truth is dashed, predictions are solid.",),
        next_steps=next_steps(run, "both_right", localization_steps(run, measured)),
    )


def verdicts(measured: LocalizationMeasured) -> list[str]:
    """What the numbers say, in sentences."""
    stats = measured.stats
    return [
        f"Class and box are both right in {stats['both_right']:.1%} of the cases; the class alone "
        f"in {stats['class_accuracy']:.1%}, with a mean IoU of {stats['mean_iou']:.2f}."
    ]


def _sheet(run: Run, measured: LocalizationMeasured, index: int) -> Sheet:
    sample = run.dataset[index]
    drawn = draw_things(
        sample.image, measured.found[index], measured.classes, sample.target.objects
    )
    return Sheet(drawn, measured.names[index], _caption(measured, index))


def _caption(measured: LocalizationMeasured, index: int) -> str:
    """Which of the two is wrong, in words."""
    right = measured.result.class_right[index]
    named = "the right class" if right == 1 else "the wrong class" if right == 0 else "some right"
    return f"{named}, IoU {measured.result.iou[index]:.2f}"


def _explanation(run: Run, measured: LocalizationMeasured, index: int) -> Explanation:
    assert run.explain is not None
    picture = run.dataset[index].image
    thing = measured.found[index][[0]]
    target = Target(objects=thing)
    heat = run.explain(picture, target)
    assert thing.scores is not None
    image: Image.Image = draw_things(picture, thing, measured.classes)
    sides = thing.boxes[0, 2:] - thing.boxes[0, :2]
    return Explanation(
        image=image,
        heat=overlay_heat(picture, heat, objects=thing, classes=measured.classes),
        name=measured.names[index],
        label=measured.classes[int(thing.labels[0])],
        score=float(thing.scores[0]),
        method=run.method(target),
        inside=heat_inside(heat, thing.boxes[0]),
        area=float(sides.prod()) / heat.numel(),
    )
