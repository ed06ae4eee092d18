"""What the classes say, whatever the task: best and worst, confused, too few examples."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import numpy as np

from tapetum.diagnosis.finding import Finding, Remedy
from tapetum.diagnosis.setup import Setup

CONFUSED = 0.05
"""Fraction of a class that is predicted as one other class, from which it is worth a line."""
FEW = 1 / 3
"""Fraction of the median count of the classes, below which a class has few examples."""
_MOST_NAMED = 3


def class_range(values: Mapping[str, float], metric: str, *, decimals: int = 3) -> Finding | None:
    """Name the best and the worst class.

    Args:
        values: class -> number in [0, 1]; classes without one are left out.
        metric: name of the number.
        decimals: of the numbers in the sentence.

    Returns:
        The finding; None where fewer than two classes have a number.
    """
    if len(values) < 2:
        return None
    low, high = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
    text = (
        f"Best class: {high} ({metric} {values[high]:.{decimals}f}); worst class: {low} "
        f"({metric} {values[low]:.{decimals}f})."
    )
    return Finding(text, evidence={"best": values[high], "worst": values[low]})


def confused_classes(
    counts: np.ndarray, classes: Sequence[str], advice: str, unit: str = "images"
) -> list[Finding]:
    """Find the most frequent confusion of two classes.

    Args:
        counts: (C, C) confusion matrix; rows are true classes, columns predicted ones.
        classes: C names.
        advice: the remedy's sentence.
        unit: what is counted.

    Returns:
        One finding, or none where it concerns at most `CONFUSED` of the true class.
    """
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    if not wrong.any():
        return []
    true, predicted = divmod(int(wrong.argmax()), len(classes))
    fraction = float(wrong[true, predicted] / counts[true].sum())
    if fraction < CONFUSED:
        return []
    text = f"{fraction:.0%} of the {unit} of {classes[true]} are predicted as {classes[predicted]}."
    return [Finding(text, "warning", {"fraction": fraction}, CONFUSED, Remedy(advice))]


def few_examples(
    setup: Setup, values: Mapping[str, float], metric: str, unit: str
) -> list[Finding]:
    """Find classes with few training examples and a number below the mean.

    Args:
        setup: of the run, with classes and their counts.
        values: class -> number in [0, 1]; below 0: undefined.
        metric: name of the number.
        unit: what `setup.class_counts` counts, "objects" or "images".

    Returns:
        One finding that names up to three classes, or none.
    """
    counts = dict(zip(setup.classes, setup.class_counts, strict=False))
    defined = [value for value in values.values() if value >= 0]
    if len(counts) < 2 or not defined:
        return []
    limit, mean = FEW * statistics.median(counts.values()), statistics.fmean(defined)
    rare = [
        label
        for label, count in sorted(counts.items(), key=lambda item: item[1])
        if count < limit and 0 <= values.get(label, -1) < mean
    ]
    if not rare:
        return []
    named = [f"{k} ({counts[k]}, {metric} {values[k]:.2f})" for k in rare[:_MOST_NAMED]]
    text = f"Classes with few training {unit} score below the mean: {', '.join(named)}."
    evidence = {label: float(counts[label]) for label in rare}
    remedy = Remedy(f"Add {unit} of these classes first.")
    return [Finding(text, "warning", evidence, limit, remedy)]
