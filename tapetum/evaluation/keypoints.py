"""Keypoints: how they are read, and how well a detected pose agrees with a true one.

Object keypoint similarity (OKS) is COCO's: for each marked point exp(-d^2 / (2 s^2 k^2)), where d
is the distance, s^2 the area of the object and k = 2 sigma says how far apart two people mark that
point; then the mean over the marked points.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tapetum.evaluation.checks import check_near
from tapetum.evaluation.entries import Entries, tables
from tapetum.evaluation.records import Detections, GroundTruth, Similarity

# fmt: off
COCO_SIGMAS = np.array([
    0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72,
    0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89,
]) / 10.0
# fmt: on
"""(17,) nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles."""

_AT_ONCE = 1 << 14  # pairs compared at a time


def points_per_object(entries: Entries, categories: Sequence[Mapping[str, Any]]) -> int:
    """How many keypoints the first entry has; without entries, what the categories name."""
    for row in entries.rows[:1]:
        points = row.get("keypoints")
        if not isinstance(points, Sequence) or len(points) % 3 or not points:
            raise entries.error(0, "has no keypoints x, y, v" if not points else _NOT_THREES)
        return len(points) // 3
    named = [len(c["keypoints"]) for c in categories if isinstance(c.get("keypoints"), list)]
    return max(named, default=0) or len(COCO_SIGMAS)


_NOT_THREES = "its keypoints are not x, y, v of each point"


def points_of(entries: Entries, count: int) -> np.ndarray:
    """(N, count, 3) float64, the keypoints of all entries."""
    points = tables(entries, "keypoints", 3 * count).reshape(-1, count, 3)
    check_near(points, entries.refuse)
    return points


def points_area(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Box xywh (N, 4) around all points (N, K, 3), marked or not, and its area (N,)."""
    if points.size == 0:
        return np.zeros((len(points), 4)), np.zeros(len(points))
    low, high = points[:, :, :2].min(axis=1), points[:, :, :2].max(axis=1)
    sides = high - low
    return np.concatenate((low, sides), axis=1), sides[:, 0] * sides[:, 1]


def sigmas_for(count: int, sigmas: Sequence[float] | np.ndarray | None = None) -> np.ndarray:
    """(count,) float64: those given, else COCO's for 17 points, else the mean of COCO's for all.

    ValueError if those given are not `count` positive numbers.
    """
    if sigmas is None:
        same = np.full(count, COCO_SIGMAS.mean())
        return COCO_SIGMAS if count == len(COCO_SIGMAS) else same
    given = np.array(sigmas, dtype=np.float64)
    if given.shape != (count,) or not (np.isfinite(given) & (given > 0)).all():
        raise ValueError(f"sigmas: expected {count} positive numbers, got {sigmas}")
    return given


def keypoint_similarity(
    ground_truth: GroundTruth,
    detections: Detections,
    sigmas: Sequence[float] | np.ndarray | None = None,
) -> Similarity:
    """OKS of each pair; of the way into the doubled box where no true point is marked.

    The operations and their order are those of `computeOks` in pycocotools, so that the float64
    results have the same bits.
    """
    assert ground_truth.keypoints is not None
    assert detections.keypoints is not None
    true, found = ground_truth.keypoints, detections.keypoints[:, :, :2]
    spread = (sigmas_for(true.shape[1], sigmas) * 2) ** 2  # (K,)
    marked = true[:, :, 2] > 0  # (N, K)
    unmarked = np.logical_not(marked.any(axis=1))
    # A detection within twice the box of an unmarked person is as good as on it.
    low = ground_truth.xywh[:, :2] - ground_truth.xywh[:, 2:]
    high = ground_truth.xywh[:, :2] + ground_truth.xywh[:, 2:] * 2
    scale = ground_truth.area + np.spacing(1)

    def some(g: np.ndarray, d: np.ndarray) -> np.ndarray:
        points, blank = found[d], unmarked[g]
        offset = points - true[g, :, :2]  # (P, K, 2)
        inside = points[blank]
        corners = low[g[blank], None], high[g[blank], None]
        offset[blank] = np.maximum(0, corners[0] - inside) + np.maximum(0, inside - corners[1])
        square = offset**2
        error = (square[:, :, 0] + square[:, :, 1]) / spread / scale[g][:, None] / 2
        return _mean_where(np.exp(-error), marked[g] | blank[:, None])

    def similarity(gt_index: np.ndarray, detection_index: np.ndarray) -> np.ndarray:
        value = np.empty(len(gt_index))
        for part in _parts(len(gt_index)):
            value[part] = some(gt_index[part], detection_index[part])
        return value

    return similarity


def _mean_where(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """(P,) the mean of each row of `values` (P, K) over its True places in `where`, at least one.

    Rows of equally many are summed together without the gaps: a sum's bits depend on its order.
    """
    counts, means = where.sum(axis=1), np.empty(len(values))
    for count in np.unique(counts).tolist():
        rows = np.flatnonzero(counts == count)
        packed = values[rows][where[rows]].reshape(len(rows), count)
        means[rows] = packed.sum(axis=1) / count
    return means


def _parts(count: int) -> Iterator[slice]:
    return (slice(start, start + _AT_ONCE) for start in range(0, count, _AT_ONCE))
