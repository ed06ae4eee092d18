"""Masks and keypoints for made COCO sets: what stands in a box becomes a wavy ellipse or a pose."""

from __future__ import annotations

from typing import Any

import numpy as np
from coco_made import HEIGHT, WIDTH

from tapetum.ops.masks import rle_to_string

_POINTS = 17
_ANGLES = np.linspace(0, 2 * np.pi, 60, endpoint=False)
_POSE = np.random.default_rng(3).random((_POINTS, 2))  # where each keypoint stands in its box
Pair = tuple[dict[str, Any], list[dict[str, Any]]]


def with_masks(gt: dict[str, Any], results: list[dict[str, Any]], seed: int = 1) -> Pair:
    """Truths as polygons of 60 points, crowds and results as run lengths without boxes."""
    random = np.random.default_rng(seed)
    for annotation in gt["annotations"]:
        x, y, w, h = annotation["bbox"]
        wave = 1 - 0.15 * random.random() * (1 + np.sin(_ANGLES * random.integers(2, 9)))
        across, down = (
            x + w / 2 * (1 + wave * np.cos(_ANGLES)),
            y + h / 2 * (1 + wave * np.sin(_ANGLES)),
        )
        polygon = np.stack((across, down), axis=1).round(2).reshape(-1).tolist()
        plain = {"size": [HEIGHT, WIDTH], "counts": _counts(annotation["bbox"], 0.1).tolist()}
        annotation["segmentation"] = plain if annotation["iscrowd"] else [polygon]
    return gt, [_outlined(entry, 0.3 * random.random()) for entry in results]


def with_keypoints(gt: dict[str, Any], results: list[dict[str, Any]], seed: int = 1) -> Pair:
    """Seventeen points in every box; one in five of the truth's is not marked."""
    random = np.random.default_rng(seed)
    for annotation in gt["annotations"]:
        marked = (random.random(_POINTS) < 0.8) * (random.random() < 0.95)
        points = _pose(random, annotation["bbox"], 0.02) * marked[:, None]
        rows = np.concatenate((points.round(), 2 * marked[:, None]), axis=1)
        annotation |= {"keypoints": rows.reshape(-1).tolist(), "num_keypoints": int(marked.sum())}
    for entry in results:
        points = _pose(random, entry.pop("bbox"), 0.1 * (1 - entry["score"]))
        rows = np.concatenate((points.round(2), np.ones((_POINTS, 1))), axis=1)
        entry["keypoints"] = rows.reshape(-1).tolist()
    return gt, results


def _outlined(entry: dict[str, Any], wave: float) -> dict[str, Any]:
    counts = rle_to_string(_counts(entry["bbox"], wave))
    kept = {key: entry[key] for key in ("image_id", "category_id", "score")}
    return {**kept, "segmentation": {"size": [HEIGHT, WIDTH], "counts": counts}}


def _counts(box: list[float], wave: float) -> np.ndarray:
    """Run lengths of an ellipse in the box, its edge shaken by a sine: a run in each column."""
    x, y, w, h = box
    column = np.arange(max(0, int(x)), min(WIDTH, int(x + w)))
    along = np.clip((column + 0.5 - x) / w * 2 - 1, -1, 1)
    half = h / 2 * np.sqrt(1 - along**2) * (1 - wave * np.sin(column / 5) ** 2)
    top = np.clip(y + h / 2 - half, 0, HEIGHT - 2).astype(np.int64)
    bottom = np.clip(y + h / 2 + half, 0, HEIGHT - 1).astype(np.int64)
    some = bottom > top
    borders = np.stack((column * HEIGHT + top, column * HEIGHT + bottom), axis=1)[some].reshape(-1)
    return np.diff(borders, prepend=0, append=WIDTH * HEIGHT)


def _pose(random: np.random.Generator, box: list[float], shake: float) -> np.ndarray:
    """(17, 2) x, y."""
    x, y, w, h = box
    places = _POSE + random.normal(0, shake, _POSE.shape)
    return np.array([x, y]) + places * np.array([w, h])
