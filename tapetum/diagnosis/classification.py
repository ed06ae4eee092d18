"""What the numbers of a classifier say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tapetum.diagnosis.finding import Finding

MISCALIBRATED = 0.05
"""Expected calibration error (Guo et al. 2017), from which confidences are not to be trusted."""


def accuracy_findings(confusion: np.ndarray, classes: Sequence[str]) -> list[Finding]:
    """Count the right answers, and name the most frequent confusion.

    Args:
        confusion: (C, C) counts of images; rows are true classes, columns predicted ones.
        classes: C names.

    Returns:
        One or two findings.
    """
    right, total = int(np.trace(confusion)), int(confusion.sum())
    accuracy = right / max(1, total)
    text = f"{right:,} of {total:,} images are classified correctly: {accuracy:.1%}."
    findings = [Finding(text, evidence={"right": right, "images": total})]
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    if wrong.any():
        true, predicted = divmod(int(wrong.argmax()), len(classes))
        times, of = int(wrong[true, predicted]), int(confusion[true].sum())
        text = (
            f"Most frequent confusion: {classes[true]} predicted as {classes[predicted]}, "
            f"{times} of {of} times."
        )
        findings.append(Finding(text, evidence={"times": times, "of": of}))
    return findings


def calibration_findings(error: float, confidence: float, accuracy: float) -> list[Finding]:
    """Is the model as often right as its scores say?

    Args:
        error: expected calibration error in [0, 1].
        confidence: mean score of the predicted class in [0, 1].
        accuracy: fraction of right answers in [0, 1].

    Returns:
        One finding, or none where the error is at most `MISCALIBRATED`.
    """
    if error <= MISCALIBRATED:
        return []
    tendency = "overconfident" if confidence > accuracy else "underconfident"
    text = f"The model is {tendency}: mean confidence {confidence:.2f}, accuracy {accuracy:.2f}."
    evidence = {"ECE": error, "confidence": confidence, "accuracy": accuracy}
    return [Finding(text, "warning", evidence, MISCALIBRATED)]


def multilabel_findings(mean_ap: float, classes: Sequence[str]) -> list[Finding]:
    """The one sentence about images with several labels.

    Args:
        mean_ap: average precision of the classes over the images, averaged, in [0, 1].
        classes: names.

    Returns:
        One finding.
    """
    return [Finding(f"mAP {mean_ap:.3f} over {len(classes)} classes.", evidence={"mAP": mean_ap})]
