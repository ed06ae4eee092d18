"""Localizers: a fixed number of slots, each with a class and a box."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapetum.exporting.client.boxes import describe_objects, sigmoid, softmax, to_original
from tapetum.exporting.client.images import Array, Prepared
from tapetum.exporting.client.running import Run


def answer(rule: dict[str, Any], run: Run, prepared: Prepared) -> dict[str, Array]:
    """{"boxes": (N, 4), "labels": (N,), "scores": (N,)} of the slots that hold something, best
    first. Boxes come as cx cy w h in fractions of the image, before a sigmoid."""
    logits, fractions = (values[0] for values in run("model", prepared.pixels))
    scores = softmax(logits)  # (K, C), or (K, 1 + C) with "nothing" first
    best, winner = scores.max(axis=1), scores.argmax(axis=1)
    slot = np.argsort(-best, kind="stable")
    first = 0 if rule["objects"] == 1 else 1
    slot = slot[winner[slot] >= first]
    label = winner[slot] - first
    place, sides = np.split(sigmoid(fractions), 2, axis=-1)  # (K, A, 2) each
    half = np.float32(0.5) * np.maximum(sides, np.float32(rule["smallest"]))
    boxes = np.concatenate((place - half, place + half), axis=-1) * np.float32(prepared.size[0])
    class_boxes = boxes[slot, label if rule["boxes_a_slot"] > 1 else 0]
    return {"boxes": to_original(class_boxes, prepared), "labels": label, "scores": best[slot]}


def describe(
    found: dict[str, Array], about: dict[str, Any], threshold: float | None
) -> dict[str, Any]:
    """{"objects": [{"class", "label", "score", "box"}]}; as many as there are: none is left out."""
    return {"objects": describe_objects(found, about, 0.0)}
