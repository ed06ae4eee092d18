"""Mask R-CNN: a mask of each detection, drawn into the original image."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapetum.exporting.client.boxes import counting, describe_objects, sigmoid, to_original
from tapetum.exporting.client.images import Array, Prepared, resize
from tapetum.exporting.client.rois import find_regions, pool
from tapetum.exporting.client.running import Run


def answer(rule: dict[str, Any], run: Run, prepared: Prepared) -> dict[str, Array]:
    """{"boxes": (N, 4), "labels": (N,), "scores": (N,), "masks": (N, H, W) bool}, best first."""
    found, maps = find_regions(rule, run, prepared)
    boxes = to_original(found["boxes"], prepared)
    if not len(boxes):
        return found | {"boxes": boxes, "masks": np.zeros((0, *prepared.original), bool)}
    (logits,) = run("branch", pool(maps, found["boxes"], rule["branch_output_size"], rule))
    small = sigmoid(logits[np.arange(len(boxes)), 1 + found["labels"]])  # (N, S, S)
    drawn = [paste(mask, box, prepared.original) for mask, box in zip(small, boxes, strict=True)]
    return found | {"boxes": boxes, "masks": np.stack(drawn)}


def paste(mask: Array, box: Array, size: tuple[int, int]) -> Array:
    """(H, W) bool: where a soft mask (S, S), stretched over its box, is at least 0.5."""
    grid = mask.shape[0]
    center = (box[2:] + box[:2]) * np.float32(0.5)
    half = (box[2:] - box[:2]) * np.float32(0.5) * np.float32((grid + 2) / grid)
    (x1, y1), (x2, y2) = (corner.astype(int).tolist() for corner in (center - half, center + half))
    shape = (max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1))
    drawn = resize(np.pad(mask, 1), shape) >= 0.5
    result = np.zeros(size, bool)
    top, bottom = max(y1, 0), min(y1 + shape[0], size[0])
    left, right = max(x1, 0), min(x1 + shape[1], size[1])
    if top < bottom and left < right:
        inside = drawn[top - y1 : bottom - y1, left - x1 : right - x1]
        result[top:bottom, left:right] = inside
    return result


def describe(
    found: dict[str, Array], about: dict[str, Any], threshold: float | None
) -> dict[str, Any]:
    """{"objects": [{"class", "label", "score", "box", "mask": COCO's run lengths}]}"""
    rows = describe_objects(found, about, threshold)
    masks = found["masks"][counting(found, about, threshold)]
    for row, mask in zip(rows, masks, strict=True):
        row["mask"] = {"size": list(mask.shape), "counts": run_lengths(mask)}
    return {"objects": rows}


def run_lengths(mask: Array) -> str:
    """COCO's compressed string: lengths of the runs outside, inside, ... down the columns, from the
    fourth on as differences to the one two before, in groups of 5 bits."""
    flat = np.concatenate(([False], mask.T.ravel()))
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff(np.concatenate(([0], edges, [mask.size]))).tolist()
    letters = []
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        more = True
        while more:
            group, value = value & 31, value >> 5
            more = value != (-1 if group & 16 else 0)
            letters.append(chr((group | 32 if more else group) + 48))
    return "".join(letters)
