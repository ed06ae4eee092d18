"""From a run and its evaluation to the contents of a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from tapetum.data.dataset import Dataset
from tapetum.evaluate import ClassRow as ClassNumbers
from tapetum.evaluate import per_class, precision_recall_curve
from tapetum.explain import heat_inside
from tapetum.render.draw import draw_objects
from tapetum.render.overlay import overlay_heat
from tapetum.report.contents import ClassRow, Crop, Curve, Explanation, ReportContents, Sheet
from tapetum.report.examples import (
    PictureOutcome,
    best_and_worst,
    class_thresholds,
    false_alarms,
    misses,
    picture_outcomes,
    why_false,
    why_missed,
)
from tapetum.structures import Objects
from tapetum.train.measure import Measured
from tapetum.train.run import RunRecord

Explain = Callable[[Tensor, Objects], Tensor]
"""(picture, one object) -> heat map (H, W) in [0, 1]."""

SHEETS, CROPS, MAPS = 6, 8, 6


def gather(
    record: RunRecord,
    history: Sequence[Mapping[str, Any]],
    measured: Measured,
    dataset: Dataset,
    explain: Explain,
    *,
    parameters: int,
    checkpoint: str,
    resources: Mapping[str, Any],
) -> ReportContents:
    """Everything that the report of a detection run shows.

    measured: the model on `dataset`. checkpoint: in words, as in "step 400, the best".
    """
    outcomes = picture_outcomes(measured)
    best, worst = best_and_worst(outcomes, SHEETS)
    sheets = {o.index: _sheet(o, dataset) for o in [*best, *worst]}
    return ReportContents(
        title=f"{record.model} on {Path(record.data).name}",
        subtitle=f"{dataset.name}: {len(measured.pictures)} pictures, with {checkpoint}",
        verdicts=verdicts(measured, history, outcomes),
        command=record.command,
        settings=_settings(record),
        environment=record.environment,
        resources=resources,
        parameters=parameters,
        classes=record.classes,
        splits=record.counts.get("pictures", {}),
        class_counts=record.counts.get("objects", {}),
        history=history,
        stats=measured.result.stats,
        stats_note="COCO's definition; areas in pixels of the original pictures.",
        class_rows=_class_rows(measured),
        curves=_curves(measured),
        curves_note="IoU 0.5",
        best=[sheets[o.index] for o in best],
        worst=[sheets[o.index] for o in worst],
        misses=[_missed(o, row, dataset) for o, row in misses(outcomes, CROPS)],
        false_alarms=[_alarm(o, row, dataset) for o, row in false_alarms(outcomes, CROPS)],
        explanations=_explanations(outcomes, dataset, explain),
        notes=(
            "Pictures show the detections above each class's threshold of the best F1, given in "
            "the table of classes. Truth is dashed, predictions are solid.",
        ),
    )


def verdicts(
    measured: Measured, history: Sequence[Mapping[str, Any]], outcomes: Sequence[PictureOutcome]
) -> list[str]:
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
    return sentences + _learning_verdicts(history)


def _by_ap(row: ClassNumbers) -> float:
    return row.ap


def _learning_verdicts(history: Sequence[Mapping[str, Any]]) -> list[str]:
    steps = [row for row in history if row.get("event") == "step"]
    points = [row["AP"] for row in history if row.get("event") == "evaluation" and "AP" in row]
    sentences = []
    if len(points) >= 3 and points[-1] - points[-2] > 0.01:
        sentences.append(
            f"AP was still rising at the end (from {points[-2]:.3f} to {points[-1]:.3f}): "
            f"more --epochs would help."
        )
    if len(points) >= 3 and max(points) - points[-1] > 0.02:
        sentences.append(
            f"AP fell from {max(points):.3f} to {points[-1]:.3f}: the model learnt the training "
            f"pictures by heart. The best checkpoint is kept; more pictures or stronger --augment."
        )
    waits = [row["data_wait"] / row["seconds"] for row in steps if row.get("seconds")]
    if waits and float(np.mean(waits)) > 0.3:
        sentences.append(
            f"{100 * float(np.mean(waits)):.0f} % of the time went into waiting for pictures: "
            f"use --workers."
        )
    return sentences


def _settings(record: RunRecord) -> dict[str, dict[str, Any]]:
    return {
        "model": {"name": record.model, **record.arguments},
        "training": asdict(record.settings),
        "data": {
            "data": record.data,
            "validation": record.val or "its own split, or a held-out part",
            "augmentation": record.augment,
            "device": record.device,
            "precision of training": record.precision,
        },
    }


def _class_rows(measured: Measured) -> list[ClassRow]:
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


def _curves(measured: Measured) -> list[Curve]:
    curves = []
    for k, name in enumerate(measured.result.category_names):
        if measured.result.truths[k, 0] == 0:
            continue
        recall, precision, _ = precision_recall_curve(measured.result, k)
        curves.append(Curve(name, recall.tolist(), precision.tolist()))
    return curves


def _sheet(outcome: PictureOutcome, dataset: Dataset) -> Sheet:
    picture = dataset[outcome.index].image
    drawn = draw_objects(picture, outcome.found, dataset.classes, outcome.truth)
    return Sheet(drawn, outcome.name, outcome.caption())


def _missed(outcome: PictureOutcome, row: int, dataset: Dataset) -> Crop:
    thing = outcome.truth[[row]]
    name = dataset.classes[int(thing.labels[0])]
    image = _crop(dataset[outcome.index].image, thing, dataset.classes, truth=True)
    reason = why_missed(outcome, row, dataset.classes)
    return Crop(image, outcome.name, name, None, reason)


def _alarm(outcome: PictureOutcome, row: int, dataset: Dataset) -> Crop:
    thing = outcome.found[[row]]
    assert thing.scores is not None
    name, score = dataset.classes[int(thing.labels[0])], float(thing.scores[0])
    image = _crop(dataset[outcome.index].image, thing, dataset.classes, truth=False)
    reason = why_false(outcome, row, dataset.classes)
    return Crop(image, outcome.name, name, score, reason)


def _crop(picture: Tensor, thing: Objects, classes: Sequence[str], *, truth: bool) -> Image.Image:
    """The surroundings of a thing, twice its size and at least 64 pixels, with its box."""
    height, width = picture.shape[-2:]
    x1, y1, x2, y2 = thing.boxes[0].tolist()
    reach = max(x2 - x1, y2 - y1, 32.0)
    left, top = int(max(0, (x1 + x2) / 2 - reach)), int(max(0, (y1 + y2) / 2 - reach))
    right = int(min(width, (x1 + x2) / 2 + reach)) + 1
    bottom = int(min(height, (y1 + y2) / 2 + reach)) + 1
    shift = thing.boxes.new_tensor([left, top, left, top])
    moved = thing.with_(boxes=thing.boxes - shift)
    part = picture[:, top:bottom, left:right]
    if truth:
        nothing = Objects.empty(scored=True)
        return draw_objects(part, nothing, classes, moved, legend=False, labels=False)
    return draw_objects(part, moved, classes, labels=False)


def _explanations(
    outcomes: Sequence[PictureOutcome], dataset: Dataset, explain: Explain
) -> list[Explanation]:
    """The most confident right detections, one of each class first, with their heat maps."""
    chosen = _confident(outcomes)[:MAPS]
    return [_explanation(outcome, row, dataset, explain) for outcome, row in chosen]


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


def _explanation(
    outcome: PictureOutcome, row: int, dataset: Dataset, explain: Explain
) -> Explanation:
    picture = dataset[outcome.index].image
    thing = outcome.found[[row]]
    heat = explain(picture, thing)
    assert thing.scores is not None
    sides = thing.boxes[0, 2:] - thing.boxes[0, :2]
    return Explanation(
        image=draw_objects(picture, thing, dataset.classes),
        heat=overlay_heat(picture, heat, objects=thing, classes=dataset.classes),
        name=outcome.name,
        label=dataset.classes[int(thing.labels[0])],
        score=float(thing.scores[0]),
        method="grad-cam",
        inside=heat_inside(heat, thing.boxes[0]),
        area=float(sides.prod()) / heat.numel(),
    )
