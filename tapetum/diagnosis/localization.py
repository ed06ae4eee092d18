"""What the numbers of a localizer say: which of class and box is wrong more often."""

from __future__ import annotations

from collections.abc import Mapping

from tapetum.diagnosis.finding import Finding, Remedy
from tapetum.diagnosis.setup import Setup, train_on_larger_images

BOX_GAP = 0.15
"""Fraction of images with the right class and a wrong box, from which the box is the problem."""
CLASS_ACCURACY = 0.9
"""Class accuracy below which the class is the problem."""


def localization_findings(stats: Mapping[str, float]) -> list[Finding]:
    """How often class and box are right.

    Args:
        stats: "both_right", "class_accuracy", "mean_iou" in [0, 1].

    Returns:
        One finding.
    """
    text = (
        f"Class and box are both right in {stats['both_right']:.1%} of the images; the class alone "
        f"in {stats['class_accuracy']:.1%}; mean IoU {stats['mean_iou']:.2f}."
    )
    return [Finding(text, evidence=dict(stats))]


def localization_advice(stats: Mapping[str, float], setup: Setup) -> list[Finding]:
    """What to improve first: the box or the class.

    Args:
        stats: "both_right", "class_accuracy" in [0, 1].
        setup: of the run.

    Returns:
        One finding with its remedy, or none where both are good.
    """
    named, both = stats["class_accuracy"], stats["both_right"]
    evidence = {"class_accuracy": named, "both_right": both}
    if named - both > BOX_GAP:
        text = f"The boxes are the main problem: class right {named:.0%}, class and box {both:.0%}."
        weight = 2 * float(setup.arguments.get("box_weight", 5.0))
        advice = "Give the box loss more weight."
        remedy = Remedy(advice, "train", arguments={"box_weight": f"{weight:g}"})
        return [Finding(text, "warning", evidence, BOX_GAP, remedy)]
    if named < CLASS_ACCURACY:
        text = f"The class is wrong in {1 - named:.0%} of the images."
        remedy = train_on_larger_images(setup, "Use larger images, or more of them.")
        return [Finding(text, "warning", evidence, CLASS_ACCURACY, remedy)]
    return []
