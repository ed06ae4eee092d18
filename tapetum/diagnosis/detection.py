"""What the numbers of a detector say: found and missed, kinds of error (TIDE), sizes, classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tapetum.diagnosis.classes import class_range, few_examples
from tapetum.diagnosis.finding import TRAINING_IMAGES, Finding, Remedy
from tapetum.diagnosis.setup import Setup, train_longer, train_on_larger_images

COST_SHOWN = 0.005
"""AP50 that a kind of error must cost to be named in the summary, and to be shown by examples."""
COST_ADVICE = 0.01
"""AP50 that a kind of error must cost to be worth a suggestion."""
IMPRECISE = 0.35
"""AP50 minus AP75, from which boxes, masks or keypoints are imprecise."""
SMALL_GAP = 0.15
"""AP of larger objects minus AP of small ones, from which larger images are proposed."""
SMALLER = 0.7
"""Median side of missed objects in those of detected ones, below which size explains the misses."""
_CLASS_GAP = 0.02
_MOST_COSTLY = 2
_LOWER_NMS = 0.4


@dataclass(frozen=True)
class DetectionNumbers:
    """What the evaluation of a detector gave, without its images.

    Attributes:
        stats: COCO's numbers by name; -1 is undefined.
        class_ap: class -> AP, of classes with ground truth.
        objects: ground-truth objects of the images; detected: those that are detected above the
            thresholds; false_positives: wrong detections above them; images: how many.
        ap50: the AP at IoU 0.5 that `costs` start from.
        costs: kind of error -> AP50 that would be gained without it (TIDE, Bolya et al. 2020).
        affected: kind of error -> the class with most errors of that kind.
        confusion: (true class, predicted class, times) of the most frequent confusion, or None.
        sides: (missed, detected): median side in pixels of those objects, or None.
        thresholds: (lowest, highest) of the classes.
        outputs: "boxes", "masks" or "keypoints". annotations: what people draw for these.
        overlap: how they are compared, "IoU" or "OKS".
        has_nms: whether the model suppresses overlapping boxes (NMS).
    """

    stats: Mapping[str, float]
    class_ap: Mapping[str, float]
    objects: int
    detected: int
    false_positives: int
    images: int
    ap50: float
    costs: Mapping[str, float]
    affected: Mapping[str, str]
    confusion: tuple[str, str, int] | None = None
    sides: tuple[float, float] | None = None
    thresholds: tuple[float, float] = (0.5, 0.5)
    outputs: str = "boxes"
    annotations: str = "boxes"
    overlap: str = "IoU"
    has_nms: bool = True


def error_meaning(kind: str, overlap: str) -> str:
    """What a kind of error is.

    Args:
        kind: a name of `tapetum.evaluation.errors.ERRORS`.
        overlap: "IoU" or "OKS".

    Returns:
        A few words.
    """
    return {
        "classification": f"wrong class, {overlap} 0.5 or more",
        "localization": f"right class, {overlap} from 0.1 to 0.5",
        "both": f"wrong class, {overlap} from 0.1 to 0.5",
        "duplicate": "an object that is detected already",
        "background": f"no object within {overlap} 0.1",
        "missed": "an object without a detection near it",
    }[kind]


def error_advice(kind: str, numbers: DetectionNumbers) -> str:
    """What to look at for a kind of error that occurs.

    Args:
        kind: a name of `tapetum.evaluation.errors.ERRORS`.
        numbers: of the evaluation.

    Returns:
        One line.
    """
    worst = numbers.affected[kind]
    if kind == "classification" and numbers.confusion is not None:
        true, predicted, _ = numbers.confusion
        return f"most often {true} is predicted as {predicted}: are the two labeled consistently?"
    return {
        "classification": f"most often {worst}: is it labeled consistently?",
        "localization": f"most often {worst}: are its {numbers.annotations} drawn tightly?",
        "both": f"most often {worst}: parts of objects, or groups of them?",
        "duplicate": f"most often {worst}: "
        + ("predict with a lower nms_iou" if numbers.has_nms else "train longer"),
        "background": f"most often {worst}: are labels missing?",
        "missed": f"most often {worst}: small, occluded, or rare in training?",
    }[kind]


def detection_findings(numbers: DetectionNumbers) -> list[Finding]:
    """Summarise an evaluation, the most important first.

    Args:
        numbers: of the evaluation.

    Returns:
        Up to four findings, without remedies.
    """
    found = (_total(numbers), _classes(numbers), _most_costly(numbers), _imprecise(numbers))
    return [finding for finding in found if finding is not None]


def detection_advice(numbers: DetectionNumbers, setup: Setup, most: int) -> list[Finding]:
    """What to do next: costly kinds of error, small objects, imprecise boxes, rare classes.

    Args:
        numbers: of the evaluation.
        setup: of the run.
        most: most findings before the one about thresholds, which ends the list.

    Returns:
        Findings with their remedies.
    """
    ranked = sorted(numbers.costs, key=lambda kind: -numbers.costs[kind])[:_MOST_COSTLY]
    costly = [_costly(kind, numbers, setup) for kind in ranked if _is_worth(kind, numbers)]
    found = [
        *costly,
        *_small(numbers.stats, setup),
        *_imprecise_advice(numbers, setup),
        *few_examples(setup, numbers.class_ap, "AP", "objects"),
    ]
    return found[:most]


def threshold_finding(numbers: DetectionNumbers, chosen_on: str) -> Finding:
    """From which score `predict` counts an object.

    Args:
        numbers: of the evaluation.
        chosen_on: the images that chose the thresholds, as in "photos/val".

    Returns:
        The finding, whose remedy is to predict.
    """
    low, high = numbers.thresholds
    text = (
        f"predict counts objects from a score of {low:.2f} to {high:.2f} on, by class: the best F1 "
        f"on {chosen_on}."
    )
    advice = "A lower threshold finds more objects, a higher one gives fewer false positives."
    remedy = Remedy(advice, "predict", {"out": "answers"})
    return Finding(text, evidence={"lowest": low, "highest": high}, remedy=remedy)


def _is_worth(kind: str, numbers: DetectionNumbers) -> bool:
    return numbers.costs[kind] >= COST_ADVICE


def _total(numbers: DetectionNumbers) -> Finding | None:
    if not numbers.objects:
        return None
    stats = numbers.stats
    text = (
        f"AP {stats['AP']:.3f}, AP50 {stats['AP50']:.3f}. Above the thresholds "
        f"{numbers.detected} of {numbers.objects} objects are detected, with "
        f"{numbers.false_positives} false positives on {numbers.images} images."
    )
    return Finding(text, evidence={"AP": stats["AP"], "AP50": stats["AP50"]})


def _classes(numbers: DetectionNumbers) -> Finding | None:
    values = numbers.class_ap
    if len(values) < 2 or max(values.values()) - min(values.values()) <= _CLASS_GAP:
        return None
    return class_range(values, "AP")


def _most_costly(numbers: DetectionNumbers) -> Finding | None:
    kind = max(numbers.costs, key=lambda name: numbers.costs[name])
    cost = numbers.costs[kind]
    if cost < COST_SHOWN:
        return None
    meaning = error_meaning(kind, numbers.overlap)
    text = (
        f"The most costly kind of error is {kind!r} ({meaning}): without it AP50 would be "
        f"{numbers.ap50 + cost:.3f}."
    )
    return Finding(text, "warning", {"cost": cost}, COST_SHOWN)


def _imprecise(numbers: DetectionNumbers) -> Finding | None:
    ap50, ap75 = numbers.stats["AP50"], numbers.stats["AP75"]
    if ap50 - ap75 <= IMPRECISE:
        return None
    text = f"Objects are detected, but their {numbers.outputs} are imprecise: AP50 is {ap50:.2f}, "
    evidence = {"AP50": ap50, "AP75": ap75}
    return Finding(f"{text}AP75 only {ap75:.2f}.", "warning", evidence, IMPRECISE)


def _imprecise_advice(numbers: DetectionNumbers, setup: Setup) -> list[Finding]:
    finding = _imprecise(numbers)
    if finding is None:
        return []
    remedy = train_longer(setup, "Train longer.")
    return [Finding(finding.text, "warning", finding.evidence, IMPRECISE, remedy)]


def _small(stats: Mapping[str, float], setup: Setup) -> list[Finding]:
    small = stats.get("APsmall", -1.0)
    other = max(stats.get("APmedium", -1.0), stats.get("APlarge", -1.0))
    if small < 0 or other - small < SMALL_GAP:
        return []
    text = f"Small objects have AP {small:.3f}, larger ones up to {other:.3f}."
    remedy = train_on_larger_images(setup, "Use larger images.")
    return [Finding(text, "warning", {"small": small, "larger": other}, SMALL_GAP, remedy)]


def _costly(kind: str, numbers: DetectionNumbers, setup: Setup) -> Finding:
    """One kind of error with what it costs and what to do."""
    worst, cost = numbers.affected[kind], numbers.costs[kind]
    text, remedy = _REMEDIES[kind](worst, numbers, setup)
    priced = f"{text}. This costs {cost:.3f} of AP50."
    return Finding(priced, "warning", {"cost": cost}, COST_ADVICE, remedy)


Advice = tuple[str, Remedy]


def _wrong_class(worst: str, numbers: DetectionNumbers, setup: Setup) -> Advice:
    remedy = Remedy("Compare how the two are labeled, and add images of them.")
    if numbers.confusion is None:
        return f"Objects get the wrong class, most often {worst}", remedy
    true, predicted, times = numbers.confusion
    return f"{true} is predicted as {predicted} {times} times, the most frequent confusion", remedy


def _poor_localization(worst: str, numbers: DetectionNumbers, setup: Setup) -> Advice:
    remedy = train_on_larger_images(setup, "Look at the examples above; larger images help.")
    return f"Objects are localized imprecisely, most often {worst}", remedy


def _wrong_in_both(worst: str, numbers: DetectionNumbers, setup: Setup) -> Advice:
    text = f"Detections are wrong in class and in place, most often {worst}"
    return text, train_longer(setup, "Train longer, or add images of this class.")


def _duplicate(worst: str, numbers: DetectionNumbers, setup: Setup) -> Advice:
    text = f"Objects are detected more than once, most often {worst}"
    if not numbers.has_nms:
        return text, train_longer(setup, "Train longer: the model has no NMS to change.")
    advice = "Suppress more of the overlapping boxes."
    return text, Remedy(advice, "predict", {"nms_iou": _LOWER_NMS})


def _background(worst: str, numbers: DetectionNumbers, setup: Setup) -> Advice:
    text = f"Detections where nothing is labeled, most often {worst}"
    advice = (
        "If labels are missing, correct the model's predictions in CVAT or Label Studio; else add "
        "images without objects."
    )
    options = {"out": "labels", "save": "coco"}
    return text, Remedy(advice, "predict", options, inputs=(TRAINING_IMAGES,))


def _missed(worst: str, numbers: DetectionNumbers, setup: Setup) -> Advice:
    text = f"Objects are missed, most often {worst}"
    if numbers.sides is not None and numbers.sides[0] < SMALLER * numbers.sides[1]:
        missed, detected = numbers.sides
        text += f"; they are small, {missed:.0f} pixels wide, detected ones {detected:.0f}"
        return text, train_on_larger_images(setup, "Use larger images.")
    return text, train_longer(setup, "Train longer, or add images of this class.")


_REMEDIES = {
    "classification": _wrong_class,
    "localization": _poor_localization,
    "both": _wrong_in_both,
    "duplicate": _duplicate,
    "background": _background,
    "missed": _missed,
}
