"""Two stages: proposals from one graph, features cut out of its maps, classes from another."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapetum.exporting.client.boxes import (
    best_boxes,
    clip,
    large_enough,
    make_anchors,
    move_boxes,
    sigmoid,
    softmax,
    strongest,
    suppress,
)
from tapetum.exporting.client.images import Array, Prepared
from tapetum.exporting.client.running import Run


def find_regions(
    rule: dict[str, Any], run: Run, prepared: Prepared
) -> tuple[dict[str, Array], list[Array]]:
    """Detections {"boxes", "labels", "scores"} in the prepared image, best first, and the maps
    (C, h, w) that they were made from, finest first."""
    objectness, deltas, *maps = (values[0] for values in run("model", prepared.pixels))
    rois = propose(objectness, deltas, prepared, rule)
    logits, moves = run("regions", pool(maps, rois, rule["output_size"], rule))
    scores = softmax(logits)[:, 1:]  # (P, K), without background
    roi, label = np.nonzero(scores > np.float32(rule["score_thresh"]))
    boxes = move_boxes(moves[roi, 1 + label], rois[roi], rule["box_weights"])
    return best_boxes(boxes, label, scores[roi, label], prepared.size, rule), maps


def propose(objectness: Array, deltas: Array, prepared: Prepared, rule: dict[str, Any]) -> Array:
    """The best boxes (P, 4): of each level the best anchors, moved, clipped and suppressed level by
    level; then the best of all."""
    boxes, scores, levels, start = [], [], [], 0
    for level, anchors in enumerate(make_anchors(prepared.pixels.shape, rule)):
        logits = objectness[start : start + len(anchors)]
        best = strongest(logits, rule["rpn_pre_nms_top_n"])
        moved = clip(move_boxes(deltas[start + best], anchors[best]), prepared.size)
        kept = large_enough(moved, rule["rpn_min_size"])
        boxes.append(moved[kept])
        scores.append(sigmoid(logits[best][kept]))
        levels.append(np.full(len(kept), level))
        start += len(anchors)
    all_boxes, score, group = (np.concatenate(each) for each in (boxes, scores, levels))
    kept = suppress(all_boxes, score, group, rule["rpn_nms_thresh"])
    return all_boxes[kept[: rule["rpn_post_nms_top_n"]]]


def pool(maps: list[Array], boxes: Array, size: int, rule: dict[str, Any]) -> Array:
    """RoI Align: features (P, C, size, size) of boxes (P, 4), each from the map that suits its size
    (224 pixels: stride 16, half of it: stride 8, ...); a cell is the mean of samples x samples."""
    sides = boxes[:, 2:] - boxes[:, :2]
    side = np.sqrt(np.maximum(sides[:, 0] * sides[:, 1], np.float32(1e-6)))
    log_stride = np.float32(4) + np.log2(side / np.float32(224)) + np.float32(1e-6)
    coarser = np.log2(np.array(rule["map_strides"][1:], np.float32))
    level = (log_stride[:, None] >= coarser).sum(axis=1)
    pooled = np.zeros((len(boxes), maps[0].shape[0], size, size), np.float32)
    samples = rule["sampling_ratio"]
    for i, (features, stride) in enumerate(zip(maps, rule["map_strides"], strict=True)):
        at_level = np.flatnonzero(level == i)
        start = boxes[at_level, :2] * np.float32(1 / stride)
        length = np.maximum(boxes[at_level, 2:] * np.float32(1 / stride) - start, np.float32(1))
        height, width = features.shape[1:]
        rows = axis_weights(start[:, 1], length[:, 1], size, samples, height)
        columns = axis_weights(start[:, 0], length[:, 0], size, samples, width)
        for place, row, column in zip(at_level, rows, columns, strict=True):
            y, x = (np.flatnonzero(each.any(axis=0)) for each in (row, column))
            if len(y) and len(x):
                high, wide = slice(y[0], y[-1] + 1), slice(x[0], x[-1] + 1)
                pooled[place] = row[:, high] @ features[:, high, wide] @ column[:, wide].T
    return pooled


def axis_weights(start: Array, length: Array, bins: int, samples: int, size: int) -> Array:
    """(P, bins, size): how much each cell along one axis counts in each bin of extents (P,). Each
    sample lies between two cells; one more than a cell outside the map counts as 0."""
    weights = np.zeros((len(start), bins, size), np.float32)
    step = length / np.float32(bins)
    begin = start[:, None] + np.arange(bins, dtype=np.float32) * step[:, None]
    row, column = np.indices(begin.shape)
    for sample in range(samples):
        at = begin + (np.float32(sample + 0.5) * step / np.float32(samples))[:, None]
        weight = ((at >= -1) & (at <= size)) * np.float32(1 / samples)
        at = at.clip(0, size - 1)
        low = at.astype(np.int64)
        part = (at - low).astype(np.float32)
        weights[row, column, low] += weight * (1 - part)
        weights[row, column, np.minimum(low + 1, size - 1)] += weight * part
    return weights
