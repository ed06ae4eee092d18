"""What the numbers of a semantic segmenter say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tapetum.diagnosis.classes import class_range, confused_classes
from tapetum.diagnosis.finding import Finding, Remedy
from tapetum.diagnosis.setup import Setup

RARE = 0.5
"""Fraction of an equal part of the pixels, below which a class is rare."""


def segmentation_findings(
    stats: Mapping[str, float], iou: np.ndarray, classes: Sequence[str]
) -> list[Finding]:
    """Accuracy and mean IoU, best and worst class.

    Args:
        stats: "accuracy" (of pixels) and "mIoU" in [0, 1].
        iou: (C,) intersection over union of each class; below 0: undefined.
        classes: C names.

    Returns:
        One or two findings.
    """
    text = f"Pixel accuracy {stats['accuracy']:.1%}, mean IoU {stats['mIoU']:.3f}."
    findings = [Finding(text, evidence={name: stats[name] for name in ("accuracy", "mIoU")})]
    known = {k: v for k, v in zip(classes, iou.tolist(), strict=True) if v >= 0}
    worst = class_range(known, "IoU", decimals=2)
    return [*findings, worst] if worst else findings


def segmentation_advice(
    counts: np.ndarray, iou: np.ndarray, classes: Sequence[str], setup: Setup
) -> list[Finding]:
    """A rare class with the lowest IoU, and classes that are confused.

    Args:
        counts: (C, C) confusion matrix of pixels; rows are true classes.
        iou: (C,) intersection over union of each class; below 0: undefined.
        classes: C names.
        setup: of the run; with "dice_weight" among its arguments, that loss is proposed.

    Returns:
        Up to two findings with their remedies.
    """
    note = "Check that the borders between them are annotated in the same way everywhere."
    return [
        *_rare_and_worst(counts, iou, classes, setup),
        *confused_classes(counts, classes, note, "pixels"),
    ]


def _rare_and_worst(
    counts: np.ndarray, iou: np.ndarray, classes: Sequence[str], setup: Setup
) -> list[Finding]:
    fraction = counts.sum(axis=1) / max(1, int(counts.sum()))
    known = np.flatnonzero((iou >= 0) & (fraction > 0))
    if len(known) < 2:
        return []
    low, limit = int(known[iou[known].argmin()]), RARE / len(known)
    if fraction[low] >= limit:
        return []
    text = (
        f"{classes[low]} has the lowest IoU ({iou[low]:.2f}) and {fraction[low]:.1%} of the pixels."
    )
    remedy = Remedy("Add images with this class.")
    if "dice_weight" in setup.arguments and not setup.arguments["dice_weight"]:
        advice = "Add a Dice loss, in which rare classes have the same weight as others."
        remedy = Remedy(advice, "train", arguments={"dice_weight": "1"})
    evidence = {"IoU": float(iou[low]), "fraction": float(fraction[low])}
    return [Finding(text, "warning", evidence, limit, remedy)]
