"""The images of an evaluation with their detections and ground truth: the best, the worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tapetum.data.records.segments import segments_to_masks
from tapetum.evaluation import Outcomes, matches_at
from tapetum.evaluation.results import mask_code
from tapetum.ops.masks import rle_decode
from tapetum.structures import Objects
from tapetum.tasks.detection import DetectionEvaluation


@dataclass(frozen=True, eq=False)
class ImageOutcome:
    """An image with its ground truth and confident detections; which match at IoU 0.5?

    index: place in the dataset. right: (N,) bool for each of `detections`; seen: (G,) bool for each
    of `ground_truth`. Crowd regions and detections on them are left out.
    """

    index: int
    name: str
    detections: Objects
    ground_truth: Objects
    right: np.ndarray
    seen: np.ndarray

    @property
    def f1(self) -> float:
        """2 right / (detections + objects); 1 where there are neither."""
        count = len(self.right) + len(self.seen)
        return 2 * int(self.right.sum()) / count if count else 1.0

    def caption(self) -> str:
        """A line about the image."""
        wrong = int((~self.right).sum())
        errors = f"{wrong} false positive{'s' * (wrong != 1)}"
        return f"{int(self.seen.sum())} of {len(self.seen)} detected, {errors}"


def image_outcomes(evaluation: DetectionEvaluation, thresholds: np.ndarray) -> list[ImageOutcome]:
    """All images of an evaluation with their confident detections.

    Args:
        evaluation: of a detector.
        thresholds: (K,) score of each class from which a detection counts.

    Returns:
        One outcome per image, in the order of the dataset.
    """
    ground_truth, detections = evaluation.ground_truth, evaluation.detections
    outcomes = matches_at(ground_truth, detections, iou_type=evaluation.iou_type)
    confident = detections.score >= thresholds[detections.category]
    seen = _seen(outcomes, confident)
    places = {image_id: place for place, image_id in enumerate(ground_truth.image_ids)}
    rows = []
    for index, record_id in enumerate([p.id for p in evaluation.images]):
        here = detections.image == places[record_id]
        shown = np.flatnonzero(here & confident & ~outcomes.ignored)
        true = np.flatnonzero((ground_truth.image == places[record_id]) & ~ground_truth.ignored)
        rows.append(
            ImageOutcome(
                index=index,
                name=evaluation.images[index].name,
                detections=detected_objects(evaluation, shown),
                ground_truth=true_objects(evaluation, index, true),
                right=outcomes.true_positive[shown],
                seen=seen[true],
            )
        )
    return rows


def best_and_worst(
    outcomes: Sequence[ImageOutcome], count: int
) -> tuple[list[ImageOutcome], list[ImageOutcome]]:
    """The images with the highest and the lowest F1, none in both; more objects first.

    Args:
        outcomes: of all images.
        count: of either, at most.

    Returns:
        The best, and the worst; images without an error are not among the worst.
    """
    order = sorted(outcomes, key=lambda o: (-o.f1, -len(o.seen)))
    half = min(count, len(order) // 2) if len(order) > 1 else len(order)
    worst = sorted(order[half:], key=lambda o: (o.f1, -len(o.seen)))[:count]
    return order[:half], [outcome for outcome in worst if outcome.f1 < 1]


def _seen(outcomes: Outcomes, confident: np.ndarray) -> np.ndarray:
    """Objects matched by a confident detection; a match never depends on lower scores."""
    match = outcomes.matched_detection
    return (match >= 0) & confident[match] if len(confident) else np.zeros(len(match), dtype=bool)


def detected_objects(evaluation: DetectionEvaluation, rows: np.ndarray) -> Objects:
    """The detections `rows` with their scores, and masks or keypoints."""
    detections = evaluation.detections
    objects = _objects(detections.xywh, detections.category, rows)
    objects = objects.with_(scores=torch.from_numpy(detections.score[rows]).float())
    if len(rows) and detections.masks is not None:
        codes = [mask_code(detections, evaluation.ground_truth, row) for row in rows.tolist()]
        masks = torch.stack([torch.from_numpy(rle_decode(code)) for code in codes])
        objects = objects.with_(masks=masks)
    if len(rows) and detections.keypoints is not None:
        objects = objects.with_(keypoints=torch.from_numpy(detections.keypoints[rows]).float())
    return objects


def true_objects(evaluation: DetectionEvaluation, index: int, rows: np.ndarray) -> Objects:
    """The ground-truth objects `rows`, all on image `index`, with its masks or keypoints."""
    ground_truth, record = evaluation.ground_truth, evaluation.images[index]
    objects = _objects(ground_truth.xywh, ground_truth.category, rows)
    # Ground truth is in the order of the records, that of one image together.
    local = (
        rows - np.flatnonzero(ground_truth.image == ground_truth.image[rows[0]])[0]
        if len(rows)
        else rows
    )
    masks, points = None, None
    if evaluation.iou_type == "segm" and record.size is not None:
        masks = segments_to_masks(record, record.size)[local]
    if evaluation.iou_type == "keypoints" and record.keypoints is not None:
        points = torch.from_numpy(record.keypoints[local]).float()
    return objects.with_(masks=masks, keypoints=points)


def _objects(xywh: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> Objects:
    corners = xywh[rows].copy()
    corners[:, 2:] += corners[:, :2]
    return Objects(
        boxes=torch.from_numpy(corners).float(),
        labels=torch.from_numpy(labels[rows].astype(np.int64)),
    )
