"""From matches to precision, recall and scores, for every threshold, class, area and cap.

The definitions are COCO's (Lin et al., Microsoft COCO, 2014; the reference is COCOeval): precision
after each detection, made non-increasing from the right, read off at fixed recalls. Only true
positives raise the recall, and precision is highest just after one, so the curves are held at
their true positives alone: a few numbers for each class instead of one for each detection.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tapetum.evaluation.matching import Matches
from tapetum.evaluation.pairing import Ranking
from tapetum.evaluation.records import Detections, GroundTruth, Rules

_EPSILON = np.spacing(1)


@dataclass(frozen=True, eq=False)
class CountedDetections:
    """All ranked detections (N, in ranking order), and the S of them that may match something.

    category (N,), score (N,), rank (N,); inside: (A, N) bool, the detection's own area is in the
    range. position: (S,) where those S lie among the N.
    hit: (A, T, S) bool, a true positive.
    change: (A, T, S) int8, whether the detection counts (1) or not (0), less what `inside` says.
    """

    category: np.ndarray
    score: np.ndarray
    rank: np.ndarray
    inside: np.ndarray
    position: np.ndarray
    hit: np.ndarray
    change: np.ndarray


@dataclass(frozen=True, eq=False)
class Hits:
    """H true positives under one cap, by area, threshold, class, falling score.

    cell: (H,) number of the (area, threshold, class), ascending. seen: (H,) how many detections
    of the cell count up to this one. score: (H,).
    """

    cell: np.ndarray
    seen: np.ndarray
    score: np.ndarray


def ignored_by_area(ground_truth: GroundTruth, rules: Rules) -> np.ndarray:
    """(N, A) bool: the ground truths that do not count in each area range."""
    outside = [~area.holds(ground_truth.area) for area in rules.areas]
    return np.stack([ground_truth.ignored | far for far in outside], axis=1)


def count_ground_truths(ground_truth: GroundTruth, ignored: np.ndarray) -> np.ndarray:
    """(K, A) int64: the ground truths that count, by class and area range."""
    classes = len(ground_truth.category_ids)
    counted = [
        np.bincount(ground_truth.category[~column], minlength=classes) for column in ignored.T
    ]
    return np.stack(counted, axis=1)


def accumulate(
    ground_truth: GroundTruth,
    detections: Detections,
    ranking: Ranking,
    matches: Matches,
    rules: Rules,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arrays precision (T, R, K, A, M), recall (T, K, A, M) and scores (T, R, K, A, M), float64.

    -1 where a class has no ground truth that counts in the area range. The score is the threshold
    at which the recall is reached, 0 where it is not.
    """
    counted = _count_detections(ground_truth, detections, ranking, matches, rules)
    positives = count_ground_truths(ground_truth, ignored_by_area(ground_truth, rules)).T  # (A, K)
    needed = _hits_needed(rules.recall_thresholds, positives)  # (A, K, R)
    top = _top_scores(counted, positives.shape[1])  # (K,)
    shape = (
        len(rules.iou_thresholds),
        needed.shape[2],
        *positives.shape[::-1],
        len(rules.max_dets),
    )
    precision, scores = np.empty(shape), np.empty(shape)  # (T, R, K, A, M)
    recall = np.empty((shape[0], *shape[2:]))  # (T, K, A, M)
    for m, cap in enumerate(rules.max_dets):
        hits = _hits_under_cap(counted, cap, positives.shape[1])
        curves = _read_off(hits, needed, positives, top, shape[0])
        precision[..., m], recall[..., m], scores[..., m] = curves
    return precision, recall, scores


def _count_detections(
    ground_truth: GroundTruth,
    detections: Detections,
    ranking: Ranking,
    matches: Matches,
    rules: Rules,
) -> CountedDetections:
    index = ranking.index
    inside = np.stack([area.holds(detections.area[index]) for area in rules.areas])  # (A, N)
    given, counts = matches.ground_truth.transpose(2, 1, 0), matches.counts.transpose(2, 1, 0)
    in_area = inside[:, None, matches.position]  # (A, 1, S)
    hit = np.ascontiguousarray(counts)  # (A, T, S)
    if 0 in ground_truth.ids or "0" in ground_truth.ids:
        # The reference stores the id of the match, and 0 means none: such a hit is a false alarm.
        void = np.array([i in (0, "0") for i in ground_truth.ids])
        hit = hit & ~void[given]
    counted = hit | (in_area & ((given < 0) | counts))
    change = counted.astype(np.int8) - in_area
    return CountedDetections(
        detections.category[index],
        detections.score[index],
        ranking.rank,
        inside,
        matches.position,
        hit,
        change,
    )


def _hits_needed(recalls: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """(A, K, R) int64: the fewest hits n for which n / positives, rounded, reaches each recall."""
    total = np.maximum(positives, 1)[:, :, None]
    hits = np.ceil(recalls * total)
    # The product is rounded once and the quotient once, so the guess is off by one at most.
    hits = np.where((hits - 1) / total >= recalls, hits - 1, hits)
    hits = np.where(hits / total < recalls, hits + 1, hits)
    return hits.astype(np.int64)


def _top_scores(counted: CountedDetections, classes: int) -> np.ndarray:
    """(K,) the best score of each class, 0 where it has no detections."""
    first = np.searchsorted(counted.category, np.arange(classes))
    empty = np.bincount(counted.category, minlength=classes) == 0
    return np.where(empty, 0.0, np.append(counted.score, 0.0)[first])


def _hits_under_cap(counted: CountedDetections, cap: int, classes: int) -> Hits:
    """The true positives among the detections of rank below `cap`, with what was seen before."""
    shown = counted.rank < cap  # (N,)
    shown_here = shown[counted.position]  # (S,)
    plain = _running_total(counted.inside & shown)  # (A, N + 1)
    extra = _running_total(counted.change * shown_here)  # (A, T, S + 1)
    area, threshold, s = np.nonzero(counted.hit & shown_here)  # each (H,)
    where = counted.position[s]
    category = counted.category[where]
    numbers = np.arange(classes)
    begin = np.searchsorted(counted.category, numbers)[category]
    begin_here = np.searchsorted(counted.category[counted.position], numbers)[category]
    seen = plain[area, where + 1] - plain[area, begin]
    seen += extra[area, threshold, s + 1] - extra[area, threshold, begin_here]
    cell = (area * counted.hit.shape[1] + threshold) * classes + category
    return Hits(cell, seen, counted.score[where])


def _running_total(values: np.ndarray) -> np.ndarray:
    """Cumulative sum along the last axis, with a 0 in front."""
    totals = np.zeros((*values.shape[:-1], values.shape[-1] + 1), dtype=np.int32)
    np.cumsum(values, axis=-1, dtype=np.int32, out=totals[..., 1:])
    return totals


def _read_off(
    hits: Hits, needed: np.ndarray, positives: np.ndarray, top: np.ndarray, thresholds: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arrays precision (T, R, K, A), recall (T, K, A), scores (T, R, K, A) under one cap."""
    areas, classes = positives.shape
    found = np.bincount(hits.cell, minlength=areas * thresholds * classes)
    first = np.cumsum(found) - found
    nth = np.arange(len(hits.cell)) - first[hits.cell] + 1
    precision = _suffix_maximum(nth / (hits.seen + _EPSILON), hits.cell)
    grid = (areas, thresholds, classes, 1)
    found, first = found.reshape(grid), first.reshape(grid)
    # Recall 0 is reached before the first hit, but the precision from there on is that of the hit.
    step = np.maximum(needed, 1)[:, None] - 1  # (A, 1, K, R)
    pick = np.where(step < found, first + step, len(hits.cell))  # (A, T, K, R); beyond: 0
    absent = (positives == 0)[:, None, :, None]
    at_recall = np.where(absent, -1.0, np.append(precision, 0.0)[pick])
    scores = np.where(needed[:, None] == 0, top[:, None], np.append(hits.score, 0.0)[pick])
    scores = np.where(absent, -1.0, scores)
    recall = np.where(absent, -1.0, found / np.maximum(positives, 1)[:, None, :, None])
    order = (1, 3, 2, 0)
    return at_recall.transpose(order), recall.transpose(order)[:, 0], scores.transpose(order)


def _suffix_maximum(values: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """The greatest value from each place to the end of its run of equal cells."""
    best = values.copy()
    step = 1
    # After each pass a place knows the maximum of twice as many: log2(longest run) passes.
    while step < len(best):
        same = cell[step:] == cell[:-step]
        if not same.any():
            break
        np.maximum(best[:-step], best[step:], out=best[:-step], where=same)
        step *= 2
    return best
