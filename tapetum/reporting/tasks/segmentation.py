"""The report of semantic segmentation: confusion matrix of the pixels, maps, explanations."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tapetum.diagnosis import segmentation_advice, segmentation_findings
from tapetum.evaluation import SegmentationResult
from tapetum.render import confusion_matrix, draw_semantic, draw_semantic_errors, side_by_side
from tapetum.render.overlay import overlay_heat
from tapetum.reporting.contents import ClassRow, Explanation, Panel, ReportContents, Sheet
from tapetum.reporting.sections.run import MAPS, SHEETS, Run, frame
from tapetum.reporting.sections.suggestions import next_steps
from tapetum.structures import IGNORE_INDEX, Target
from tapetum.tasks.segmentation import SegmentationEvaluation


def segmentation_report(run: Run, evaluation: SegmentationEvaluation) -> ReportContents:
    """Everything that the report of a segmenter shows; `evaluation` is on `run.dataset`."""
    order = np.argsort(-evaluation.quality, kind="stable")
    half = len(order) // 2 or 1
    best, worst = order[: min(SHEETS, half)], order[::-1][: min(SHEETS, len(order) - half)]
    result = evaluation.result
    matrix = confusion_matrix(result.counts, run.dataset.classes)
    note = "Pixels: rows are true classes, columns predicted classes."
    names = result.class_names
    findings = segmentation_findings(evaluation.stats, result.iou, names)
    advice = segmentation_advice(result.counts, result.iou, names, run.setup())
    return frame(
        run,
        evaluation.stats,
        "mIoU",
        verdicts=[finding.text for finding in findings],
        stats_note="From one confusion matrix over all pixels, without the ignored ones.",
        class_rows=class_rows(result),
        panels=[Panel("Confusion matrix", matrix, note)],
        best=[_sheet(run, evaluation, int(i)) for i in best],
        worst=[_sheet(run, evaluation, int(i)) for i in worst],
        explanations=_explanations(run, [int(i) for i in best]),
        notes=("Each image: prediction, ground truth, and the wrong pixels.",),
        next_steps=next_steps(run, "mIoU", advice),
    )


def class_rows(result: SegmentationResult) -> list[ClassRow]:
    """The numbers of each class."""
    total = max(1, int(result.counts.sum()))
    columns = (result.iou, result.dice, result.accuracy, result.counts.sum(axis=1) / total)
    names = ("IoU", "Dice", "accuracy", "fraction of pixels")
    return [
        ClassRow(name, dict(zip(names, row, strict=True)))
        for name, row in zip(result.class_names, np.stack(columns, 1).tolist(), strict=True)
    ]


def _sheet(run: Run, evaluation: SegmentationEvaluation, index: int) -> Sheet:
    sample = run.dataset[index]
    ground_truth, predicted = sample.target.semantic, run.predict(sample.image).semantic
    assert ground_truth is not None
    assert predicted is not None
    classes = run.dataset.classes
    drawn = side_by_side(
        [
            draw_semantic(sample.image, predicted, classes),
            draw_semantic(sample.image, ground_truth, classes, legend=False),
            draw_semantic_errors(sample.image, ground_truth, predicted),
        ]
    )
    return Sheet(drawn, evaluation.names[index], f"mean IoU {evaluation.quality[index]:.2f}")


def _explanations(run: Run, indices: list[int]) -> list[Explanation]:
    """One class in each of a few images: a different class wherever there is one."""
    if run.explain is None:
        return []
    used: set[int] = set()
    shown = []
    for index in indices[:MAPS]:
        semantic = run.predict(run.dataset[index].image).semantic
        assert semantic is not None
        label = _unused_class(semantic, used)
        used.add(label)
        shown.append(_explanation(run, index, semantic, label))
    return shown


def _unused_class(semantic: Tensor, used: set[int]) -> int:
    """The largest class of the map that was not shown yet, else the largest."""
    counts = torch.bincount(semantic.flatten().long(), minlength=1)
    order = torch.argsort(counts, descending=True, stable=True).tolist()
    present = [label for label in order if counts[label] > 0]
    return next((label for label in present if label not in used), present[0])


def _explanation(run: Run, index: int, semantic: Tensor, label: int) -> Explanation:
    assert run.explain is not None
    image = run.dataset[index].image
    only = torch.where(semantic == label, semantic, IGNORE_INDEX)
    target = Target(semantic=only)
    heat = run.explain(image, target)
    area = float((semantic == label).double().mean())
    inside = float(heat[semantic == label].sum() / heat.sum().clamp(min=1e-9))
    return Explanation(
        image=draw_semantic(image, only, run.dataset.classes),
        heat=overlay_heat(image, heat),
        name=run.dataset[index].name,
        label=run.dataset.classes[label],
        method=run.method(target),
        inside=inside,
        area=area,
        place="pixels of this class",
    )
