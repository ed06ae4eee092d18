"""What the log of a training says: classes without images, too short, overfitting, waiting."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tapetum.diagnosis.finding import Finding, Remedy
from tapetum.diagnosis.setup import Setup, train_longer

STILL_RISING = 0.01
"""Gain of the metric at the last validation, from which a run was too short."""
OVERFITTING = 0.02
"""Loss of the metric from its best validation to its last, from which a run overfits."""
WAITING = 0.3
"""Fraction of the training time spent on waiting for images, from which more workers help."""

FEWEST_PASSES = 2
"""Passes over the training images, below which nothing else can be said of a run."""

MOST_NAMED = 5
"""Classes that a sentence names; more are counted."""
_FEWEST_VALIDATIONS = 3


def training_findings(
    history: Sequence[Mapping[str, Any]], metric: str, setup: Setup
) -> list[Finding]:
    """Look for classes without images, and a training too short, overfitting or waiting for images.

    Args:
        history: rows of metrics.jsonl, in order.
        metric: name of the number that chooses the checkpoint; larger is better.
        setup: of the run.

    Returns:
        The findings, the most important first; none if all is well.
    """
    rows = [row for row in history if row.get("event") == "evaluation" and metric in row]
    values = [float(row[metric]) for row in rows]
    found = [_still_rising, _overfitting] if len(values) >= _FEWEST_VALIDATIONS else []
    findings = [check(values, metric, setup) for check in found]
    findings.append(_waiting(history, setup))
    findings[:0] = [_untrained(setup), _barely_trained(history, setup)]
    return [finding for finding in findings if finding is not None]


def _untrained(setup: Setup) -> Finding | None:
    names = setup.untrained
    if not names:
        return None
    listed = ", ".join(names[:MOST_NAMED])
    if len(names) > MOST_NAMED:
        listed += f" and {len(names) - MOST_NAMED} more"
    what = "class" if len(names) == 1 else "classes"
    text = f"No training image has the {what} {listed}."
    remedy = Remedy(f"Add images of {'it' if len(names) == 1 else 'them'} to the training.")
    return Finding(text, "warning", {"classes": len(names)}, remedy=remedy)


def _barely_trained(history: Sequence[Mapping[str, Any]], setup: Setup) -> Finding | None:
    steps = (row for row in history if row.get("event") == "step")
    passes = max((row.get("epoch", 0.0) for row in steps), default=0.0)
    if not 0 < passes < FEWEST_PASSES:
        return None
    text = f"The training was short: {passes:.2g} passes over the training images."
    remedy = train_longer(setup, "Train longer first.", min(setup.epochs, 10) / passes)
    return Finding(text, "warning", {"passes": passes}, FEWEST_PASSES, remedy)


def _still_rising(values: Sequence[float], metric: str, setup: Setup) -> Finding | None:
    before, last = values[-2:]
    if last - before <= STILL_RISING:
        return None
    text = f"{metric} was still rising at the end, from {before:.3f} to {last:.3f}."
    evidence = {"before": before, "last": last}
    remedy = train_longer(setup, "Train longer.")
    return Finding(text, "warning", evidence, STILL_RISING, remedy)


def _overfitting(values: Sequence[float], metric: str, setup: Setup) -> Finding | None:
    best, last = max(values), values[-1]
    if best - last <= OVERFITTING:
        return None
    text = (
        f"{metric} fell from {best:.3f} to {last:.3f}: the model overfits the training images. "
        f"The best checkpoint was kept."
    )
    if setup.augment in ("none", "flip"):
        advice = f"Use stronger augmentation than {setup.augment!r}."
        remedy = Remedy(advice, "train", {"augment": "default"})
    else:
        remedy = Remedy("More training images help most.")
    return Finding(text, "warning", {"best": best, "last": last}, OVERFITTING, remedy)


def _waiting(history: Sequence[Mapping[str, Any]], setup: Setup) -> Finding | None:
    steps = [row for row in history if row.get("event") == "step" and row.get("seconds")]
    if not steps:
        return None
    fraction = statistics.fmean(row["data_wait"] / row["seconds"] for row in steps)
    if fraction <= WAITING:
        return None
    text = f"{fraction:.0%} of the training time was spent waiting for images."
    workers = max(2, 2 * setup.workers)
    remedy = Remedy("Use more worker processes.", "train", {"workers": workers})
    return Finding(text, "warning", {"fraction": fraction}, WAITING, remedy)
