"""COCO's average precision and recall, equal to pycocotools in every bit, in NumPy alone.

    ground_truth = ground_truth_from_coco(content)
    result = evaluate_detections(ground_truth, detections_from_coco(results, ground_truth))
    result.stats["AP50"]

Boxes, masks (iou_type="segm") and keypoints go through the same engine: `evaluate_pairs` takes the
function that compares a ground truth with a detection, and the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tapetum.evaluation.accumulate import accumulate, count_ground_truths, ignored_by_area
from tapetum.evaluation.iou_types import rules_of, similarity_of
from tapetum.evaluation.matching import effective, match_in_rounds
from tapetum.evaluation.pairing import Progress, candidate_pairs, rank_detections
from tapetum.evaluation.records import Detections, GroundTruth, Rules, Similarity

Summary = Callable[[np.ndarray, np.ndarray, Rules], dict[str, float]]

MEANINGS = {
    "AP": "average precision, mean over overlaps of 0.50 to 0.95",
    "AP50": "average precision at an overlap of 0.50",
    "AP75": "average precision at an overlap of 0.75",
    "APsmall": "AP of objects under 32 × 32 pixels",
    "APmedium": "AP of objects from 32 × 32 to 96 × 96 pixels",
    "APlarge": "AP of objects over 96 × 96 pixels",
    "AR1": "recall with 1 detection per image, mean over overlaps",
    "AR10": "recall with 10 detections per image",
    "AR100": "recall with 100 detections per image",
    "ARsmall": "AR100 of objects under 32 × 32 pixels",
    "ARmedium": "AR100 of objects from 32 × 32 to 96 × 96 pixels",
    "ARlarge": "AR100 of objects over 96 × 96 pixels",
    "AR": "recall with 20 detections per image, mean over overlaps",
    "AR50": "recall at an overlap of 0.50",
    "AR75": "recall at an overlap of 0.75",
    "box AP": "AP of the boxes",
    "box AP50": "AP50 of the boxes",
    "box AP75": "AP75 of the boxes",
}
"""What each number of `stats` says, in a few words for a report."""


@dataclass(frozen=True, eq=False)
class DetectionResult:
    """What COCO evaluation says of a set of detections.

    stats: AP AP50 AP75 APsmall APmedium APlarge, AR1 AR10 AR100 (their own numbers with other
    caps), ARsmall ARmedium ARlarge; for keypoints AP AP50 AP75 APmedium APlarge, AR AR50 AR75
    ARmedium ARlarge. In [0, 1], -1 where there is no ground truth to measure with.
    precision, scores: (T, R, K, A, M) float64. recall: (T, K, A, M) float64.
    ground_truths: (K, A) int64, how many true objects count.
    The axes: T rules.iou_thresholds, R rules.recall_thresholds, K classes, A rules.areas,
    M rules.max_dets.
    """

    stats: dict[str, float]
    precision: np.ndarray
    recall: np.ndarray
    scores: np.ndarray
    ground_truths: np.ndarray
    category_ids: tuple[int | str, ...]
    category_names: tuple[str, ...]
    rules: Rules

    @property
    def iou_thresholds(self) -> np.ndarray:
        """(T,) the IoU from which a detection may match."""
        return self.rules.iou_thresholds

    @property
    def recall_thresholds(self) -> np.ndarray:
        """(R,) the recalls at which precision is read off."""
        return self.rules.recall_thresholds


def evaluate_detections(
    ground_truth: GroundTruth,
    detections: Detections,
    max_dets: Sequence[int] | None = None,
    iou_type: str = "bbox",
    *,
    sigmas: Sequence[float] | np.ndarray | None = None,
    progress: Progress | None = None,
) -> DetectionResult:
    """COCO evaluation (Lin et al., Microsoft COCO: Common Objects in Context, 2014).

    Args:
        ground_truth: the ground truth.
        detections: the detections in its images.
        max_dets: how many detections of each image and class count, by default 1, 10 and 100, for
            keypoints 20. The largest is that of all AP numbers and of the AR by area; pycocotools
            reports its first number at 100 whatever the caps.
        iou_type: "bbox", "segm" (masks) or "keypoints"; both were read for the same.
        sigmas: (K,) the standard deviation of annotators for each keypoint, as a fraction of the
            square root of the area. By default COCO's for 17 points, and for any other number the
            mean of COCO's, 0.067.
        progress: is called with (pairs compared, pairs in all) now and then.

    Returns:
        The metrics (`stats`), precision, recall and scores by class and threshold.

    Raises:
        ValueError: max_dets are not different positive integers, the iou_type is unknown, or
            ground truth or detections were read for another.
    """
    rules = rules_of(iou_type, max_dets)
    least = float(effective(rules.iou_thresholds).min())
    similarity = similarity_of(iou_type, ground_truth, detections, least=least, sigmas=sigmas)
    summary = summarize_keypoints if iou_type == "keypoints" else summarize
    return evaluate_pairs(ground_truth, detections, similarity, rules, progress, summary)


def evaluate_pairs(
    ground_truth: GroundTruth,
    detections: Detections,
    similarity: Similarity,
    rules: Rules,
    progress: Progress | None = None,
    summary: Summary | None = None,
) -> DetectionResult:
    """COCO evaluation with any similarity of pairs, under any rules.

    Args:
        ground_truth: the ground truth.
        detections: the detections in its images.
        similarity: computes the similarity in [0, 1] of pairs of a detection and an object.
        rules: thresholds, area ranges and caps.
        progress: is called with (pairs compared, pairs in all) now and then.
        summary: from precision, recall and rules to `stats`, by default `summarize`.

    Returns:
        The metrics (`stats`), precision, recall and scores by class and threshold.
    """
    ranking = rank_detections(detections)
    ranking = ranking.only(ranking.rank < rules.max_dets[-1])
    least = float(effective(rules.iou_thresholds).min())
    pairs = candidate_pairs(ground_truth, detections, ranking, similarity, least, progress)
    ignored = ignored_by_area(ground_truth, rules)
    matches = match_in_rounds(pairs, ground_truth, ignored, rules.iou_thresholds)
    precision, recall, scores = accumulate(ground_truth, detections, ranking, matches, rules)
    return DetectionResult(
        stats=(summary or summarize)(precision, recall, rules),
        precision=precision,
        recall=recall,
        scores=scores,
        ground_truths=count_ground_truths(ground_truth, ignored),
        category_ids=ground_truth.category_ids,
        category_names=ground_truth.category_names,
        rules=rules,
    )


def summarize(precision: np.ndarray, recall: np.ndarray, rules: Rules) -> dict[str, float]:
    """The headline numbers: means over everything that is defined (not -1)."""
    stats = {"AP": mean_defined(precision[:, :, :, 0, -1])}
    for name, iou in (("AP50", 0.5), ("AP75", 0.75)):
        stats[name] = mean_defined(precision[rules.iou_thresholds == iou][..., 0, -1])
    for a, area in enumerate(rules.areas[1:], start=1):
        stats[f"AP{area.name}"] = mean_defined(precision[:, :, :, a, -1])
    for m, cap in enumerate(rules.max_dets):
        stats[f"AR{cap}"] = mean_defined(recall[:, :, 0, m])
    for a, area in enumerate(rules.areas[1:], start=1):
        stats[f"AR{area.name}"] = mean_defined(recall[:, :, a, -1])
    return stats


def summarize_keypoints(
    precision: np.ndarray, recall: np.ndarray, rules: Rules
) -> dict[str, float]:
    """The headline numbers of keypoints, all at the largest cap; AR by OKS, not by cap."""
    stats = {}
    for head, values in (("AP", precision[..., -1]), ("AR", recall[..., -1])):  # (T, ..., A)
        stats[head] = mean_defined(values[..., 0])
        for name, iou in (("50", 0.5), ("75", 0.75)):
            stats[head + name] = mean_defined(values[rules.iou_thresholds == iou][..., 0])
        for a, area in enumerate(rules.areas[1:], start=1):
            stats[head + area.name] = mean_defined(values[..., a])
    return stats


def mean_defined(values: np.ndarray) -> float:
    """The mean of what is not -1, or -1 if nothing else is there."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else -1.0
