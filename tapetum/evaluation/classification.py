"""Accuracy, confusion matrix and calibration of classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tapetum.evaluation.detection import mean_defined

BINS = 15
"""Of confidence, all equally wide, as in Guo et al. 2017."""
TOP = 5

MEANINGS = {
    "top1": "fraction of images whose predicted class is right",
    "top5": "fraction of images with the right class among the five highest scores",
    "mean_class_accuracy": "accuracy of each class, averaged over the classes",
    "ECE": "expected calibration error: mean gap between confidence and accuracy; 0 is best",
    "mAP": "average precision of each class over the images, averaged",
}
"""What each number of `stats` means, in a few words for a report."""


@dataclass(frozen=True, eq=False)
class Reliability:
    """Images by how sure the classifier was (Guo et al. 2017, figure 1).

    edges: (BINS + 1,) of the bins, open below and closed above. confidence, accuracy: (BINS,) means
    over the images of a bin, -1 where it is empty. count: (BINS,) int64.
    """

    edges: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray


@dataclass(frozen=True, eq=False)
class ClassificationResult:
    """One class an image. What has nothing to be measured with is -1.

    stats: "top1"; "top5", or top of as many as are fewer than the classes, where that is more than
    one; "mean_class_accuracy", the mean recall of the classes that occur; "ECE", the expected
    calibration error; "loss", the mean of -log p of the target.
    confusion: (C, C) int64 images, a row for each true class, a column for each predicted one.
    recall, precision, f1: (C,) float64.
    scores: (N, C) float64 and targets: (N,) int64, what was judged by what.
    """

    stats: dict[str, float]
    confusion: np.ndarray
    recall: np.ndarray
    precision: np.ndarray
    f1: np.ndarray
    reliability: Reliability
    class_names: tuple[str, ...]
    scores: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True, eq=False)
class MultilabelResult:
    """Any number of classes an image. What has nothing to be measured with is -1.

    stats: "mAP" and "F1", means over the classes that occur.
    average_precision, recall, precision, f1: (C,) float64; all but the first at a score of 0.5.
    positives: (C,) int64, images that have the class.
    left_out: classes that no image has, which no mean can count.
    scores: (N, C) float64 and targets: (N, C) bool, what was judged by what.
    """

    stats: dict[str, float]
    average_precision: np.ndarray
    recall: np.ndarray
    precision: np.ndarray
    f1: np.ndarray
    positives: np.ndarray
    class_names: tuple[str, ...]
    left_out: tuple[str, ...]
    scores: np.ndarray
    targets: np.ndarray


def evaluate_classes(
    scores: np.ndarray, targets: np.ndarray, class_names: Sequence[str]
) -> ClassificationResult:
    """Measure predictions of one class an image.

    Among equal scores the first class is the predicted one. A probability of 0 for the target costs
    as much as the smallest step of float64 from 1, so that the loss stays finite.

    Args:
        scores: (N, C) probabilities in [0, 1].
        targets: (N,) int64 labels in [0, C).
        class_names: the names of the C classes.

    Returns:
        The metrics, for all classes and by class.

    Raises:
        ValueError: wrong shapes, scores outside [0, 1], labels outside [0, C).
    """
    scores = _checked(scores, class_names)
    count, classes = scores.shape
    targets = np.asarray(targets)
    if targets.shape != (count,) or targets.dtype.kind not in "iu":
        raise ValueError(
            f"targets: expected ({count},) integers, got {targets.shape} {targets.dtype}"
        )
    if count and not (targets.min() >= 0 and targets.max() < classes):
        raise ValueError(f"targets: expected labels from 0 to {classes - 1}")
    targets = targets.astype(np.int64)
    predicted = scores.argmax(axis=1) if count else np.zeros(0, np.int64)
    confusion = np.bincount(targets * classes + predicted, minlength=classes**2)
    confusion = confusion.reshape(classes, classes).astype(np.int64)
    hits = np.diag(confusion)
    recall, precision, f1 = _rates(hits, confusion.sum(axis=1), confusion.sum(axis=0))
    reliability = _reliability(scores, predicted == targets)
    return ClassificationResult(
        stats=_stats(scores, targets, recall, reliability),
        confusion=confusion,
        recall=recall,
        precision=precision,
        f1=f1,
        reliability=reliability,
        class_names=tuple(class_names),
        scores=scores,
        targets=targets,
    )


def evaluate_multilabel(
    scores: np.ndarray, targets: np.ndarray, class_names: Sequence[str]
) -> MultilabelResult:
    """Measure predictions of any number of classes an image.

    Args:
        scores: (N, C) probabilities in [0, 1].
        targets: (N, C) bool, the classes of each image.
        class_names: the names of the C classes.

    Returns:
        The metrics, for all classes and by class.

    Raises:
        ValueError: wrong shapes, or scores outside [0, 1].
    """
    scores = _checked(scores, class_names)
    targets = np.asarray(targets)
    if targets.shape != scores.shape or targets.dtype != np.bool_:
        raise ValueError(
            f"targets: expected {scores.shape} bool, got {targets.shape} {targets.dtype}"
        )
    columns = zip(scores.T, targets.T, strict=True)
    ap = np.array([average_precision(*column) for column in columns], dtype=np.float64)
    found = scores >= 0.5
    positives = targets.sum(axis=0, dtype=np.int64)
    recall, precision, f1 = _rates((found & targets).sum(axis=0), positives, found.sum(axis=0))
    return MultilabelResult(
        stats={"mAP": mean_defined(ap), "F1": mean_defined(f1[positives > 0])},
        average_precision=ap,
        recall=recall,
        precision=precision,
        f1=f1,
        positives=positives,
        class_names=tuple(class_names),
        left_out=tuple(
            name for name, n in zip(class_names, positives.tolist(), strict=True) if n == 0
        ),
        scores=scores,
        targets=targets,
    )


def average_precision(scores: np.ndarray, targets: np.ndarray) -> float:
    """The sum over thresholds of precision times the recall gained there, -1 without a positive.

    scores (N,), targets (N,) bool. Equal scores are one threshold; without interpolation, which is
    scikit-learn's definition and not that of VOC or COCO.
    """
    if not targets.any():
        return -1.0
    order = np.argsort(-scores, kind="stable")
    scores, hits = scores[order], np.cumsum(targets[order])
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)  # of each threshold
    precision = hits[last] / (last + 1)
    gained = np.diff(hits[last], prepend=0) / hits[-1]
    return float((precision * gained).sum())


def _checked(scores: np.ndarray, class_names: Sequence[str]) -> np.ndarray:
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[1] != len(class_names) or not len(class_names):
        raise ValueError(f"scores: expected (N, {len(class_names)}), got {scores.shape}")
    if not ((scores >= 0) & (scores <= 1 + 1e-6)).all():  # NaN is refused as well
        raise ValueError("scores: expected probabilities in [0, 1]")
    return scores


def _stats(
    scores: np.ndarray, targets: np.ndarray, recall: np.ndarray, reliability: Reliability
) -> dict[str, float]:
    count, classes = scores.shape
    true_score = scores[np.arange(count), targets][:, None]
    # How many classes come before the true one; of equals, those with a lower index.
    earlier = np.arange(classes) < targets[:, None]
    rank = ((scores > true_score) | ((scores == true_score) & earlier)).sum(axis=1)
    stats = {"top1": _mean(rank < 1)}
    top = min(TOP, classes - 1)
    if top > 1:
        stats[f"top{top}"] = _mean(rank < top)
    gap = np.abs(reliability.accuracy - reliability.confidence) * reliability.count
    return stats | {
        "mean_class_accuracy": mean_defined(recall),
        "ECE": float(gap.sum() / count) if count else -1.0,
        "loss": _mean(-np.log(np.clip(true_score, np.finfo(np.float64).eps, 1))),
    }


def _reliability(scores: np.ndarray, right: np.ndarray) -> Reliability:
    edges = np.linspace(0, 1, BINS + 1)
    sure = scores.max(axis=1)
    place = np.clip(np.searchsorted(edges, sure, side="left") - 1, 0, BINS - 1)
    count = np.bincount(place, minlength=BINS)
    confidence, accuracy = (
        _ratio(np.bincount(place, weights=values, minlength=BINS), count)
        for values in (sure, right.astype(np.float64))
    )
    return Reliability(edges, confidence, accuracy, count.astype(np.int64))


def _rates(
    hits: np.ndarray, true: np.ndarray, found: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Recall, precision and F1 of each class."""
    return _ratio(hits, true), _ratio(hits, found), _ratio(2 * hits, true + found)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """The quotient part / whole, -1 where there is no whole."""
    return np.where(whole > 0, part / np.maximum(whole, 1), -1.0)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else -1.0
