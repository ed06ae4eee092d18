"""Rows and curves of single classes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tapetum.evaluation import per_class, precision_recall_curve


def test_a_class_row_is_the_evaluation_of_that_class_alone(
    made_set: Callable, reference: Callable, evaluate: Callable
) -> None:
    gt, results = made_set(5, ground_truths=40, detections=120)
    rows = per_class(evaluate(gt, results))
    assert len(rows) == 3
    for row, category in zip(rows, sorted(gt["categories"], key=lambda c: c["id"]), strict=True):
        annotations = [a for a in gt["annotations"] if a["category_id"] == category["id"]]
        alone = {**gt, "categories": [category], "annotations": annotations}
        detections = [r for r in results if r["category_id"] == category["id"]]
        stats = reference(alone, detections).stats.tolist()
        assert (row.category_id, row.name) == (category["id"], category["name"])
        assert [row.ap, row.ap50, row.ap75, row.ar] == pytest.approx([*stats[:3], stats[8]], abs=0)
        assert row.ground_truths == sum(not a["iscrowd"] for a in annotations)


def test_a_class_without_truths_is_undefined(made_set: Callable, evaluate: Callable) -> None:
    gt, results = made_set(5)
    gt["categories"].append({"id": 99, "name": "absent"})
    row = per_class(evaluate(gt, results))[-1]
    assert (row.ap, row.ap50, row.ap75, row.ar, row.ground_truths) == (-1.0, -1.0, -1.0, -1.0, 0)


def test_a_curve_says_what_its_score_threshold_gives(
    made_set: Callable, evaluate: Callable
) -> None:
    """Keep only what reaches the score at some recall: the recall is reached with one fewer hit
    of slack, and the precision is at least what the curve says at the last point of its step."""
    gt, results = made_set(8, ground_truths=60, detections=200)
    result = evaluate(gt, results)
    recall, precision, score = precision_recall_curve(result, 0, 0.75)
    assert (recall[0], recall[-1], len(recall)) == (0.0, 1.0, 101)
    assert (np.diff(precision) <= 0).all()
    reached = precision > 0
    assert 3 < np.count_nonzero(reached) < 101
    assert (score[reached] > 0).all()
    assert (score[~reached] == 0).all()
    for r, s in zip(recall[reached], score[reached], strict=True):
        kept = evaluate(gt, [entry for entry in results if entry["score"] >= s])
        assert kept.recall[5, 0, 0, 2] >= r
        fewer = evaluate(gt, [entry for entry in results if entry["score"] > s])
        assert r == 0 or fewer.recall[5, 0, 0, 2] < r


def test_a_curve_is_asked_for_with_what_exists(made_set: Callable, evaluate: Callable) -> None:
    result = evaluate(*made_set(8))
    with pytest.raises(ValueError, match=r"iou: expected one of 0.5, 0.55, .*, got 0.52"):
        precision_recall_curve(result, 0, 0.52)
    with pytest.raises(ValueError, match="class_index: expected 0 to 2, got 3"):
        precision_recall_curve(result, 3)
    assert (
        precision_recall_curve(result, 2, 0.6)[1].tolist()
        == result.precision[2, :, 2, 0, 2].tolist()
    )
