"""Is the right object named, and is the box on it? One object an image, or a few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

from tapetum.evaluation.detection import mean_defined

if TYPE_CHECKING:
    from tapetum.structures import Objects

ENOUGH = 0.5
"""The IoU from which a box is on the object."""
_PREFERENCE = 1e-6
"""What the right class is worth in the assignment: it decides among equal overlaps only."""

MEANINGS = {
    "both_right": "fraction of images with the right class and a box of IoU 0.5 or more",
    "class_accuracy": "fraction of images with the right class",
}
"""What each number of `stats` says, in a few words for a report."""


@dataclass(frozen=True, eq=False)
class LocalizationResult:
    """What boxes with classes are worth. What has nothing to be measured with is -1.

    stats: "both_right", the fraction of the objects whose class and box (IoU >= 0.5) are right
    (Russakovsky et al. 2015, section 4.2, has its complement as the localization error);
    "class_accuracy", that of those whose class is right, wherever the box; "box_accuracy", that of
    those whose box is right, whatever the class; "mean_iou" with the box that belongs to it, 0
    where none does; "extra", predicted objects that belong to no true one, an image.
    classes: the same of the objects of each class, but for "extra", and their number, "objects".
    both_right, class_right, iou: (N,) float64, the means over each image's true objects.
    quality: (N,) the mean of their overlaps, each counted only where the class is right: what best
    and worst images are told by. extra: (N,) int64.
    """

    stats: dict[str, float]
    classes: dict[str, dict[str, float]]
    both_right: np.ndarray
    class_right: np.ndarray
    iou: np.ndarray
    quality: np.ndarray
    extra: np.ndarray


def evaluate_locations(
    predicted: Sequence[Objects],
    targets: Sequence[Objects],
    class_names: Sequence[str],
    objects: int | None = None,
) -> LocalizationResult:
    """Measure predicted objects; scores are ignored.

    True and predicted objects are paired one to one with the largest sum of IoU (the assignment
    problem of Kuhn 1955); a pair may have an IoU of 0, and then its class still counts. Crowd
    regions and boxes without area are left out.

    Args:
        predicted: the predicted objects of each image, boxes in pixels.
        targets: the true objects of each image.
        class_names: the names of the classes, by label.
        objects: count only that many of the largest true objects of an image, for a model that
            predicts a fixed number; None: all of them.

    Returns:
        The metrics, for all objects, by class and by image.

    Raises:
        ValueError: unequal numbers of images.
    """
    if len(predicted) != len(targets):
        raise ValueError(f"predicted: expected {len(targets)}, one an image, got {len(predicted)}")
    counted = [_counted(instances, objects) for instances in targets]
    pairs = [
        _match(_arrays(objects_of_image), true)
        for objects_of_image, true in zip(predicted, counted, strict=True)
    ]
    iou, right = (np.concatenate([p[i] for p in pairs] or [np.zeros(0)]) for i in (0, 1))
    labels = np.concatenate([true[1] for true in counted] or [np.zeros(0, np.int64)])
    extra = np.array([p[2] for p in pairs], dtype=np.int64)
    counts = [len(true[1]) for true in counted]
    classes = {}
    for label, name in enumerate(class_names):
        of_class = labels == label
        classes[name] = _stats(iou[of_class], right[of_class]) | {"objects": int(of_class.sum())}
    return LocalizationResult(
        stats=_stats(iou, right) | {"extra": float(extra.mean()) if len(extra) else -1.0},
        classes=classes,
        both_right=_each(right * (iou >= ENOUGH), counts),
        class_right=_each(right, counts),
        iou=_each(iou, counts),
        quality=_each(right * iou, counts),
        extra=extra,
    )


def _stats(iou: np.ndarray, right: np.ndarray) -> dict[str, float]:
    """Of objects with overlap `iou` (M,) and right class (M,) 0 or 1."""
    on_it = (iou >= ENOUGH).astype(np.float64)
    return {
        "both_right": mean_defined(right * on_it),
        "class_accuracy": mean_defined(right),
        "box_accuracy": mean_defined(on_it),
        "mean_iou": mean_defined(iou),
    }


def _counted(objects: Objects, count: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) float64 and labels (N,) of the true objects that count, the largest first."""
    boxes, labels = _arrays(objects)
    size = boxes[:, 2:] - boxes[:, :2]
    valid = (size > 0).all(axis=1)
    if objects.crowd is not None:
        valid &= ~objects.crowd.cpu().numpy()
    boxes, labels, area = boxes[valid], labels[valid], size[valid].prod(axis=1)
    order = np.argsort(-area, kind="stable")[:count]
    return boxes[order], labels[order]


def _arrays(objects: Objects) -> tuple[np.ndarray, np.ndarray]:
    return objects.boxes.detach().cpu().double().numpy(), objects.labels.cpu().numpy()


def _match(
    found: tuple[np.ndarray, np.ndarray], targets: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, int]:
    """Overlap (M,) and right class (M,) 0 or 1 of each true object; found objects left over."""
    iou, right = np.zeros(len(targets[1])), np.zeros(len(targets[1]))
    overlap = _overlaps(targets[0], found[0])  # (M, N)
    same = targets[1][:, None] == found[1]
    true, predicted = linear_sum_assignment(overlap + _PREFERENCE * same, maximize=True)
    iou[true], right[true] = overlap[true, predicted], same[true, predicted]
    return iou, right, len(found[1]) - len(predicted)


def _overlaps(boxes1: np.ndarray, boxes2: np.ndarray) -> np.ndarray:
    """IoU (M, N) of boxes (M, 4) and (N, 4)."""
    low = np.maximum(boxes1[:, None, :2], boxes2[:, :2])
    high = np.minimum(boxes1[:, None, 2:], boxes2[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    area1, area2 = ((b[:, 2:] - b[:, :2]).prod(axis=1) for b in (boxes1, boxes2))
    union = area1[:, None] + area2 - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1), 0.0)


def _each(values: np.ndarray, counts: Sequence[int]) -> np.ndarray:
    """(N,): the mean of each image's values, -1 where it has none."""
    parts = np.split(values, np.cumsum(counts)[:-1]) if len(counts) else []
    return np.array([mean_defined(part) for part in parts])
