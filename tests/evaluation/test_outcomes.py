"""Which detections were right, which truths were missed, and where to cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pycocotools.mask
import pytest

from tapetum.evaluation import (
    Detections,
    GroundTruth,
    best_thresholds,
    detections_from_coco,
    ground_truth_from_coco,
    matches_at,
)

BOX = [0.0, 0.0, 10.0, 10.0]


def records(true: list[tuple], detected: list[tuple]) -> tuple[GroundTruth, Detections]:
    """From (image, class, box, iscrowd) and (image, class, box, score)."""
    annotations: list[dict[str, Any]] = [
        {"id": i, "image_id": p, "category_id": k, "bbox": box, "iscrowd": crowd}
        for i, (p, k, box, crowd) in enumerate(true)
    ]
    ids = [{"id": 1}, {"id": 2}]
    ground_truth = ground_truth_from_coco(
        {"images": ids, "categories": ids, "annotations": annotations}
    )
    results = [
        {"image_id": p, "category_id": k, "bbox": box, "score": s} for p, k, box, s in detected
    ]
    return ground_truth, detections_from_coco(results, ground_truth)


def test_a_scene_worked_by_hand() -> None:
    ground_truth, detections = records(
        [
            (1, 1, BOX, 0),  # found by detection 1, which has the higher score
            (1, 2, BOX, 0),  # missed: what lies here is called class 1
            (2, 1, BOX, 0),  # missed: the overlap of detection 3 is 0.4
            (2, 1, [50, 50, 40, 40], 1),  # a crowd: detections 4 and 5 are ignored
        ],
        [
            (1, 1, BOX, 0.6),
            (1, 1, [0, 0, 10, 9], 0.8),
            (2, 2, BOX, 0.9),
            (2, 1, [0, 0, 10, 4], 0.7),
            (2, 1, [55, 55, 9, 9], 0.5),
            (2, 1, [60, 60, 9, 9], 0.4),
            (1, 1, [0, 0, 10, 10], 0.1),
        ],
    )
    outcomes = matches_at(ground_truth, detections, 0.5, score_threshold=0.2)
    assert np.flatnonzero(outcomes.true_positive).tolist() == [1]
    assert np.flatnonzero(outcomes.false_alarm).tolist() == [0, 2, 3]
    assert np.flatnonzero(outcomes.ignored).tolist() == [4, 5]
    assert outcomes.matched_target.tolist() == [-1, 0, -1, -1, 3, 3, -1]
    assert outcomes.matched_detection.tolist() == [1, -1, -1, -1]
    assert np.flatnonzero(outcomes.found).tolist() == [0]
    assert np.flatnonzero(outcomes.missed).tolist() == [1, 2]
    closer = matches_at(ground_truth, detections, 0.95, score_threshold=0.2)
    assert np.flatnonzero(closer.true_positive).tolist() == [0]


def test_the_score_threshold_itself_belongs_to_those_that_stay() -> None:
    ground_truth, detections = records([(1, 1, BOX, 0)], [(1, 1, BOX, 0.5)])
    assert matches_at(ground_truth, detections, score_threshold=0.5).true_positive.tolist() == [
        True
    ]
    above = matches_at(ground_truth, detections, score_threshold=np.nextafter(0.5, 1))
    assert not (above.true_positive | above.false_alarm | above.ignored).any()
    assert above.missed.tolist() == [True]


def test_a_detection_without_a_size_in_range_is_ignored_as_in_the_reference() -> None:
    ground_truth, detections = records([(1, 1, BOX, 0)], [(1, 1, [0, 0, -5, 5], 0.5)])
    assert matches_at(ground_truth, detections).ignored.tolist() == [True]
    assert matches_at(ground_truth, detections, score_threshold=0.6).ignored.tolist() == [False]


@pytest.mark.parametrize("iou", [0.5, 0.75])
@pytest.mark.parametrize("seed", range(5))
def test_counts_are_those_of_the_reference(
    made_set: Callable, reference: Callable, seed: int, iou: float
) -> None:
    gt, results = made_set(seed, ground_truths=50, detections=150)
    ground_truth = ground_truth_from_coco(gt)
    outcomes = matches_at(ground_truth, detections_from_coco(results, ground_truth), iou)
    evaluation = reference(gt, results, (1000,))
    t = int(np.flatnonzero(evaluation.params.iouThrs == iou)[0])
    expected: dict[int, tuple[int, bool]] = {}
    area_all = [e for e in evaluation.evalImgs if e and e["aRng"][:2] == [0, 1e10]]
    for e in area_all:
        rows = zip(e["dtIds"], e["dtMatches"][t], e["dtIgnore"][t], strict=True)
        expected |= {d: (int(match), bool(ignored)) for d, match, ignored in rows}
    for d, match in enumerate(outcomes.matched_target.tolist()):
        their_match, ignored = expected[d + 1]
        assert (ground_truth.ids[match] if match >= 0 else 0) == their_match
        assert outcomes.ignored[d] == ignored
        assert outcomes.true_positive[d] == (their_match > 0 and not ignored)
        assert outcomes.false_alarm[d] == (their_match == 0 and not ignored)
    for g, d in enumerate(outcomes.matched_detection.tolist()):
        assert outcomes.found[g] == (d >= 0)
        assert outcomes.missed[g] == (d < 0 and not ground_truth.crowd[g])
        assert d < 0 or outcomes.matched_target[d] == g


@pytest.mark.parametrize("seed", range(4))
def test_the_best_threshold_beats_all_others(made_set: Callable, seed: int) -> None:
    """Every score is tried as a threshold, each with a matching of its own."""
    gt, results = made_set(seed, ground_truths=40, detections=80)
    ground_truth = ground_truth_from_coco(gt)
    detections = detections_from_coco(results, ground_truth)
    rows = best_thresholds(ground_truth, detections, 0.5)
    for k, row in enumerate(rows):
        tried = {}
        for score in np.unique(detections.score[detections.category == k]).tolist():
            o = matches_at(ground_truth, detections, 0.5, score)
            mine, true = detections.category == k, ground_truth.category == k
            hits, alarms = o.true_positive[mine].sum(), o.false_alarm[mine].sum()
            missed = o.missed[true].sum()
            f1 = 2 * hits / max(2 * hits + alarms + missed, 1)
            numbers = hits / max(hits + alarms, 1), hits / max(hits + missed, 1)
            tried[score] = (f1, *numbers)
        best = max(tried.values())[0]
        assert best > 0
        assert row.threshold == max(score for score, value in tried.items() if value[0] == best)
        assert (row.f1, row.precision, row.recall) == tried[row.threshold]


def test_on_equal_f1_the_higher_threshold_is_the_best() -> None:
    """Two truths. Cut after the first: 2 x 1 / (1 + 2); after the fourth: 2 x 2 / (4 + 2)."""
    far = [500.0, 500.0, 9.0, 9.0]
    scored = [(1, 1, BOX, 0.9), (1, 1, far, 0.8), (2, 1, far, 0.7), (2, 1, BOX, 0.6)]
    ground_truth, detections = records([(1, 1, BOX, 0), (2, 1, BOX, 0)], scored)
    row = best_thresholds(ground_truth, detections)[0]
    assert (row.threshold, row.precision, row.recall) == (0.9, 1.0, 0.5)


def test_a_class_of_which_nothing_is_found_has_no_threshold() -> None:
    ground_truth, detections = records([(1, 1, BOX, 0)], [(1, 2, BOX, 0.5)])
    for row in best_thresholds(ground_truth, detections):
        assert row.threshold is None
        assert (row.f1, row.precision, row.recall) == (0.0, 0.0, 0.0)


def test_nothing_at_all() -> None:
    ground_truth, detections = records([], [])
    assert matches_at(ground_truth, detections).found.shape == (0,)
    assert [row.threshold for row in best_thresholds(ground_truth, detections)] == [None, None]


def test_equal_boxes_match_at_an_iou_of_1_whatever_the_rounding() -> None:
    box = [5.4, 2.1, 4.3, 3.3]
    assert pycocotools.mask.iou([box], [box], [0])[0, 0] < 1.0
    ground_truth, detections = records([(1, 1, box, 0)], [(1, 1, box, 0.5)])
    assert matches_at(ground_truth, detections, iou=1.0).true_positive.tolist() == [True]
