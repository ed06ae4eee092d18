"""Records and predictions as arrays: the same bits as through COCO's JSON, the same refusals."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings

from tapetum.base.errors import AnnotationError
from tapetum.evaluation import (
    detections_from_coco,
    ground_truth_from_records,
)
from tapetum.evaluation.results import results_from_detections
from tests.evaluation.made import (
    CLASSES,
    IDS,
    IOU_TYPES,
    SEEDS,
    assert_same,
    detections_of,
    ground_truth_of,
    made_predictions,
    made_records,
    one_object,
    written_ground_truth,
    written_results,
)


@pytest.mark.parametrize("iou_type", IOU_TYPES)
@settings(max_examples=150, deadline=None)
@given(seed=SEEDS, class_ids=IDS)
@example(seed=0, class_ids=(1, 2, 3))
def test_truth_from_records_is_that_from_json_in_every_bit(
    iou_type: str, seed: int, class_ids: Any
) -> None:
    records = made_records(seed)
    assert_same(
        ground_truth_of(records, class_ids, iou_type),
        written_ground_truth(records, class_ids, iou_type),
    )


@pytest.mark.parametrize("iou_type", IOU_TYPES)
@settings(max_examples=150, deadline=None)
@given(seed=SEEDS, class_ids=IDS)
def test_detections_from_predictions_are_those_from_json_in_every_bit(
    iou_type: str, seed: int, class_ids: Any
) -> None:
    records = made_records(seed)
    predictions = made_predictions(records, seed)
    results = written_results(predictions, records, class_ids, iou_type)
    ground_truth = ground_truth_of(records, class_ids, iou_type)
    theirs = detections_from_coco(json.loads(json.dumps(results)), ground_truth, iou_type)
    ours = detections_of(predictions, records, class_ids, ground_truth, iou_type)
    assert_same(ours, theirs)
    assert results_from_detections(ours, ground_truth) == results


@pytest.mark.parametrize("iou_type", IOU_TYPES)
@settings(max_examples=50, deadline=None)
@given(seed=SEEDS, class_ids=IDS)
def test_results_read_again_are_the_same_detections(
    iou_type: str, seed: int, class_ids: Any
) -> None:
    records = made_records(seed)
    ground_truth = ground_truth_of(records, class_ids, iou_type)
    ours = detections_of(
        made_predictions(records, seed), records, class_ids, ground_truth, iou_type
    )
    saved = json.loads(json.dumps(results_from_detections(ours, ground_truth)))
    assert_same(detections_from_coco(saved, ground_truth, iou_type), ours)


def test_the_records_made_here_have_everything() -> None:
    """What the laws above are about does occur."""
    records = [record for seed in range(200) for record in made_records(seed)]
    outlines = [segment for record in records for segment in record.segments]
    counts = [segment["counts"] for segment in outlines if isinstance(segment, dict)]
    assert {type(segment) for segment in outlines} == {type(None), list, dict}
    assert {type(count) for count in counts} == {str, np.ndarray}
    assert any(record.crowd.any() for record in records)
    assert any(record.difficult.any() for record in records)
    assert any(len(record) and not record.segments for record in records)
    assert any(record.size is None for record in records)
    assert any(record.keypoints is None for record in records)


def test_no_object_has_the_id_that_means_no_match() -> None:
    assert ground_truth_of([one_object(), one_object(id=8)], (1, 2, 3), "bbox").ids == (1, 2)


def test_an_object_without_an_outline_is_its_box_filled() -> None:
    ground_truth = ground_truth_of([one_object()], (1, 2, 3), "segm")
    assert ground_truth.masks is not None
    assert ground_truth.masks.xywh.tolist() == [[2, 3, 10, 20]]
    assert ground_truth.masks.area.tolist() == [200]
    assert ground_truth.area.tolist() == [150]  # as the file says: it decides what is small


TINY = {"size": (4, 5), "counts": [20]}
SHORT = {"size": (40, 60), "counts": [20]}
UNREADABLE = {"size": (40, 60), "counts": "~~~"}


@pytest.mark.parametrize(
    ("iou_type", "changes", "why"),
    [
        ("bbox", {"xywh": np.array([[0.0, 0, np.nan, 1]])}, "its box is not 4 finite numbers"),
        ("bbox", {"xywh": np.array([[0.0, 0, 1e-200, 1e-200]])}, "too small to have an area"),
        ("bbox", {"area": np.array([np.inf])}, "its area is not a finite number"),
        ("segm", {"size": None}, "its image has no height and width"),
        ("segm", {"size": (2**20, 2**20)}, "its image has no height and width"),
        ("segm", {"segments": (TINY,)}, r"the size \(4, 5\), its image \[40, 60\]"),
        ("segm", {"segments": (SHORT,)}, "do not sum to the 2,400 pixels"),
        ("segm", {"segments": (UNREADABLE,)}, "its run lengths cannot be read"),
        ("segm", {"segments": ([[1.0, 2, 3, 4]],)}, "three points or more, got 4 numbers"),
        ("segm", {"segments": ([[np.nan] * 6],)}, "expected finite coordinates"),
        ("segm", {"segments": ({"size": (40, 60)},)}, "its outline is invalid"),
        ("keypoints", {"keypoints": None}, "has no keypoints x, y, v"),
        ("keypoints", {"keypoints": np.full((1, 3, 3), np.nan)}, "are not 9 finite numbers"),
        ("keypoints", {"keypoints": np.full((1, 3, 3), 1e9)}, "more than 2\\*\\*25 pixels away"),
        ("keypoints", {"area": np.array([-1.0])}, "its area is negative"),
    ],
)
def test_what_cannot_be_judged_is_named(iou_type: str, changes: dict[str, Any], why: str) -> None:
    fine, bad = one_object(name="fine.png"), one_object(name="bad.png", id=8, **changes)
    order = [bad, fine] if "has no keypoints" in why else [fine, bad]
    with pytest.raises(AnnotationError, match=why) as caught:
        ground_truth_of(order, (1, 2, 3), iou_type)
    assert str(caught.value).startswith("bad.png: object 0: ")


def test_keypoints_of_another_number_are_refused() -> None:
    other = one_object(name="bad.png", id=8, keypoints=np.zeros((1, 2, 3)))
    with pytest.raises(AnnotationError, match="object 0: has not 3 keypoints"):
        ground_truth_of([one_object(), other], (1, 2, 3), "keypoints")


def test_mistakes_of_a_caller_are_named() -> None:
    with pytest.raises(ValueError, match="category_ids: expected 3, got 2"):
        ground_truth_from_records([], CLASSES, (1, 2))
    with pytest.raises(ValueError, match="ids: expected 2 different ones, got 1"):
        ground_truth_from_records([one_object(), one_object()], CLASSES, (1, 2, 3))
    with pytest.raises(ValueError, match="iou_type: expected one of"):
        ground_truth_from_records([], CLASSES, (1, 2, 3), "boxes")
