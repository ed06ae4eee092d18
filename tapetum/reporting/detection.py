"""The report of detection, masks and keypoints: what was found, missed and imagined, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from tapetum.evaluation import ClassRow as ClassNumbers
from tapetum.evaluation import per_class, precision_recall_curve
from tapetum.explain import heat_inside
from tapetum.render import draw_things
from tapetum.render.overlay import overlay_heat
from tapetum.reporting.contents import ClassRow, Crop, Curve, Explanation, ReportContents, Sheet
from tapetum.reporting.examples import (
    PictureOutcome,
    best_and_worst,
    class_thresholds,
    false_alarms,
    misses,
    picture_outcomes,
    why_false,
    why_missed,
)
from tapetum.reporting.run import CROPS, MAPS, SHEETS, Run, frame
from tapetum.structures import Objects, Target
from tapetum.tasks.detection import DetectionMeasured

KINDS = {"bbox": "boxes", "segm": "masks", "keypoints": "keypoints"}
OVERLAPS = {"bbox": "IoU", "segm": "IoU", "keypoints": "OKS"}


def detection_report(run: Run, measured: DetectionMeasured) -> ReportContents:
    """Everything that the report of a detector shows; `measured` is on `run.dataset`."""
    outcomes = picture_outcomes(measured)
    best, worst = best_and_worst(outcomes, SHEETS)
    sheets = {o.index: _sheet(o, run) for o in [*best, *worst]}
    what, overlap = KINDS[measured.kind], OVERLAPS[measured.kind]
    return frame(
        run,
        measured.stats,
        "AP",
        verdicts=verdicts(measured, outcomes),
        stats_note=f"COCO's definition, of {what}; overlaps are {overlap}; "
        "areas in pixels of the original pictures.",
        class_rows=_class_rows(measured),
        curves=_curves(measured),
        curves_note=f"{overlap} 0.5",
        best=[sheets[o.index] for o in best],
        worst=[sheets[o.index] for o in worst],
        misses=[_missed(o, row, run) for o, row in misses(outcomes, CROPS)],
        false_alarms=[_alarm(o, row, run) for o, row in false_alarms(outcomes, CROPS)],
        explanations=_explanations(outcomes, run),
        notes=(
            "Pictures show the detections above each class's threshold of the best F1, given in "
            "the table of classes. Truth is dashed, predictions are solid.",
        ),
    )


def verdicts(measured: DetectionMeasured, outcomes: Sequence[PictureOutcome]) -> list[str]:
    """What the run says, in sentences, the most important first."""
    stats = measured.result.stats
    sentences = []
    found = sum(int(o.seen.sum()) for o in outcomes)
    total = sum(len(o.seen) for o in outcomes)
    alarms = sum(int((~o.right).sum()) for o in outcomes)
    if total:
        sentences.append(
            f"AP {stats['AP']:.3f}, AP50 {stats['AP50']:.3f}: at the best thresholds {found} of "
            f"{total} things are found, with {alarms} false alarms on {len(outcomes)} pictures."
        )
    rows = [row for row in per_class(measured.result) if row.truths]
    low, high = min(rows, key=_by_ap, default=None), max(rows, key=_by_ap, default=None)
    if low and high and high.ap - low.ap > 0.02:
        sentences.append(
            f"The easiest class is {high.name} (AP {high.ap:.3f}), the hardest {low.name} "
            f"(AP {low.ap:.3f}, {low.truths} true things here)."
        )
    if stats["AP50"] - stats["AP75"] > 0.35:
        sentences.append(
            f"Things are found but their boxes are loose: AP50 is {stats['AP50']:.2f}, AP75 only "
            f"{stats['AP75']:.2f}. Longer training or larger pictures (--image-size) help."
        )
    return sentences


def _by_ap(row: ClassNumbers) -> float:
    return row.ap


def _class_rows(measured: DetectionMeasured) -> list[ClassRow]:
    rows = per_class(measured.result)
    thresholds = class_thresholds(measured)
    return [
        ClassRow(
            row.name,
            {
                "AP": row.ap,
                "AP50": row.ap50,
                "AP75": row.ap75,
                "AR": row.ar,
                "true things": row.truths,
                "threshold": float(threshold),
            },
        )
        for row, threshold in zip(rows, thresholds, strict=True)
    ]


def _curves(measured: DetectionMeasured) -> list[Curve]:
    curves = []
    for k, name in enumerate(measured.result.category_names):
        if measured.result.truths[k, 0] == 0:
            continue
        recall, precision, _ = precision_recall_curve(measured.result, k)
        curves.append(Curve(name, recall.tolist(), precision.tolist()))
    return curves


def _sheet(outcome: PictureOutcome, run: Run) -> Sheet:
    picture = run.dataset[outcome.index].image
    drawn = draw_things(picture, outcome.found, run.dataset.classes, outcome.truth, **_pose(run))
    return Sheet(drawn, outcome.name, outcome.caption())


def _missed(outcome: PictureOutcome, row: int, run: Run) -> Crop:
    thing = outcome.truth[[row]]
    name = run.dataset.classes[int(thing.labels[0])]
    image = _crop(run.dataset[outcome.index].image, thing, run, truth=True)
    reason = why_missed(outcome, row, run.dataset.classes)
    return Crop(image, outcome.name, name, None, reason)


def _alarm(outcome: PictureOutcome, row: int, run: Run) -> Crop:
    thing = outcome.found[[row]]
    assert thing.scores is not None
    name, score = run.dataset.classes[int(thing.labels[0])], float(thing.scores[0])
    image = _crop(run.dataset[outcome.index].image, thing, run, truth=False)
    reason = why_false(outcome, row, run.dataset.classes)
    return Crop(image, outcome.name, name, score, reason)


def _crop(picture: Tensor, thing: Objects, run: Run, *, truth: bool) -> Image.Image:
    """The surroundings of a thing, twice its size and at least 64 pixels, with its box."""
    height, width = picture.shape[-2:]
    x1, y1, x2, y2 = thing.boxes[0].tolist()
    reach = max(x2 - x1, y2 - y1, 32.0)
    left, top = int(max(0, (x1 + x2) / 2 - reach)), int(max(0, (y1 + y2) / 2 - reach))
    right = int(min(width, (x1 + x2) / 2 + reach)) + 1
    bottom = int(min(height, (y1 + y2) / 2 + reach)) + 1
    moved = _within(thing, (left, top, right, bottom))
    part, classes = picture[:, top:bottom, left:right], run.dataset.classes
    if truth:
        nothing = Objects.empty(scored=True)
        return draw_things(part, nothing, classes, moved, **_pose(run), legend=False, labels=False)
    return draw_things(part, moved, classes, **_pose(run), labels=False)


def _pose(run: Run) -> dict[str, Any]:
    """How keypoints are drawn."""
    return {"skeleton": run.dataset.skeleton, "keypoint_names": run.dataset.keypoint_names}


def _within(things: Objects, window: tuple[int, int, int, int]) -> Objects:
    """Things in the frame of a window left, top, right, bottom of their picture."""
    left, top, right, bottom = window
    masks, points = things.masks, things.keypoints
    return things.with_(
        boxes=things.boxes - things.boxes.new_tensor([left, top, left, top]),
        masks=None if masks is None else masks[:, top:bottom, left:right],
        keypoints=None if points is None else points - points.new_tensor([left, top, 0]),
    )


def _explanations(outcomes: Sequence[PictureOutcome], run: Run) -> list[Explanation]:
    """The most confident right detections, one of each class first, with their heat maps."""
    if run.explain is None:
        return []
    chosen = _confident(outcomes)[:MAPS]
    return [_explanation(outcome, row, run) for outcome, row in chosen]


def _confident(outcomes: Sequence[PictureOutcome]) -> list[tuple[PictureOutcome, int]]:
    seen: dict[int, int] = {}
    ranked = []
    for outcome in outcomes:
        assert outcome.found.scores is not None
        for row in np.flatnonzero(outcome.right).tolist():
            ranked.append((float(outcome.found.scores[row]), outcome, row))
    ranked.sort(key=lambda item: -item[0])
    turns = []
    for score, outcome, row in ranked:
        label = int(outcome.found.labels[row])
        turns.append((seen.get(label, 0), -score, outcome, row))
        seen[label] = seen.get(label, 0) + 1
    turns.sort(key=lambda item: item[:2])
    return [(turn[2], turn[3]) for turn in turns]


def _explanation(outcome: PictureOutcome, row: int, run: Run) -> Explanation:
    assert run.explain is not None
    picture, classes = run.dataset[outcome.index].image, run.dataset.classes
    thing = outcome.found[[row]]
    heat = run.explain(picture, Target(objects=thing))
    assert thing.scores is not None
    sides = thing.boxes[0, 2:] - thing.boxes[0, :2]
    return Explanation(
        image=draw_things(picture, thing, classes, **_pose(run)),
        heat=overlay_heat(picture, heat, objects=thing, classes=classes),
        name=outcome.name,
        label=classes[int(thing.labels[0])],
        score=float(thing.scores[0]),
        method="grad-cam",
        inside=heat_inside(heat, thing.boxes[0]),
        area=float(sides.prod()) / heat.numel(),
    )
