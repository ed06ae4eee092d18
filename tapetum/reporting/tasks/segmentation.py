"""The report of segmentation: which pixels are right, which classes are mixed up, and why."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tapetum.evaluation import SegmentationResult
from tapetum.render import confusion_matrix, draw_semantic, draw_semantic_errors, side_by_side
from tapetum.render.overlay import overlay_heat
from tapetum.reporting.contents import ClassRow, Explanation, Panel, ReportContents, Sheet
from tapetum.reporting.sections.run import MAPS, SHEETS, Run, frame
from tapetum.reporting.sections.suggestions import next_steps, segmentation_steps
from tapetum.structures import Target
from tapetum.tasks.segmentation import IGNORE, SegmentationEvaluation


def segmentation_report(run: Run, evaluation: SegmentationEvaluation) -> ReportContents:
    """Everything that the report of a segmenter shows; `evaluation` is on `run.dataset`."""
    order = np.argsort(-evaluation.quality, kind="stable")
    half = len(order) // 2 or 1
    best, worst = order[: min(SHEETS, half)], order[::-1][: min(SHEETS, len(order) - half)]
    result = evaluation.result
    matrix = confusion_matrix(result.counts, run.dataset.classes)
    note = "Pixels: rows are true classes, columns what was said."
    return frame(
        run,
        evaluation.stats,
        "mIoU",
        verdicts=verdicts(run, evaluation),
        stats_note="From one confusion matrix over all pixels; ignored ones count nowhere.",
        class_rows=class_rows(result),
        panels=[Panel("Confusion", matrix, note)],
        best=[_sheet(run, evaluation, int(i)) for i in best],
        worst=[_sheet(run, evaluation, int(i)) for i in worst],
        explanations=_explanations(run, [int(i) for i in best]),
        notes=("Each image: what was predicted, what is true, and the wrong pixels.",),
        next_steps=next_steps(run, "mIoU", segmentation_steps(run, evaluation)),
    )


def verdicts(run: Run, evaluation: SegmentationEvaluation) -> list[str]:
    """What the numbers say, in sentences."""
    stats, result = evaluation.stats, evaluation.result
    sentences = [
        f"{stats['accuracy']:.1%} of the pixels are right; mean IoU over the classes is "
        f"{stats['mIoU']:.3f}."
    ]
    each = zip(result.class_names, result.iou.tolist(), strict=True)
    known = {name: value for name, value in each if value >= 0}
    if len(known) > 1:
        low, high = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
        sentences.append(
            f"The easiest class is {high} (IoU {known[high]:.2f}), the hardest {low} "
            f"({known[low]:.2f})."
        )
    return sentences


def class_rows(result: SegmentationResult) -> list[ClassRow]:
    """The numbers of each class."""
    total = max(1, int(result.counts.sum()))
    columns = (result.iou, result.dice, result.accuracy, result.counts.sum(axis=1) / total)
    names = ("IoU", "Dice", "accuracy", "share of pixels")
    return [
        ClassRow(name, dict(zip(names, row, strict=True)))
        for name, row in zip(result.class_names, np.stack(columns, 1).tolist(), strict=True)
    ]


def _sheet(run: Run, evaluation: SegmentationEvaluation, index: int) -> Sheet:
    sample = run.dataset[index]
    ground_truth, found = sample.target.semantic, run.predict(sample.image).semantic
    assert ground_truth is not None
    assert found is not None
    classes = run.dataset.classes
    drawn = side_by_side(
        [
            draw_semantic(sample.image, found, classes),
            draw_semantic(sample.image, ground_truth, classes, legend=False),
            draw_semantic_errors(sample.image, ground_truth, found),
        ]
    )
    return Sheet(drawn, evaluation.names[index], f"mean IoU {evaluation.quality[index]:.2f}")


def _explanations(run: Run, indices: list[int]) -> list[Explanation]:
    """One class in each of a few images: a different class wherever there is one."""
    if run.explain is None:
        return []
    used: set[int] = set()
    found = []
    for index in indices[:MAPS]:
        semantic = run.predict(run.dataset[index].image).semantic
        assert semantic is not None
        label = _fresh_class(semantic, used)
        used.add(label)
        found.append(_explanation(run, index, semantic, label))
    return found


def _fresh_class(semantic: Tensor, used: set[int]) -> int:
    """The largest class of the map that was not shown yet, else the largest."""
    counts = torch.bincount(semantic.flatten().long(), minlength=1)
    order = torch.argsort(counts, descending=True, stable=True).tolist()
    present = [label for label in order if counts[label] > 0]
    return next((label for label in present if label not in used), present[0])


def _explanation(run: Run, index: int, semantic: Tensor, label: int) -> Explanation:
    assert run.explain is not None
    image = run.dataset[index].image
    only = torch.where(semantic == label, semantic, IGNORE)
    target = Target(semantic=only)
    heat = run.explain(image, target)
    share = float((semantic == label).double().mean())
    inside = float(heat[semantic == label].sum() / heat.sum().clamp(min=1e-9))
    return Explanation(
        image=draw_semantic(image, only, run.dataset.classes),
        heat=overlay_heat(image, heat),
        name=run.dataset[index].name,
        label=run.dataset.classes[label],
        method=run.method(target),
        inside=inside,
        area=share,
        place="pixels of this class",
    )
