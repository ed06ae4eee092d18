"""The report of classification: which classes are mixed up, how sure the model is, and why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from tapetum.evaluation import ClassificationResult, MultilabelResult
from tapetum.models.classification.linear import class_templates
from tapetum.render import (
    confusion_matrix,
    draw_class_scores,
    image_grid,
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
from tapetum.reporting.sections.run import CROPS, MAPS, SHEETS, Run, frame
from tapetum.reporting.sections.suggestions import classification_steps, next_steps
from tapetum.structures import Target
from tapetum.tasks.classification import ClassificationEvaluation


def classification_report(run: Run, evaluation: ClassificationEvaluation) -> ReportContents:
    """Everything that the report of a classifier shows; `evaluation` is on `run.dataset`."""
    belief = belief_in_truth(evaluation)  # (N,)
    order = np.argsort(belief, kind="stable")
    metric = "mAP" if isinstance(evaluation.result, MultilabelResult) else "top1"
    surest = [_mistake(run, evaluation, int(i)) for i in _mistakes(evaluation)[:CROPS]]
    return frame(
        run,
        evaluation.stats,
        metric,
        verdicts=verdicts(evaluation),
        class_rows=class_rows(evaluation),
        panels=_panels(run, evaluation),
        best=[_sheet(run, evaluation, int(i)) for i in order[::-1][:SHEETS]],
        worst=[_sheet(run, evaluation, int(i)) for i in order[:SHEETS]],
        errors=[Mistakes("the surest mistakes", examples=surest)] if surest else [],
        explanations=_explanations(run, evaluation, order[::-1]),
        next_steps=next_steps(run, metric, classification_steps(run, evaluation)),
    )


def verdicts(evaluation: ClassificationEvaluation) -> list[str]:
    """What the numbers say, in sentences, the most important first."""
    result, stats = evaluation.result, evaluation.stats
    if isinstance(result, MultilabelResult):
        return [f"mAP {stats['mAP']:.3f} over {len(evaluation.classes)} classes."]
    right = round(stats["top1"] * len(evaluation.ground_truth))
    sentences = [
        f"{right:,} of {len(evaluation.ground_truth):,} images are right: {stats['top1']:.1%}."
    ]
    mixed = result.confusion.copy()
    np.fill_diagonal(mixed, 0)
    if mixed.any():
        true, said = np.unravel_index(int(mixed.argmax()), mixed.shape)
        sentences.append(
            f"The commonest mistake: {evaluation.classes[true]} taken for "
            f"{evaluation.classes[said]}, "
            f"{mixed[true, said]} times of {result.confusion[true].sum()}."
        )
    confidence = float(evaluation.scores.max(axis=1).mean())
    if stats["ECE"] > 0.05:
        tendency = "more" if confidence > stats["top1"] else "less"
        sentences.append(
            f"The model is {tendency} sure than it should be: mean confidence {confidence:.2f}, "
            f"right {stats['top1']:.2f} of the time."
        )
    return sentences


def belief_in_truth(evaluation: ClassificationEvaluation) -> np.ndarray:
    """(N,) the score of the right class; with several labels, of the least believed answer."""
    if evaluation.ground_truth.ndim == 1:
        return evaluation.scores[np.arange(len(evaluation.ground_truth)), evaluation.ground_truth]
    agreement = np.where(
        evaluation.ground_truth, evaluation.scores, 1 - evaluation.scores
    )  # (N, C)
    return agreement.min(axis=1)


def class_rows(evaluation: ClassificationEvaluation) -> list[ClassRow]:
    """The numbers of each class."""
    result = evaluation.result
    if isinstance(result, ClassificationResult):
        return [
            ClassRow(name, {"recall": recall, "precision": precision, "F1": f1, "images": count})
            for name, recall, precision, f1, count in zip(
                evaluation.classes,
                result.recall.tolist(),
                result.precision.tolist(),
                result.f1.tolist(),
                result.confusion.sum(axis=1).tolist(),
                strict=True,
            )
        ]
    counts = evaluation.ground_truth.sum(axis=0).tolist()
    rows = zip(evaluation.classes, result.average_precision.tolist(), counts, strict=True)
    return [ClassRow(name, {"AP": value, "images": count}) for name, value, count in rows]


def _panels(run: Run, evaluation: ClassificationEvaluation) -> list[Panel]:
    panels = []
    result = evaluation.result
    if isinstance(result, ClassificationResult):
        matrix = confusion_matrix(result.confusion, evaluation.classes)
        panels.append(Panel("Confusion", matrix, "Rows are true classes, columns what was said."))
        bins = result.reliability
        chart = reliability_diagram(bins.confidence, bins.accuracy, bins.count)
        note = "On the diagonal, the model is right as often as it says."
        panels.append(Panel("Is it as sure as it is right?", chart, note))
    templates = class_templates(run.model)
    if templates is not None:
        images = [to_image(template) for template in templates.cpu()]
        note = "What each class looks for: the weights of its linear score, as an image."
        panels.append(Panel("Templates", image_grid(images, evaluation.classes), note))
    return panels


def _sheet(run: Run, evaluation: ClassificationEvaluation, index: int) -> Sheet:
    image = run.dataset[index].image
    drawn = draw_class_scores(
        image,
        torch.from_numpy(evaluation.scores[index]),
        evaluation.classes,
        ground_truth=_ground_truth(evaluation, index),
    )
    return Sheet(drawn, evaluation.names[index], _caption(evaluation, index))


def _caption(evaluation: ClassificationEvaluation, index: int) -> str:
    true = (
        ", ".join(evaluation.classes[label] for label in _ground_truth(evaluation, index)) or "none"
    )
    if evaluation.ground_truth.ndim == 2:
        said = np.flatnonzero(evaluation.scores[index] >= 0.5)
        found = ", ".join(evaluation.classes[label] for label in said) or "none"
        return f"true: {true}; said: {found}"
    label = int(evaluation.scores[index].argmax())
    return (
        f"{true}, taken for {evaluation.classes[label]}"
        if label != evaluation.ground_truth[index]
        else true
    )


def _ground_truth(evaluation: ClassificationEvaluation, index: int) -> Sequence[int]:
    own = evaluation.ground_truth[index]
    return [int(own)] if evaluation.ground_truth.ndim == 1 else np.flatnonzero(own).tolist()


def _mistakes(evaluation: ClassificationEvaluation) -> np.ndarray:
    """Images with the wrong class, the surest mistakes first; none with several labels."""
    if evaluation.ground_truth.ndim == 2:
        return np.zeros(0, dtype=np.int64)
    wrong = np.flatnonzero(evaluation.scores.argmax(axis=1) != evaluation.ground_truth)
    return wrong[np.argsort(-evaluation.scores[wrong].max(axis=1), kind="stable")]


def _mistake(run: Run, evaluation: ClassificationEvaluation, index: int) -> Crop:
    label = int(evaluation.scores[index].argmax())
    true = evaluation.classes[evaluation.ground_truth[index]]
    belief = evaluation.scores[index, evaluation.ground_truth[index]]
    return Crop(
        _enlarged(to_image(run.dataset[index].image)),
        evaluation.names[index],
        evaluation.classes[label],
        float(evaluation.scores[index, label]),
        f"it is {true}, which got {belief:.2f}",
    )


def _explanations(
    run: Run, evaluation: ClassificationEvaluation, order: np.ndarray
) -> list[Explanation]:
    """The surest right answers, one of each class first, with their heat maps."""
    if run.explain is None:
        return []
    first: dict[int, int] = {}
    for index in order.tolist():
        for label in _ground_truth(evaluation, index):
            first.setdefault(label, index)
    pairs = list(first.items())[:MAPS]
    return [_explanation(run, evaluation, index, label) for label, index in pairs]


def _explanation(
    run: Run, evaluation: ClassificationEvaluation, index: int, label: int
) -> Explanation:
    assert run.explain is not None
    image = run.dataset[index].image
    target = Target(labels=torch.tensor([label]))
    heat = run.explain(image, target)
    return Explanation(
        image=_enlarged(to_image(image)),
        heat=_enlarged(overlay_heat(image, heat)),
        name=evaluation.names[index],
        label=evaluation.classes[label],
        score=float(evaluation.scores[index, label]),
        method=run.method(target),
    )


def _enlarged(image: Image.Image, least: int = 160) -> Image.Image:
    """Small images in whole multiples of their size, so that one sees their pixels."""
    times = -(-least // max(1, min(image.size)))
    if times <= 1:
        return image
    size = image.width * times, image.height * times
    return image.resize(size, Image.Resampling.NEAREST)
