"""The report of a classifier: confusion matrix, calibration, errors, explanations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from tapetum.diagnosis import (
    Finding,
    Setup,
    accuracy_findings,
    calibration_findings,
    confused_classes,
    few_examples,
    multilabel_findings,
)
from tapetum.evaluation import ClassificationResult, MultilabelResult
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
    ErrorGroup,
    Explanation,
    Panel,
    ReportContents,
    Sheet,
)
from tapetum.reporting.sections.run import CROPS, MAPS, SHEETS, Run, frame
from tapetum.reporting.sections.suggestions import next_steps
from tapetum.structures import Target
from tapetum.tasks.classification import ClassificationEvaluation


def classification_report(run: Run, evaluation: ClassificationEvaluation) -> ReportContents:
    """Everything that the report of a classifier shows; `evaluation` is on `run.dataset`."""
    scores = true_class_scores(evaluation)  # (N,)
    order = np.argsort(scores, kind="stable")
    metric = evaluation.metric
    errors = [_error_crop(run, evaluation, int(i)) for i in _confident_errors(evaluation)[:CROPS]]
    return frame(
        run,
        evaluation.stats,
        metric,
        verdicts=[finding.text for finding in findings(evaluation)],
        class_rows=class_rows(evaluation),
        panels=_panels(run, evaluation),
        best=[_sheet(run, evaluation, int(i)) for i in order[::-1][:SHEETS]],
        worst=[_sheet(run, evaluation, int(i)) for i in order[:SHEETS]],
        errors=[ErrorGroup("most confident errors", examples=errors)] if errors else [],
        explanations=_explanations(run, evaluation, order[::-1]),
        next_steps=next_steps(run, metric, advice(evaluation, run.setup())),
    )


def findings(evaluation: ClassificationEvaluation) -> list[Finding]:
    """What the numbers say, the most important first."""
    result, stats = evaluation.result, evaluation.stats
    if isinstance(result, MultilabelResult):
        return multilabel_findings(stats["mAP"], evaluation.classes)
    confidence = float(evaluation.scores.max(axis=1).mean())
    return [
        *accuracy_findings(result.confusion, evaluation.classes),
        *calibration_findings(stats["ECE"], confidence, stats["top1"]),
    ]


def advice(evaluation: ClassificationEvaluation, setup: Setup) -> list[Finding]:
    """Classes that are confused, and classes with few images."""
    result, classes = evaluation.result, evaluation.classes
    if isinstance(result, MultilabelResult):
        ap = dict(zip(classes, result.average_precision.tolist(), strict=True))
        return few_examples(setup, ap, "AP", "images")
    note = "Check the labels of the most confident errors above, and add images of both classes."
    recall = dict(zip(classes, result.recall.tolist(), strict=True))
    return [
        *confused_classes(result.confusion, classes, note),
        *few_examples(setup, recall, "recall", "images"),
    ]


def true_class_scores(evaluation: ClassificationEvaluation) -> np.ndarray:
    """(N,) the score of the true class; with several labels, the lowest score of a right answer."""
    if evaluation.targets.ndim == 1:
        return evaluation.scores[np.arange(len(evaluation.targets)), evaluation.targets]
    agreement = np.where(evaluation.targets, evaluation.scores, 1 - evaluation.scores)  # (N, C)
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
    counts = evaluation.targets.sum(axis=0).tolist()
    rows = zip(evaluation.classes, result.average_precision.tolist(), counts, strict=True)
    return [ClassRow(name, {"AP": value, "images": count}) for name, value, count in rows]


def _panels(run: Run, evaluation: ClassificationEvaluation) -> list[Panel]:
    panels = []
    result = evaluation.result
    if isinstance(result, ClassificationResult):
        matrix = confusion_matrix(result.confusion, evaluation.classes)
        panels.append(
            Panel("Confusion matrix", matrix, "Rows are true classes, columns predicted classes.")
        )
        bins = result.reliability
        chart = reliability_diagram(bins.confidence, bins.accuracy, bins.count)
        note = "On the diagonal, confidence equals accuracy."
        panels.append(Panel("Calibration", chart, note))
    templates = run.model.class_templates()
    if templates is not None:
        images = [to_image(template) for template in templates.cpu()]
        note = "The weights of the linear score of each class, as an image."
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
    if evaluation.targets.ndim == 2:
        predicted = np.flatnonzero(evaluation.scores[index] >= 0.5)
        names = ", ".join(evaluation.classes[label] for label in predicted) or "none"
        return f"true: {true}; predicted: {names}"
    label = int(evaluation.scores[index].argmax())
    return (
        f"{true}, predicted as {evaluation.classes[label]}"
        if label != evaluation.targets[index]
        else true
    )


def _ground_truth(evaluation: ClassificationEvaluation, index: int) -> Sequence[int]:
    labels = evaluation.targets[index]
    return [int(labels)] if evaluation.targets.ndim == 1 else np.flatnonzero(labels).tolist()


def _confident_errors(evaluation: ClassificationEvaluation) -> np.ndarray:
    """Images with a wrong class, the most confident first; none with several labels."""
    if evaluation.targets.ndim == 2:
        return np.zeros(0, dtype=np.int64)
    wrong = np.flatnonzero(evaluation.scores.argmax(axis=1) != evaluation.targets)
    return wrong[np.argsort(-evaluation.scores[wrong].max(axis=1), kind="stable")]


def _error_crop(run: Run, evaluation: ClassificationEvaluation, index: int) -> Crop:
    label = int(evaluation.scores[index].argmax())
    true = evaluation.classes[evaluation.targets[index]]
    true_score = evaluation.scores[index, evaluation.targets[index]]
    return Crop(
        _enlarged(to_image(run.dataset[index].image)),
        evaluation.names[index],
        evaluation.classes[label],
        float(evaluation.scores[index, label]),
        f"the true class is {true}, score {true_score:.2f}",
    )


def _explanations(
    run: Run, evaluation: ClassificationEvaluation, order: np.ndarray
) -> list[Explanation]:
    """Heat maps of the right answers with the highest scores, one per class first."""
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


def _enlarged(image: Image.Image, min_side: int = 160) -> Image.Image:
    """Small images enlarged by a whole factor, so that their pixels can be seen."""
    times = -(-min_side // max(1, min(image.size)))
    if times <= 1:
        return image
    size = image.width * times, image.height * times
    return image.resize(size, Image.Resampling.NEAREST)
