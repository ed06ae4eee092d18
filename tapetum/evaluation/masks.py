"""How well a detected mask agrees with a true one."""

from __future__ import annotations

import numpy as np

from tapetum.evaluation.records import Detections, GroundTruth, Masks, Similarity
from tapetum.ops.runs import shared_pixels

_SLACK = 1e-9  # no rounding of a bound comes near it


def mask_similarity(
    ground_truth: GroundTruth, detections: Detections, least: float = 0.0
) -> Similarity:
    """Intersection over union of masks; over the detection's area where it meets a crowd.

    The numbers are those of `rleIou` in the COCO API's maskApi.c. Pairs that cannot reach `least`,
    going by their boxes and areas, get 0 and are not looked at.
    """
    true, found = ground_truth.masks, detections.masks
    assert true is not None
    assert found is not None

    def similarity(g: np.ndarray, d: np.ndarray) -> np.ndarray:
        crowd, area_g, area_d = ground_truth.crowd[g], true.area[g], found.area[d]
        most = np.minimum(np.minimum(area_g, area_d), _shared_box(true, found, g, d))  # (P,)
        halts = (most > 0) & true.halting[g] & found.halting[d]
        near = (most > 0) & (most >= (least - _SLACK) * _union(crowd, area_d, area_g, most))
        near &= ~halts
        shared = np.zeros(len(g), dtype=np.int64)
        shared[near] = shared_pixels(found.runs, true.runs, d[near], g[near])
        union = _union(crowd, area_d, area_g, shared)
        value = np.divide(shared, union, out=np.zeros(len(g)), where=shared > 0)
        for pair in np.flatnonzero(halts).tolist():
            union_area = int(area_d[pair]) if crowd[pair] else None
            value[pair] = _walk(_counts(found, d[pair]), _counts(true, g[pair]), union_area)
        return value

    return similarity


def _union(
    crowd: np.ndarray, area_d: np.ndarray, area_g: np.ndarray, shared: np.ndarray
) -> np.ndarray:
    return np.where(crowd, area_d, area_d + area_g - shared)


def _shared_box(true: Masks, found: Masks, g: np.ndarray, d: np.ndarray) -> np.ndarray:
    """(P,) float64: the pixels that the boxes of each pair have in common."""
    one, other = true.xywh[g], found.xywh[d]
    low = np.maximum(one[:, :2], other[:, :2])
    high = np.minimum(one[:, :2] + one[:, 2:], other[:, :2] + other[:, 2:])
    return np.maximum(high - low, 0).prod(axis=1)


def _counts(masks: Masks, index: int) -> list[int]:
    first = masks.runs.first
    return masks.runs.counts[first[index] : first[index + 1]].tolist()


def _walk(one: list[int], other: list[int], union_area: int | None) -> float:
    """The overlap of two codes, run by run, up to where both have an empty run at once.

    There the reference takes its walk for finished. Codes with empty runs within are written by
    no encoder of masks, but by converters of other formats.
    """
    codes = iter(one), iter(other)
    left, inside = [next(code) for code in codes], [False, False]
    shared = union = 0
    while True:
        step = min(left)
        shared += step * all(inside)
        union += step * any(inside)
        for side, code in enumerate(codes):
            left[side] -= step
            following = next(code, None) if left[side] == 0 else None
            if following is not None:
                left[side], inside[side] = following, not inside[side]
        if left == [0, 0]:
            return shared / (union if union_area is None else union_area) if shared else 0.0
