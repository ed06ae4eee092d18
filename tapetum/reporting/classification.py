"""The report of classification: which classes are mixed up, how sure the model is, and why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from tapetum.evaluation import ClassificationResult, MultilabelResult
from tapetum.render import (
    confusion_matrix,
    draw_class_scores,
    picture_grid,
    reliability_diagram,
    to_image,
)
from tapetum.render.overlay import overlay_heat
from tapetum.reporting.contents import (
    ClassRow,
    Crop,
    Explanation,
    Mistakes,
    Panel,
    ReportContents,
    Sheet,
)
from tapetum.reporting.next import classification_steps, next_steps
from tapetum.reporting.run import CROPS, MAPS, SHEETS, Run, frame
from tapetum.structures import Target
from tapetum.tasks.classification import ClassificationMeasured


def classification_report(run: Run, measured: ClassificationMeasured) -> ReportContents:
    """Everything that the report of a classifier shows; `measured` is on `run.dataset`."""
    belief = belief_in_truth(measured)  # (N,)
    order = np.argsort(belief, kind="stable")
    metric = "mAP" if isinstance(measured.result, MultilabelResult) else "top1"
    surest = [_mistake(run, measured, int(i)) for i in _mistakes(measured)[:CROPS]]
    return frame(
        run,
        measured.stats,
        metric,
        verdicts=verdicts(measured),
        class_rows=class_rows(measured),
        panels=_panels(run, measured),
        best=[_sheet(run, measured, int(i)) for i in order[::-1][:SHEETS]],
        worst=[_sheet(run, measured, int(i)) for i in order[:SHEETS]],
        errors=[Mistakes("the surest mistakes", examples=surest)] if surest else [],
        explanations=_explanations(run, measured, order[::-1]),
        next_steps=next_steps(run, metric, classification_steps(run, measured)),
    )


def verdicts(measured: ClassificationMeasured) -> list[str]:
    """What the numbers say, in sentences, the most important first."""
    result, stats = measured.result, measured.stats
    if isinstance(result, MultilabelResult):
        return [f"mAP {stats['mAP']:.3f} over {len(measured.classes)} classes."]
    right = round(stats["top1"] * len(measured.truth))
    sentences = [f"{right:,} of {len(measured.truth):,} pictures are right: {stats['top1']:.1%}."]
    mixed = result.confusion.copy()
    np.fill_diagonal(mixed, 0)
    if mixed.any():
        true, said = np.unravel_index(int(mixed.argmax()), mixed.shape)
        sentences.append(
            f"The commonest mistake: {measured.classes[true]} taken for "
            f"{measured.classes[said]}, "
            f"{mixed[true, said]} times of {result.confusion[true].sum()}."
        )
    confidence = float(measured.scores.max(axis=1).mean())
    if stats["ECE"] > 0.05:
        tendency = "more" if confidence > stats["top1"] else "less"
        sentences.append(
            f"The model is {tendency} sure than it should be: mean confidence {confidence:.2f}, "
            f"right {stats['top1']:.2f} of the time."
        )
    return sentences


def belief_in_truth(measured: ClassificationMeasured) -> np.ndarray:
    """(N,) the score of the right class; with several labels, of the least believed answer."""
    if measured.truth.ndim == 1:
        return measured.scores[np.arange(len(measured.truth)), measured.truth]
    agreement = np.where(measured.truth, measured.scores, 1 - measured.scores)  # (N, C)
    return agreement.min(axis=1)


def class_rows(measured: ClassificationMeasured) -> list[ClassRow]:
    """The numbers of each class."""
    result = measured.result
    if isinstance(result, ClassificationResult):
        return [
            ClassRow(name, {"recall": recall, "precision": precision, "F1": f1, "pictures": count})
            for name, recall, precision, f1, count in zip(
                measured.classes,
                result.recall.tolist(),
                result.precision.tolist(),
                result.f1.tolist(),
                result.confusion.sum(axis=1).tolist(),
                strict=True,
            )
        ]
    counts = measured.truth.sum(axis=0).tolist()
    rows = zip(measured.classes, result.average_precision.tolist(), counts, strict=True)
    return [ClassRow(name, {"AP": value, "pictures": count}) for name, value, count in rows]


def _panels(run: Run, measured: ClassificationMeasured) -> list[Panel]:
    panels = []
    result = measured.result
    if isinstance(result, ClassificationResult):
        matrix = confusion_matrix(result.confusion, measured.classes)
        panels.append(Panel("Confusion", matrix, "Rows are true classes, columns what was said."))
        bins = result.reliability
        chart = reliability_diagram(bins.confidence, bins.accuracy, bins.count)
        note = "On the diagonal, the model is right as often as it says."
        panels.append(Panel("Is it as sure as it is right?", chart, note))
    templates = getattr(run.model, "templates", None)
    if templates is not None:
        with torch.no_grad():
            pictures = [to_image(template) for template in templates().cpu()]
        note = "What each class looks for: the weights of its linear score, as a picture."
        panels.append(Panel("Templates", picture_grid(pictures, measured.classes), note))
    return panels


def _sheet(run: Run, measured: ClassificationMeasured, index: int) -> Sheet:
    picture = run.dataset[index].image
    drawn = draw_class_scores(
        picture,
        torch.from_numpy(measured.scores[index]),
        measured.classes,
        truth=_truth(measured, index),
    )
    return Sheet(drawn, measured.names[index], _caption(measured, index))


def _caption(measured: ClassificationMeasured, index: int) -> str:
    true = ", ".join(measured.classes[label] for label in _truth(measured, index)) or "none"
    if measured.truth.ndim == 2:
        said = np.flatnonzero(measured.scores[index] >= 0.5)
        found = ", ".join(measured.classes[label] for label in said) or "none"
        return f"true: {true}; said: {found}"
    label = int(measured.scores[index].argmax())
    return (
        f"{true}, taken for {measured.classes[label]}" if label != measured.truth[index] else true
    )


def _truth(measured: ClassificationMeasured, index: int) -> Sequence[int]:
    own = measured.truth[index]
    return [int(own)] if measured.truth.ndim == 1 else np.flatnonzero(own).tolist()


def _mistakes(measured: ClassificationMeasured) -> np.ndarray:
    """Pictures with the wrong class, the surest mistakes first; none with several labels."""
    if measured.truth.ndim == 2:
        return np.zeros(0, dtype=np.int64)
    wrong = np.flatnonzero(measured.scores.argmax(axis=1) != measured.truth)
    return wrong[np.argsort(-measured.scores[wrong].max(axis=1), kind="stable")]


def _mistake(run: Run, measured: ClassificationMeasured, index: int) -> Crop:
    label = int(measured.scores[index].argmax())
    true = measured.classes[measured.truth[index]]
    belief = measured.scores[index, measured.truth[index]]
    return Crop(
        _enlarged(to_image(run.dataset[index].image)),
        measured.names[index],
        measured.classes[label],
        float(measured.scores[index, label]),
        f"it is {true}, which got {belief:.2f}",
    )


def _explanations(
    run: Run, measured: ClassificationMeasured, order: np.ndarray
) -> list[Explanation]:
    """The surest right answers, one of each class first, with their heat maps."""
    if run.explain is None:
        return []
    first: dict[int, int] = {}
    for index in order.tolist():
        for label in _truth(measured, index):
            first.setdefault(label, index)
    pairs = list(first.items())[:MAPS]
    return [_explanation(run, measured, index, label) for label, index in pairs]


def _explanation(run: Run, measured: ClassificationMeasured, index: int, label: int) -> Explanation:
    assert run.explain is not None
    picture = run.dataset[index].image
    target = Target(labels=torch.tensor([label]))
    heat = run.explain(picture, target)
    return Explanation(
        image=_enlarged(to_image(picture)),
        heat=_enlarged(overlay_heat(picture, heat)),
        name=measured.names[index],
        label=measured.classes[label],
        score=float(measured.scores[index, label]),
        method=run.method(target),
    )


def _enlarged(image: Image.Image, least: int = 160) -> Image.Image:
    """Small pictures in whole multiples of their size, so that one sees their pixels."""
    times = -(-least // max(1, min(image.size)))
    if times <= 1:
        return image
    size = image.width * times, image.height * times
    return image.resize(size, Image.Resampling.NEAREST)
