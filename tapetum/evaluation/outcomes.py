"""Which detections are right, which are wrong, and which ground truths were missed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tapetum.evaluation.accumulate import ignored_by_area
from tapetum.evaluation.iou_types import similarity_of
from tapetum.evaluation.matching import effective, match_in_rounds
from tapetum.evaluation.pairing import candidate_pairs, rank_detections
from tapetum.evaluation.records import COCO_AREAS, Detections, GroundTruth, Rules, run_starts


@dataclass(frozen=True, eq=False)
class Outcomes:
    """One greedy matching of N detections and G ground truths, in the order of their records.

    true_positive, false_alarm, ignored: (N,) bool, one of them for each detection that reaches
    the score threshold and none for the others. Ignored ones lie on a crowd region, or match
    nothing and have an area below 0 or above 1e10, COCO's range "all".
    found, missed: (G,) bool, one of them for each ground truth that counts and none for crowd
    regions and what else is ignored.
    matched_target: (N,) and matched_detection: (G,) int64, index of the other side or -1.
    """

    true_positive: np.ndarray
    false_alarm: np.ndarray
    ignored: np.ndarray
    matched_target: np.ndarray
    found: np.ndarray
    missed: np.ndarray
    matched_detection: np.ndarray


@dataclass(frozen=True)
class BestThreshold:
    """The score from which the detections of a class make its F1 largest, and what it gives.

    threshold is None, and all numbers 0, where no threshold finds anything.
    """

    category_id: int | str
    name: str
    threshold: float | None
    f1: float
    precision: float
    recall: float


def matches_at(
    ground_truth: GroundTruth,
    detections: Detections,
    iou: float = 0.5,
    score_threshold: float = -np.inf,
    iou_type: str = "bbox",
) -> Outcomes:
    """Match as COCO does at one IoU, all areas, without a cap on detections.

    Unlike in the counts of pycocotools, an annotation with the id 0 can be found.

    Args:
        ground_truth: the ground truth.
        detections: the detections in its images.
        iou: in (0, 1], the IoU (OKS for keypoints) from which a detection matches.
        score_threshold: detections with lower scores are left out before the matching.
        iou_type: "bbox", "segm" (masks) or "keypoints"; both were read for the same.

    Returns:
        What became of each detection and of each annotation.
    """
    rules = Rules(np.array([iou]), np.zeros(1), COCO_AREAS[:1], (1,))
    ignored_ground_truth = ignored_by_area(ground_truth, rules)  # (G, 1)
    ranking = rank_detections(detections)
    ranking = ranking.only(detections.score[ranking.index] >= score_threshold)
    least = float(effective(rules.iou_thresholds)[0])
    similarity = similarity_of(iou_type, ground_truth, detections, least=least)
    pairs = candidate_pairs(ground_truth, detections, ranking, similarity, least)
    matches = match_in_rounds(pairs, ground_truth, ignored_ground_truth, rules.iou_thresholds)
    who, given = ranking.index[matches.position], matches.ground_truth[:, 0, 0]

    matched_target = np.full(len(detections), -1, dtype=np.int64)
    matched_target[who] = given
    true_positive, looked_at = np.zeros((2, len(detections)), dtype=bool)
    true_positive[who] = hit = matches.counts[:, 0, 0]
    looked_at[ranking.index] = True
    beside = np.where(matched_target < 0, ~COCO_AREAS[0].holds(detections.area), ~true_positive)
    matched_detection = np.full(len(ground_truth), -1, dtype=np.int64)
    matched_detection[given[hit]] = who[hit]
    return Outcomes(
        true_positive=true_positive,
        false_alarm=looked_at & ~true_positive & ~beside,
        ignored=looked_at & beside,
        matched_target=matched_target,
        found=matched_detection >= 0,
        missed=(matched_detection < 0) & ~ignored_ground_truth[:, 0],
        matched_detection=matched_detection,
    )


def best_thresholds(
    ground_truth: GroundTruth, detections: Detections, iou: float = 0.5, iou_type: str = "bbox"
) -> list[BestThreshold]:
    """Choose for each class the score threshold of the largest F1 = 2 TP / (detections + objects).

    On equal F1 the higher threshold. One matching is enough for all thresholds, because a
    detection's match never depends on those with lower scores.

    Args:
        ground_truth: the ground truth.
        detections: the detections in its images.
        iou: in (0, 1], the IoU (OKS for keypoints) from which a detection matches.
        iou_type: "bbox", "segm" (masks) or "keypoints"; both were read for the same.

    Returns:
        One entry a class, in the order of the category ids.
    """
    outcomes = matches_at(ground_truth, detections, iou, iou_type=iou_type)
    counted = np.flatnonzero(~outcomes.ignored)
    order = counted[np.lexsort((-detections.score[counted], detections.category[counted]))]
    classes = len(ground_truth.category_ids)
    bounds = np.searchsorted(detections.category[order], np.arange(classes + 1))
    totals = np.bincount(ground_truth.category[outcomes.found | outcomes.missed], minlength=classes)
    rows = []
    for k in range(classes):
        mine = order[bounds[k] : bounds[k + 1]]
        best = _best_f1(detections.score[mine], outcomes.true_positive[mine], int(totals[k]))
        rows.append(
            BestThreshold(ground_truth.category_ids[k], ground_truth.category_names[k], *best)
        )
    return rows


def _best_f1(
    score: np.ndarray, hit: np.ndarray, positives: int
) -> tuple[float | None, float, float, float]:
    """threshold, F1, precision, recall at the best cut; `score` (N,) falls, `hit` (N,) bool."""
    if not hit.any():
        return None, 0.0, 0.0, 0.0
    # A threshold takes equal scores together: it can only cut after the last of them.
    cut = np.append(run_starts(score)[1:], len(score))
    hits = np.cumsum(hit)[cut - 1]
    f1 = 2 * hits / (cut + positives)
    best = int(np.argmax(f1))
    taken, right = int(cut[best]), int(hits[best])
    return float(score[taken - 1]), float(f1[best]), right / taken, right / positives
