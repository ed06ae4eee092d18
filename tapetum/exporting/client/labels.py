"""Classifiers: logits to probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapetum.exporting.client.boxes import sigmoid, softmax
from tapetum.exporting.client.images import Array, Prepared
from tapetum.exporting.client.running import Run


def answer(rule: dict[str, Any], run: Run, prepared: Prepared) -> dict[str, Array]:
    """{"labels": (L,), "scores": (C,)}: the likeliest class, or with `multilabel` all that are
    likelier than rule["sure"], and the probabilities of all."""
    (logits,) = run("model", prepared.pixels)
    if not rule["multilabel"]:
        scores = softmax(logits[0])
        return {"labels": scores.argmax(axis=0, keepdims=True), "scores": scores}
    scores = sigmoid(logits[0])
    order = np.argsort(-scores, kind="stable")
    return {"labels": order[scores[order] >= rule["sure"]], "scores": scores}


def describe(
    found: dict[str, Array], about: dict[str, Any], threshold: float | None
) -> dict[str, Any]:
    """{"labels": [class], "scores": {class: probability}}, the likeliest first."""
    names, scores = about["classes"], found["scores"]
    order = np.argsort(-scores, kind="stable")
    return {
        "labels": [names[label] for label in found["labels"]],
        "scores": {names[label]: float(scores[label]) for label in order},
    }
