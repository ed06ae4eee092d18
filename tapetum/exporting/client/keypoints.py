"""Keypoint R-CNN: the largest value of a map over each detection, for each keypoint."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapetum.exporting.client.boxes import describe_objects, to_original
from tapetum.exporting.client.images import Array, Prepared, taps
from tapetum.exporting.client.rois import find_regions, pool
from tapetum.exporting.client.running import Run


def answer(rule: dict[str, Any], run: Run, prepared: Prepared) -> dict[str, Array]:
    """{"boxes": (N, 4), "labels": (N,), "scores": (N,), "keypoints": (N, K, 3)}, best first; a
    keypoint is x, y and the logit there."""
    found, maps = find_regions(rule, run, prepared)
    inside = found["boxes"]
    points = np.zeros((len(inside), rule["keypoints"], 3), np.float32)
    if len(inside):
        (heat,) = run("branch", pool(maps, inside, rule["branch_output_size"], rule))
        points = np.stack([read_heat(one, box) for one, box in zip(heat, inside, strict=True)])
    (height, width), (old_height, old_width) = prepared.size, prepared.original
    scale = np.array((old_width / width, old_height / height, 1), np.float32)
    return found | {"boxes": to_original(inside, prepared), "keypoints": points * scale}


def read_heat(maps: Array, box: Array) -> Array:
    """(K, 3): x, y and value of the largest pixel of maps (K, S, S) brought to the size of the
    box, bicubic."""
    extent = np.maximum(box[2:] - box[:2], np.float32(1))
    width, height = np.ceil(extent).astype(int).tolist()
    rows, columns = enlarging(maps.shape[1], height), enlarging(maps.shape[2], width)
    fine = (rows @ maps @ columns.T).reshape(len(maps), -1)
    place = fine.argmax(axis=1)
    pixel = np.stack((place % width, place // width), axis=1).astype(np.float32)
    step = extent / np.ceil(extent)
    points = box[:2] + (pixel + np.float32(0.5)) * step
    return np.concatenate((points, fine[np.arange(len(fine)), place][:, None]), axis=1)


def enlarging(old: int, new: int) -> Array:
    """(new, old): bicubic interpolation as a matrix."""
    places, weights = taps(old, new, "bicubic")
    matrix = np.zeros((new, old), np.float32)
    np.add.at(matrix, (np.arange(new)[:, None], places), weights)
    return matrix


def describe(
    found: dict[str, Array], about: dict[str, Any], threshold: float | None
) -> dict[str, Any]:
    """{"objects": [{"class", "label", "score", "box", "keypoints": [[x, y, logit]]}]}"""
    return {"objects": describe_objects(found, about, threshold)}
