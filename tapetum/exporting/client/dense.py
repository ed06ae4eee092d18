"""RetinaNet: every anchor is scored for every class."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapetum.exporting.client.boxes import (
    best_boxes,
    describe_objects,
    make_anchors,
    move_boxes,
    sigmoid,
    strongest,
    to_original,
)
from tapetum.exporting.client.images import Array, Prepared
from tapetum.exporting.client.running import Run


def answer(rule: dict[str, Any], run: Run, prepared: Prepared) -> dict[str, Array]:
    """{"boxes": (N, 4), "labels": (N,), "scores": (N,)}, best first: of each level the best
    rule["topk_candidates"] pairs of anchor and class, then suppression."""
    logits, deltas = (values[0] for values in run("model", prepared.pixels))  # (N, K), (N, 4)
    boxes, labels, scores, start = [], [], [], 0
    for anchors in make_anchors(prepared.pixels.shape, rule):
        level = slice(start, start + len(anchors))
        start += len(anchors)
        anchor, label = np.nonzero(logits[level] > np.float32(_logit(rule["score_thresh"])))
        score = sigmoid(logits[level][anchor, label])
        best = strongest(score, rule["topk_candidates"])
        anchor = anchor[best]
        boxes.append(move_boxes(deltas[level][anchor], anchors[anchor]))
        labels.append(label[best])
        scores.append(score[best])
    all_boxes, label, score = (np.concatenate(each) for each in (boxes, labels, scores))
    found = best_boxes(all_boxes, label, score, prepared.size, rule)
    return found | {"boxes": to_original(found["boxes"], prepared)}


def _logit(p: float) -> float:
    return -math.inf if p <= 0 else math.inf if p >= 1 else math.log(p / (1 - p))


def describe(
    found: dict[str, Array], about: dict[str, Any], threshold: float | None
) -> dict[str, Any]:
    """{"objects": [{"class", "label", "score", "box"}]}"""
    return {"objects": describe_objects(found, about, threshold)}
