"""Predictions as COCO's results: boxes, masks or keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from tapetum.data.coco.write import category_ids, picture_ids
from tapetum.data.picture import Picture
from tapetum.ops.masks import rle_encode, rle_to_string
from tapetum.structures import Objects, Prediction

KINDS = ("bbox", "segm", "keypoints")
"""What results may be of, in COCO's words."""


def results_list(
    predictions: Sequence[Prediction],
    pictures: Sequence[Picture],
    class_ids: Sequence[int | str] | None = None,
    kind: str = "bbox",
) -> list[dict[str, Any]]:
    """Predictions, one for each picture, as COCO's list of results with the ids of `coco_dict`.

    An entry has image_id, category_id, score, and one of bbox, segmentation (compressed run
    lengths) or keypoints (x, y and the model's own score of each), by `kind`: no two of them, since
    COCO's tools take the area of a mask from its box where both are there. Boxes come as float32
    corners; width and height are taken in float64, so nothing is rounded twice.

    Raises:
        ValueError: unequal counts, an unknown kind, or objects without what it asks for.
    """
    if len(predictions) != len(pictures):
        raise ValueError(f"expected {len(pictures)} predictions, got {len(predictions)}")
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {KINDS}, got {kind!r}")
    results: list[dict[str, Any]] = []
    for prediction, image_id in zip(predictions, picture_ids(pictures), strict=True):
        found = prediction.objects
        if found is None or found.scores is None or not len(found):
            continue
        labels = found.labels.tolist()
        categories = category_ids(class_ids, max(labels) + 1)
        rows = zip(_entries(found, kind), labels, found.scores.tolist(), strict=True)
        results += [
            {"image_id": image_id, "category_id": categories[label], **entry, "score": score}
            for entry, label, score in rows
        ]
    return results


def _entries(found: Objects, kind: str) -> list[dict[str, Any]]:
    """What each object contributes."""
    if kind == "bbox":
        corners = found.boxes.detach().cpu().double().numpy().copy()  # (N, 4) x1 y1 x2 y2
        corners[:, 2:] -= corners[:, :2]
        return [{"bbox": xywh} for xywh in corners.tolist()]
    if kind == "segm":
        masks = _given(found.masks, "masks").numpy()  # (N, H, W)
        return [{"segmentation": _compressed(rle_encode(mask))} for mask in masks]
    points = _given(found.keypoints, "keypoints").double()  # (N, K, 3)
    return [{"keypoints": row} for row in points.flatten(1).tolist()]


def _given(values: torch.Tensor | None, name: str) -> torch.Tensor:
    if values is None:
        raise ValueError(f"expected predictions with {name}, got some without")
    return values.detach().cpu()


def _compressed(code: dict[str, Any]) -> dict[str, Any]:
    return {"size": code["size"], "counts": rle_to_string(code["counts"])}
