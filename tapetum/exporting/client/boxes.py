"""Boxes: anchors, offsets, suppression, and back to the original image."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapetum.exporting.client.images import Array, Prepared

DELTA_CLIP = np.float32(math.log(1000 / 16))
"""The most that a box may grow in one decoding, as a logarithm."""
SMALLEST = 0.01
"""Pixels: boxes narrower or lower than this are dropped."""


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x.clip(-80, 80))))


def softmax(x: Array) -> Array:
    """Over the last axis."""
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def strongest(scores: Array, count: int) -> Array:
    """Indices of the `count` largest, best first."""
    chosen = np.arange(len(scores))
    if len(scores) > count:
        chosen = np.sort(np.argpartition(-scores, count)[:count])
    return chosen[np.argsort(-scores[chosen], kind="stable")]


def make_anchors(shape: tuple[int, ...], rule: dict[str, Any]) -> list[Array]:
    """Anchors (h * w * A, 4) of each level for pixels of `shape` (..., H, W): those of a cell,
    repeated every so many pixels, row by row."""
    levels = []
    for cell, stride in zip(rule["cell_anchors"], rule["strides"], strict=True):
        rows, columns = (math.ceil(side / stride) for side in shape[-2:])
        step_y, step_x = shape[-2] // rows, shape[-1] // columns
        y, x = np.meshgrid(np.arange(rows) * step_y, np.arange(columns) * step_x, indexing="ij")
        origin = np.stack((x, y, x, y), axis=-1)[:, :, None].astype(np.float32)
        levels.append((origin + np.array(cell, np.float32)).reshape(-1, 4))
    return levels


def move_boxes(deltas: Array, boxes: Array, weights: tuple[float, ...] = (1, 1, 1, 1)) -> Array:
    """Boxes (N, 4) moved by offsets (N, 4): shift in units of their size, logarithm of growth."""
    dx, dy, dw, dh = (deltas / np.array(weights, np.float32)).T
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    x = dx * width + (boxes[:, 0] + np.float32(0.5) * width)
    y = dy * height + (boxes[:, 1] + np.float32(0.5) * height)
    w = np.float32(0.5) * (np.exp(np.minimum(dw, DELTA_CLIP)) * width)
    h = np.float32(0.5) * (np.exp(np.minimum(dh, DELTA_CLIP)) * height)
    return np.stack((x - w, y - h, x + w, y + h), axis=1)


def clip(boxes: Array, size: tuple[int, int]) -> Array:
    """Boxes (N, 4) moved inside an image of `size` (height, width)."""
    limits = np.array((size[1], size[0], size[1], size[0]), np.float32)
    return boxes.clip(0, limits)


def large_enough(boxes: Array, smallest: float) -> Array:
    """Indices of the boxes that are no narrower or lower than that."""
    return np.flatnonzero((boxes[:, 2:] - boxes[:, :2] >= np.float32(smallest)).all(axis=1))


def suppress(boxes: Array, scores: Array, groups: Array, threshold: float) -> Array:
    """Indices, best first, of the boxes whose IoU with no better survivor of their group is above
    the threshold."""
    limit = np.float32(threshold)
    if float(limit) > threshold:
        limit = np.nextafter(limit, np.float32(-1))
    order = np.argsort(-scores, kind="stable")
    alive = np.zeros(len(boxes), bool)
    for group in np.unique(groups):
        members = order[groups[order] == group]
        alive[members[_survivors(boxes[members], limit)]] = True
    return order[alive[order]]


def _survivors(boxes: Array, limit: np.float32) -> Array:
    """(N,) bool of boxes by falling score."""
    alive = np.ones(len(boxes), bool)
    low, high = boxes[:, :2], boxes[:, 2:]
    area = (high - low).prod(axis=1)
    for i in range(len(boxes) - 1):
        if alive[i]:
            rest = i + 1 + np.flatnonzero(alive[i + 1 :])
            sides = np.minimum(high[i], high[rest]) - np.maximum(low[i], low[rest])
            common = sides.clip(0).prod(axis=1)
            whole = area[i] + area[rest] - common
            alive[rest[common / np.where(whole > 0, whole, np.float32(1)) > limit]] = False
    return alive


def best_boxes(
    boxes: Array, labels: Array, scores: Array, size: tuple[int, int], rule: dict[str, Any]
) -> dict[str, Array]:
    """Candidates clipped to the prepared image, suppressed class by class, cut, best first."""
    boxes = clip(boxes, size)
    kept = large_enough(boxes, SMALLEST)
    survivors = suppress(boxes[kept], scores[kept], labels[kept], rule["nms_thresh"])
    kept = kept[survivors][: rule["detections_per_img"]]
    return {"boxes": boxes[kept], "labels": labels[kept], "scores": scores[kept]}


def to_original(boxes: Array, prepared: Prepared) -> Array:
    """Boxes found in the prepared image, in pixels of the original one."""
    scale = [old / new for old, new in zip(prepared.original, prepared.size, strict=True)]
    return clip(boxes * np.array((scale[1], scale[0]) * 2, np.float32), prepared.original)


def counting(found: dict[str, Array], about: dict[str, Any], threshold: float | None) -> Array:
    """Indices of the objects that score at least the threshold; None: that of their class."""
    if threshold is None:
        least = np.array(about["thresholds"], np.float32)[found["labels"]]
    else:
        least = np.full(len(found["scores"]), threshold, np.float32)
    return np.flatnonzero(found["scores"] >= least)


def describe_objects(
    found: dict[str, Array], about: dict[str, Any], threshold: float | None
) -> list[dict[str, Any]]:
    """JSON values of the objects that count, best first."""
    rows = []
    for i in counting(found, about, threshold):
        label = int(found["labels"][i])
        row = {"class": about["classes"][label], "label": label}
        row |= {"score": float(found["scores"][i]), "box": found["boxes"][i].tolist()}
        if "keypoints" in found:
            row["keypoints"] = found["keypoints"][i].tolist()
        rows.append(row)
    return rows
