"""The last section: what a run suggests, from its own numbers, with the command where there is one.

Each function looks at one object and says nothing where there is nothing to say.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tapetum.evaluation import ClassificationResult, per_class
from tapetum.evaluation.errors import ERRORS
from tapetum.models import MODELS, accepted
from tapetum.reporting.contents import Suggestion
from tapetum.reporting.sections.commands import command, data_folder, longer, train_again
from tapetum.reporting.sections.run import Run
from tapetum.reporting.tasks.detection_errors import Inspected, commonest_mix
from tapetum.tasks.classification import ClassificationEvaluation
from tapetum.tasks.detection import DetectionEvaluation
from tapetum.tasks.localization import LocalizationEvaluation
from tapetum.tasks.segmentation import SegmentationEvaluation

MOST = 5
WORTH = 0.01
"""The AP50 that a kind of error must cost to be worth a suggestion."""
LOOSE = 0.35
"""How far AP75 lies below AP50 where boxes are loose."""
NEW, OTHER = "PHOTO.jpg", "OTHER_PHOTOS/"


def next_steps(run: Run, metric: str, own: Sequence[Suggestion]) -> list[Suggestion]:
    """What the log says, what the task says (`own`), and how to use the run: five at most.

    A command is given once: a later suggestion of the same one stands without it.
    """
    steps: list[Suggestion] = []
    for step in [*_learning(run, metric), *own]:
        known = any(step.command == other.command for other in steps)
        steps.append(replace(step, command="") if known else step)
    given = {step.command for step in steps}
    return [*steps, *(step for step in _use(run) if step.command not in given)][:MOST]


def detection_steps(run: Run, view: Inspected) -> list[Suggestion]:
    """The most costly kinds of error, objects that are too small, classes with few images."""
    rows = per_class(view.evaluation.result)
    numbers = {row.name: row.ap for row in rows if row.ground_truths}
    found = [
        *_costly(run, view),
        *_small(run, view.evaluation),
        *_loose(run, view.evaluation),
        *_few(run, numbers, "AP"),
    ]
    return [*found[: MOST - 2], _thresholds(run, view)]


def classification_steps(run: Run, evaluation: ClassificationEvaluation) -> list[Suggestion]:
    """What is mixed up, and classes with few images."""
    result, steps = evaluation.result, []
    if isinstance(result, ClassificationResult):
        steps = _mixed(
            result.confusion,
            evaluation.classes,
            "The surest mistakes above may be wrong labels; images of both classes help.",
        )
        numbers = dict(zip(evaluation.classes, result.recall.tolist(), strict=True))
        return [*steps, *_few(run, numbers, "recall")]
    numbers = dict(zip(evaluation.classes, result.average_precision.tolist(), strict=True))
    return _few(run, numbers, "AP")


def segmentation_steps(run: Run, evaluation: SegmentationEvaluation) -> list[Suggestion]:
    """The hardest class, if it is rare, and what is mixed up."""
    result = evaluation.result
    share = result.counts.sum(axis=1) / max(1, int(result.counts.sum()))
    known = np.flatnonzero((result.iou >= 0) & (share > 0))
    steps = []
    if len(known) > 1:
        low = int(known[result.iou[known].argmin()])
        if share[low] < 0.5 / len(known):
            again, hint = "", "more images with it help most"
            if _has_no_dice(run):
                again = train_again(run, model=["dice_weight=1"])
                hint = "a Dice loss lets rare classes weigh as much as others"
            text = f"{result.class_names[low]} has the lowest IoU ({result.iou[low]:.2f}) and "
            steps.append(Suggestion(f"{text}{share[low]:.1%} of the pixels: {hint}.", again))
    note = "Are the borders between them drawn alike everywhere?"
    return [*steps, *_mixed(result.counts, result.class_names, note, "pixels")]


def localization_steps(run: Run, evaluation: LocalizationEvaluation) -> list[Suggestion]:
    """Which of class and box is wrong more often."""
    stats = evaluation.stats
    named, both = stats["class_accuracy"], stats["both_right"]
    if named - both > 0.15:
        text = (
            f"Boxes are what is wrong most: the class is right in {named:.0%}, both in {both:.0%}."
        )
        weight = 2 * float(run.record.arguments.get("box_weight", 5.0))
        again = train_again(run, model=[f"box_weight={weight:g}"])
        return [Suggestion(f"{text} Let the box weigh more in the loss.", again)]
    if named < 0.9:
        text = (
            f"The class is wrong in {1 - named:.0%} of the cases: larger images, or more of them."
        )
        return [Suggestion(text, _larger(run))]
    return []


def _learning(run: Run, metric: str) -> list[Suggestion]:
    """What the log says of the training."""
    rows = [row for row in run.history if row.get("event") == "evaluation" and metric in row]
    points, steps = [row[metric] for row in rows], []
    if len(points) >= 3 and points[-1] - points[-2] > 0.01:
        text = f"{metric} was still rising at the end, from {points[-2]:.3f} to {points[-1]:.3f}"
        steps.append(Suggestion(f"{text}: train longer.", longer(run)))
    if len(points) >= 3 and max(points) - points[-1] > 0.02:
        steps.append(_by_heart(run, metric, max(points), points[-1]))
    seconds = [row for row in run.history if row.get("event") == "step" and row.get("seconds")]
    waits = [row["data_wait"] / row["seconds"] for row in seconds]
    if waits and statistics.fmean(waits) > 0.3:
        text = f"{statistics.fmean(waits):.0%} of the time went into waiting for images: let more "
        again = train_again(run, workers=max(2, 2 * run.record.settings.workers))
        steps.append(Suggestion(f"{text}processes read them.", again))
    return steps


def _by_heart(run: Run, metric: str, best: float, last: float) -> Suggestion:
    text = (
        f"{metric} fell from {best:.3f} to {last:.3f}: the model learnt the training images by "
        f"heart. The best checkpoint is kept; "
    )
    if run.record.augment in ("none", "flip"):
        again = train_again(run, augment="default")
        return Suggestion(f"{text}vary the images more than {run.record.augment!r} does.", again)
    return Suggestion(f"{text}more images help most.")


def _costly(run: Run, view: Inspected) -> list[Suggestion]:
    """The two kinds of error that cost most AP50, and what to do about them."""
    costs = view.errors.costs
    ranked = sorted(ERRORS, key=lambda name: -costs[name])
    dear = [name for name in ranked[:2] if costs[name] >= WORTH]
    return [_mend(run, view, name, f"costs {costs[name]:.3f} of AP50") for name in dear]


def _mend(run: Run, view: Inspected, name: str, price: str) -> Suggestion:
    """What to do about one kind of error, and what it costs."""
    worst = view.classes[view.most_affected(name)[0]]
    if name == "class":
        true, said, count = commonest_mix(view)
        text = f"Taking one class for another {price}, {true} for {said} {count} times: look at how"
        return Suggestion(f"{text} the two are labelled, and add images of them.")
    if name == "place":
        text = f"Placing objects loosely {price}, most for {worst}: look at the examples"
        return Suggestion(f"{text} above; larger images place it better.", _larger(run))
    if name == "duplicate":
        text = f"Finding objects twice {price}, most for {worst}: of two that overlap let one go."
        return Suggestion(text, command("predict", run, NEW, "--nms-iou", "0.4"))
    if name == "background":
        return _unlabeled(run, worst, price)
    if name == "missed":
        return _overlooked(run, view, worst, price)
    text = f"Being wrong in class and place {price}, most of it with {worst}: train"
    return Suggestion(f"{text} longer, or add images of it.", longer(run))


def _unlabeled(run: Run, worst: str, price: str) -> Suggestion:
    text = (
        f"Seeing {worst} and others where nothing is labelled {price}. If labels are missing, "
        f"correct the model's answers in CVAT or Label Studio in place of drawing anew; else add "
        f"images without objects."
    )
    where = data_folder(run)
    words = ("--out", "labels", "--save", "coco")
    return Suggestion(text, command("predict", run, where, *words) if where else "")


def _overlooked(run: Run, view: Inspected, worst: str, price: str) -> Suggestion:
    text = f"Overlooking objects {price}, most of them {worst}."
    ground_truth, errors = view.evaluation.ground_truth, view.errors
    found = errors.match[errors.match >= 0]
    sides = np.sqrt(ground_truth.area)
    if len(found) and np.median(sides[errors.missed]) < 0.7 * np.median(sides[found]):
        missed, seen = np.median(sides[errors.missed]), np.median(sides[found])
        text += f" They are small, {missed:.0f} pixels wide where those found have {seen:.0f}"
        return Suggestion(f"{text}: larger images show more of them.", _larger(run))
    return Suggestion(f"{text} Train longer, or add images of it.", longer(run))


def _small(run: Run, evaluation: DetectionEvaluation) -> list[Suggestion]:
    """Are small objects found much worse than others?"""
    stats = evaluation.stats
    small = stats.get("APsmall", -1.0)
    other = max(stats.get("APmedium", -1.0), stats.get("APlarge", -1.0))
    if small < 0 or other - small < 0.15:
        return []
    text = f"Small objects have AP {small:.3f}, larger ones up to {other:.3f}: larger images help."
    return [Suggestion(text, _larger(run))]


def _loose(run: Run, evaluation: DetectionEvaluation) -> list[Suggestion]:
    stats = evaluation.stats
    if stats["AP50"] - stats["AP75"] <= LOOSE:
        return []
    text = f"AP75 is {stats['AP75']:.2f} where AP50 is {stats['AP50']:.2f}: found, but loosely."
    return [Suggestion(f"{text} Train longer.", longer(run))]


def _few(run: Run, numbers: Mapping[str, float], name: str) -> list[Suggestion]:
    """Classes with less than a third of the usual count in training and numbers below the mean."""
    counts = run.record.counts.get("objects", {}).get("train", ())
    known = dict(zip(run.record.classes, counts, strict=False))
    defined = [value for value in numbers.values() if value >= 0]
    if len(known) < 2 or not defined:
        return []
    usual, mean = statistics.median(known.values()), statistics.fmean(defined)
    rare = [
        label
        for label, count in sorted(known.items(), key=lambda item: item[1])
        if count < usual / 3 and 0 <= numbers.get(label, -1) < mean
    ]
    if not rare:
        return []
    each = ", ".join(f"{label} ({known[label]}, {name} {numbers[label]:.2f})" for label in rare[:3])
    what = "objects" if name == "AP" else "images"
    return [Suggestion(f"Few {what} to learn from, and it shows: {each}. Add some of these first.")]


def _mixed(
    counts: np.ndarray, classes: Sequence[str], advice: str, what: str = "images"
) -> list[Suggestion]:
    """The commonest confusion, where it is more than a twentieth of a class."""
    mixed = counts.copy()
    np.fill_diagonal(mixed, 0)
    if not mixed.any():
        return []
    true, said = divmod(int(mixed.argmax()), len(classes))
    share = mixed[true, said] / counts[true].sum()
    if share < 0.05:
        return []
    text = f"{share:.0%} of the {what} of {classes[true]} are taken for {classes[said]}. {advice}"
    return [Suggestion(text)]


def _thresholds(run: Run, view: Inspected) -> Suggestion:
    low, high = float(view.thresholds.min()), float(view.thresholds.max())
    text = (
        f"predict counts an object from a score of {low:.2f} to {high:.2f} on, by class, where F1 "
        f"was best on {run.chosen_on}; a lower threshold finds more, a higher one is right more "
        f"often."
    )
    return Suggestion(text, command("predict", run, NEW, "--out", "answers"))


def _use(run: Run) -> list[Suggestion]:
    """What can always be done."""
    steps = [
        Suggestion(
            "Try it on images of your own.", command("predict", run, NEW, "--out", "answers")
        )
    ]
    text = "Measure it on labelled images from elsewhere: another camera, another day."
    steps.append(Suggestion(text, command("evaluate", run, OTHER)))
    if run.explain is not None:
        steps.append(Suggestion("Ask why it answers so.", command("explain", run, NEW)))
    return steps


def _larger(run: Run) -> str:
    """The command that trains again on images half as large again, in whole multiples of 32."""
    return train_again(run, image_size=-(-3 * run.record.image_size // 64) * 32)


def _has_no_dice(run: Run) -> bool:
    model = run.record.model
    known = accepted(model, {}, defaults=True) if model in MODELS else {}
    return "dice_weight" in known and not run.record.arguments.get("dice_weight")
