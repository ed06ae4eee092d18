"""The toy detector's part of the client: a box of fixed size at each cell of a map."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapetum.exporting.client.boxes import best_boxes, describe_objects, sigmoid, to_original
from tapetum.exporting.client.images import Array, Prepared
from tapetum.exporting.client.running import Run


def answer(rule: dict[str, Any], run: Run, prepared: Prepared) -> dict[str, Array]:
    """{"boxes": (N, 4), "labels": (N,), "scores": (N,)}, best first."""
    (logits,) = (values[0] for values in run("model", prepared.pixels))  # (C, h, w)
    scores = sigmoid(logits)
    labels, y, x = np.nonzero(scores > rule["score_thresh"])
    centers = (np.stack((x, y, x, y), axis=1) + np.float32(0.5)) * np.float32(rule["stride"])
    half = np.array((-1, -1, 1, 1), np.float32) * np.float32(rule["side"] / 2)
    boxes = (centers + half).astype(np.float32)
    found = best_boxes(boxes, labels, scores[labels, y, x], prepared.size, rule)
    return found | {"boxes": to_original(found["boxes"], prepared)}


def describe(
    found: dict[str, Array], about: dict[str, Any], threshold: float | None
) -> dict[str, Any]:
    """{"objects": [{"class", "label", "score", "box"}]}"""
    return {"objects": describe_objects(found, about, threshold)}
