"""PASCAL VOC's average precision of boxes, by eleven points and by the area under the curve.

The rules are those of the VOC development kit (Everingham et al., The PASCAL Visual Object Classes
Challenge, 2010, section 4.2). By falling score, each detection looks at the ground truth of its
image and class that it overlaps most, and at no other: found if the overlap reaches the threshold
and nobody found it before, else a false positive. A ground truth marked as difficult is
neither found nor missed, and who lands on it does not count. COCO's rules differ in each of these
points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tapetum.evaluation.pairing import candidate_pairs, rank_detections
from tapetum.evaluation.records import Detections, GroundTruth, Similarity, run_starts

_POINTS = 11


@dataclass(frozen=True, eq=False)
class VocResult:
    """VOC's numbers for K classes.

    ap: (K,) area under precision (made non-increasing) over recall, as VOC counts since 2010.
    ap_11_point: (K,) mean precision at recall 0, 0.1 ... 1, as VOC counted until 2009.
    Both are in [0, 1], and -1 for a class without ground truths that count.
    ground_truths: (K,) int64, how many count. curves: for each class recall and precision after
    each detection that counts.
    """

    ap: np.ndarray
    ap_11_point: np.ndarray
    ground_truths: np.ndarray
    curves: tuple[tuple[np.ndarray, np.ndarray], ...]
    category_ids: tuple[int | str, ...]
    category_names: tuple[str, ...]

    @property
    def mean_ap(self) -> float:
        """The mean of `ap` over the classes that have it, or -1."""
        return _mean(self.ap, self.ground_truths)

    @property
    def mean_ap_11_point(self) -> float:
        """The mean of `ap_11_point` over the classes that have it, or -1."""
        return _mean(self.ap_11_point, self.ground_truths)


def evaluate_voc(
    ground_truth: GroundTruth,
    detections: Detections,
    iou: float = 0.5,
    *,
    difficult: np.ndarray | None = None,
    inclusive: bool = True,
) -> VocResult:
    """Average precision of PASCAL VOC at one IoU threshold, by class (Everingham et al. 2010).

    The recalls of the eleven points are compared exactly, as hits >= k / 10 x ground truths in
    integers. Evaluators that count them up in floating point compare 9 hits of 15 with
    0.6000000000000001 and drop the point, though 9 / 15 is 0.6: one such step changes the number by
    up to 1/11.

    Args:
        ground_truth: the ground truth, N objects.
        detections: the detections in its images.
        iou: in (0, 1], the IoU from which a detection matches.
        difficult: (N,) bool, the difficult objects; by default the ignored ones (crowd regions).
        inclusive: x, y and x + width, y + height are the first and the last pixel of a box, so
            that it is width + 1 pixels wide, as in VOC's files and its tools. False for half-open
            boxes, as `tapetum.data` reads them from VOC's files: their plain IoU is VOC's.

    Returns:
        AP by area under the curve and at eleven points, and the curves, by class.

    Raises:
        ValueError: `iou` is not in (0, 1], or `difficult` is not (N,) bool.
    """
    if not 0 < iou <= 1:
        raise ValueError(f"iou: expected above 0 and up to 1, got {iou}")
    skipped = ground_truth.ignored if difficult is None else difficult
    if skipped.shape != (len(ground_truth),) or skipped.dtype != np.bool_:
        raise ValueError(
            f"difficult: expected ({len(ground_truth)},) bool, got {skipped.shape} {skipped.dtype}"
        )
    closest = _closest(ground_truth, detections, iou, inclusive)
    order = np.lexsort((-detections.score, detections.category))  # stable: ties by list order
    hit, counts = _fates(closest[order], skipped)
    category, hit = detections.category[order][counts], hit[counts]
    classes = len(ground_truth.category_ids)
    ground_truths = np.bincount(ground_truth.category[~skipped], minlength=classes)
    bounds = np.searchsorted(category, np.arange(classes + 1))
    mine = [hit[bounds[k] : bounds[k + 1]] for k in range(classes)]
    pairs = list(zip(mine, ground_truths.tolist(), strict=True))
    return VocResult(
        ap=np.array([_area(*pair) for pair in pairs]),
        ap_11_point=np.array([_eleven_points(*pair) for pair in pairs]),
        ground_truths=ground_truths,
        curves=tuple(_curve(*pair) for pair in pairs),
        category_ids=ground_truth.category_ids,
        category_names=ground_truth.category_names,
    )


def _closest(
    ground_truth: GroundTruth, detections: Detections, iou: float, inclusive: bool
) -> np.ndarray:
    """(D,) the ground truth each detection overlaps most, the first of equals; -1 below `iou`."""
    ranking = rank_detections(detections)
    similarity = _overlap(ground_truth, detections, inclusive)
    pairs = candidate_pairs(ground_truth, detections, ranking, similarity, iou)
    closest = np.full(len(detections), -1, dtype=np.int64)
    starts = run_starts(pairs.position)
    if len(starts):
        most = np.maximum.reduceat(pairs.similarity, starts)
        most = np.repeat(most, np.diff(starts, append=len(pairs.position)))
        best = np.flatnonzero(pairs.similarity == most)[::-1]  # written last, the first one stays
        closest[ranking.index[pairs.position[best]]] = pairs.ground_truth[best]
    return closest


def _overlap(ground_truth: GroundTruth, detections: Detections, inclusive: bool) -> Similarity:
    more = 1.0 if inclusive else 0.0

    def similarity(g: np.ndarray, d: np.ndarray) -> np.ndarray:
        one, other = ground_truth.xywh[g], detections.xywh[d]
        low = np.maximum(one[:, :2], other[:, :2])
        high = np.minimum(one[:, :2] + one[:, 2:], other[:, :2] + other[:, 2:])
        shared = np.maximum(high - low + more, 0).prod(axis=1)
        areas = (one[:, 2:] + more).prod(axis=1) + (other[:, 2:] + more).prod(axis=1)
        return np.divide(shared, areas - shared, out=np.zeros(len(g)), where=shared > 0)

    return similarity


def _fates(closest: np.ndarray, difficult: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Arrays hit (D,) and counts (D,) bool of detections in the order in which they choose."""
    placed = closest >= 0
    on_difficult = placed & np.append(difficult, False)[closest]
    first = np.zeros(len(closest), dtype=bool)
    first[np.unique(closest, return_index=True)[1]] = True
    return placed & first & ~on_difficult, ~on_difficult


def _curve(hit: np.ndarray, ground_truths: int) -> tuple[np.ndarray, np.ndarray]:
    """Arrays recall (D,) and precision (D,)."""
    hits = np.cumsum(hit)
    return hits / max(ground_truths, 1), hits / np.arange(1, len(hit) + 1)


def _best_precision(hit: np.ndarray) -> np.ndarray:
    """(H,) for each number of hits 1, 2, ... the best precision with as many or more."""
    at = np.flatnonzero(hit)
    precision = np.arange(1, len(at) + 1) / (at + 1)
    return np.maximum.accumulate(precision[::-1])[::-1]


def _area(hit: np.ndarray, ground_truths: int) -> float:
    return float(_best_precision(hit).sum() / ground_truths) if ground_truths else -1.0


def _eleven_points(hit: np.ndarray, ground_truths: int) -> float:
    if not ground_truths:
        return -1.0
    tenths = np.arange(_POINTS)
    needed = np.maximum(-(-tenths * ground_truths // (_POINTS - 1)), 1)  # hits, rounded up
    reached = np.append(_best_precision(hit), np.zeros(ground_truths + 1))
    return float(reached[needed - 1].mean())


def _mean(values: np.ndarray, ground_truths: np.ndarray) -> float:
    return float(values[ground_truths > 0].mean()) if (ground_truths > 0).any() else -1.0
