"""Predictions as arrays: copies in float64, and refusals in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tapetum.base.errors import AnnotationError
from tapetum.evaluation import (
    detections_from_predictions,
)
from tapetum.evaluation.from_predictions import detections_in
from tapetum.evaluation.results import results_from_detections
from tapetum.ops.masks import rle_decode
from tapetum.structures import Objects, Prediction
from tests.evaluation.made import (
    IOU_TYPES,
    assert_same,
    detections_of,
    ground_truth_of,
    one_object,
)


def objects(**changes: Any) -> Prediction:
    masks = torch.zeros(2, 40, 60, dtype=torch.bool)
    masks[0, 3:9, 2:5] = True
    masks[1, :, 7] = True
    values: dict[str, Any] = {
        "boxes": torch.tensor([[2.0, 3, 5, 9], [7, 0, 8, 40]]),
        "labels": torch.tensor([1, 0]),
        "scores": torch.tensor([0.75, 0.5]),
        "masks": masks,
        "keypoints": torch.tensor([[[1.1, 2, 0.25]], [[3, 4, -0.5]]]).repeat(1, 3, 1),
    }
    return Prediction(objects=Objects(**(values | changes)))


def results(prediction: Prediction, iou_type: str) -> list[dict[str, Any]]:
    """COCO's results of a prediction for an image 7 with classes 5, 9 and 11."""
    ground_truth = ground_truth_of([one_object()], (5, 9, 11), iou_type)
    found = detections_of([prediction], [one_object()], (5, 9, 11), ground_truth, iou_type)
    return results_from_detections(found, ground_truth)


def test_boxes_are_the_float32_corners_in_float64() -> None:
    corners = torch.tensor([[0.1, 0.2, 100.7, 33.3], [0, 0, 1, 1]])
    result = results(objects(boxes=corners, scores=torch.tensor([0.3, 0.2])), "bbox")[0]
    x, y, right, bottom = (np.float64(np.float32(v)) for v in (0.1, 0.2, 100.7, 33.3))
    assert result == {
        "image_id": 7,
        "category_id": 9,
        "bbox": [x, y, right - x, bottom - y],
        "score": float(np.float32(0.3)),
    }
    json.dumps(result)
    assert corners[0, 2] == np.float32(100.7)  # the prediction itself is as it was


def test_masks_as_results() -> None:
    entries = json.loads(json.dumps(results(objects(), "segm")))
    assert [sorted(entry) for entry in entries] == [
        ["category_id", "image_id", "score", "segmentation"]
    ] * 2
    assert [(e["image_id"], e["category_id"], e["score"]) for e in entries] == [
        (7, 9, 0.75),
        (7, 5, 0.5),
    ]
    codes = [entry["segmentation"] for entry in entries]
    for code, mask in zip(codes, objects().objects.masks.numpy(), strict=True):
        assert isinstance(code["counts"], str)
        np.testing.assert_array_equal(rle_decode(code), mask)
    maskutils = pytest.importorskip("pycocotools.mask")
    assert [int(maskutils.area(code)) for code in codes] == [18, 40]


def test_keypoints_as_results() -> None:
    assert results(objects(), "keypoints")[0] == {
        "image_id": 7,
        "category_id": 9,
        "keypoints": [float(np.float32(1.1)), 2.0, 0.25] * 3,
        "score": 0.75,
    }


def test_objects_of_another_kind_than_was_predicted() -> None:
    for iou_type, words in (("segm", "masks"), ("keypoints", "keypoints")):
        with pytest.raises(ValueError, match=f"expected predictions with {words}"):
            detections_in(objects(masks=None, keypoints=None), iou_type)
    with pytest.raises(ValueError, match="iou_type: expected one of"):
        detections_in(objects(), "boxes")
    assert len(detections_in(Prediction(objects=Objects.empty(scored=True)), "segm")) == 0


def test_what_was_found_is_a_copy() -> None:
    """Also in float64, where NumPy and PyTorch could share the numbers."""
    for iou_type in IOU_TYPES:
        prediction = objects(
            boxes=objects().objects.boxes.double(), keypoints=objects().objects.keypoints.double()
        )
        found, whole = detections_in(prediction, iou_type), prediction.objects
        assert found.xywh.tolist() == [[2, 3, 3, 6], [7, 0, 1, 40]]
        for tensor in (whole.boxes, whole.labels, whole.scores, whole.masks, whole.keypoints):
            tensor.zero_()
        again = detections_in(objects(), iou_type)
        assert_same(replace(found, keypoints=None), replace(again, keypoints=None))


def test_found_masks_take_little_memory() -> None:
    masks = detections_in(objects(), "segm").masks
    assert masks.counts.dtype == np.uint32
    assert len(masks.counts) == 3 * 2 + 1 + 3


@pytest.mark.parametrize(
    ("iou_type", "changes", "why"),
    [
        ("bbox", {"scores": torch.tensor([0.5, np.nan])}, "its score is not a finite number"),
        ("bbox", {"boxes": torch.tensor([[0.0, 0, 1, 1], [0, 0, np.inf, 1]])}, "its box is not 4"),
        ("segm", {"scores": torch.tensor([0.5, np.inf])}, "its score is not a finite number"),
        ("keypoints", {"keypoints": torch.tensor([0.0, np.nan])}, "are not 9 finite numbers"),
        ("keypoints", {"keypoints": torch.tensor([0.0, 1e9])}, "2\\*\\*25 pixels away"),
    ],
)
def test_what_is_no_number_is_named(iou_type: str, changes: dict[str, Any], why: str) -> None:
    if "keypoints" in changes:
        changes = {"keypoints": changes["keypoints"][:, None, None].repeat(1, 3, 3)}
    with pytest.raises(AnnotationError, match=why) as caught:
        results(objects(**changes), iou_type)
    assert str(caught.value).startswith("image 7, detection 1: ")


def test_masks_and_keypoints_must_fit_the_truth() -> None:
    small = objects(masks=torch.zeros(2, 4, 5, dtype=torch.bool))
    with pytest.raises(AnnotationError, match="detection 0: its mask is not of its image's size"):
        results(small, "segm")
    few = objects(keypoints=torch.zeros(2, 2, 3))
    with pytest.raises(AnnotationError, match="detection 0: has 2 keypoints, the ground truth 3"):
        results(few, "keypoints")


def test_one_entry_for_each_image() -> None:
    ground_truth = ground_truth_of([one_object()], (1, 2, 3), "bbox")
    found = [detections_in(objects())] * 2
    with pytest.raises(ValueError, match="expected 1 predictions, got 2"):
        detections_from_predictions(found, [7], (1, 2, 3), ground_truth)
    with pytest.raises(ValueError, match="ids: expected some of the ground truth's, got 8"):
        detections_from_predictions(found, [7, 8], (1, 2, 3), ground_truth)
    with pytest.raises(ValueError, match="Truth: expected one read with iou_type='segm'"):
        detections_from_predictions([], [], (1, 2, 3), ground_truth, "segm")
