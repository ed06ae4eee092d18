"""Records and predictions as arrays: the same bits as through COCO's JSON, the same refusals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tapetum.base.errors import AnnotationError
from tapetum.data.formats.coco import category_ids, coco_dict
from tapetum.data.records.image_record import ImageRecord, bare_record
from tapetum.evaluation import (
    Detections,
    GroundTruth,
    detections_from_coco,
    detections_from_predictions,
    ground_truth_from_coco,
    ground_truth_from_records,
)
from tapetum.evaluation.from_predictions import detections_in
from tapetum.evaluation.results import results_from_detections
from tapetum.ops.masks import rle_decode, rle_encode, rle_to_string
from tapetum.structures import Objects, Prediction
from tapetum.tasks.detection import numbered

IOU_TYPES = ["bbox", "segm", "keypoints"]
CLASSES, POINTS = ("cat", "dog", "owl"), 3
NAMES = {"keypoint_names": ("nose", "tail", "paw")}
SEEDS = st.integers(0, 2**32 - 1)
IDS = st.sampled_from([(1, 2, 3), (7, 0, 5), (2, 2, 3), ("a", "b", "c")])


def assert_same(ours: Any, theirs: Any, name: str = "") -> None:
    """Equal in every field, array by array, with its dtype."""
    if is_dataclass(ours):
        for field in fields(ours):
            one, other = getattr(ours, field.name), getattr(theirs, field.name)
            assert_same(one, other, f"{name}.{field.name}")
    elif isinstance(ours, np.ndarray):
        assert ours.dtype == theirs.dtype, name
        assert np.array_equal(ours, theirs), (name, ours, theirs)
    else:
        assert ours == theirs, name


# --- what is made -------------------------------------------------------------------------------


def made_records(seed: int) -> list[ImageRecord]:
    """Up to five images of up to four objects: everything that records may hold, and often on a
    coarse grid, where comparisons are tied. Ids count from 0, stand twice, or are text."""
    random = np.random.default_rng(seed)
    count = int(random.integers(0, 6))
    pick = int(random.integers(3))
    ids: list[Any] = [random.permutation(count).tolist(), [4] * count, [f"p{i}" for i in range(6)]]
    return [made_image(random, i, ids[pick][i]) for i in range(count)]


def made_image(random: np.random.Generator, number: int, id: int | str) -> ImageRecord:
    count = int(random.integers(0, 5))
    size = int(random.integers(1, 20)), int(random.integers(1, 20))
    if count == 0 and random.random() < 0.5:
        return bare_record(f"{number}.png", None, id, size if random.random() < 0.5 else None)
    xywh = np.array([made_box(random) for _ in range(count)]).reshape(-1, 4)
    segments = tuple(made_outline(random, size) for _ in range(count))
    bare = count == 0 and random.random() < 0.5
    points = random.integers(-2, 20, (count, POINTS, 3)) / 2.0
    points[..., 2] = random.integers(0, 3, (count, POINTS)) * (random.random((count, 1)) < 0.7)
    return ImageRecord(
        name=f"{number}.png",
        path=None,
        id=id,
        size=size,
        xywh=xywh,
        labels=random.integers(0, len(CLASSES), count),
        crowd=random.random(count) < 0.3,
        difficult=random.random(count) < 0.3,
        area=random.choice([0.0, 1.5, 1024.0, 9216.0, random.random() * 1e4], count),
        ids=tuple(range(count)),
        segments=() if random.random() < 0.2 else segments,
        keypoints=None if bare else points,
    )


def made_box(random: np.random.Generator) -> np.ndarray:
    """Also without an area, or beyond its image."""
    box = random.integers(-3, 15, 4).astype(np.float64)
    return box if random.random() < 0.5 else box + random.random(4)


def made_outline(random: np.random.Generator, size: tuple[int, int]) -> Any:
    kind = int(random.integers(6))
    if kind < 2:
        return [] if kind else None
    if kind == 2:
        return [random.random(2 * int(random.integers(3, 7))) * 20 - 2 for _ in range(2)]
    if kind == 3:
        return [random.integers(-2, 20, 6).tolist()]
    code = rle_encode(random.random(size) < random.random())
    counts = rle_to_string(code["counts"]) if kind == 4 else np.array(code["counts"])
    return {"size": size, "counts": counts}


def made_predictions(records: Sequence[ImageRecord], seed: int) -> list[Prediction]:
    random = np.random.default_rng(seed)
    return [made_prediction(random, record) for record in records]


def made_prediction(random: np.random.Generator, record: ImageRecord) -> Prediction:
    count = int(random.integers(-1, 5))
    if count < 1 or record.size is None:
        return Prediction(objects=Objects.empty(scored=True) if count else None)
    boxes = torch.from_numpy(random.random((count, 4)).astype(np.float32) * 20)
    masks = random.random((count, *record.size)) < random.random((count, 1, 1))
    points = random.random((count, POINTS, 3)).astype(np.float32) * 20 - 2
    return Prediction(
        objects=Objects(
            boxes=boxes,
            labels=torch.from_numpy(random.integers(0, len(CLASSES), count)),
            scores=torch.from_numpy(random.integers(0, 9, count).astype(np.float32) / 9),
            masks=torch.from_numpy(masks),
            keypoints=torch.from_numpy(points),
        )
    )


# --- through JSON -------------------------------------------------------------------------------


def written_truth(
    records: Sequence[ImageRecord], class_ids: Sequence[Any], iou_type: str
) -> GroundTruth:
    """The records as COCO's ground truth, read again, by the rules for what we measure."""
    content = coco_dict(records, CLASSES, class_ids, **NAMES)
    for number, annotation in enumerate(content["annotations"], start=1):
        annotation["id"] = number
        if not annotation["segmentation"]:
            x, y, w, h = annotation["bbox"]
            annotation["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    return ground_truth_from_coco(json.loads(json.dumps(content)), iou_type)


def written_results(
    predictions: Sequence[Prediction], records: Sequence[ImageRecord], class_ids: Any, iou_type: str
) -> list[dict[str, Any]]:
    """The predictions as COCO's results, object by object."""
    categories = category_ids(class_ids, len(CLASSES))
    results = []
    for prediction, record in zip(predictions, numbered(records), strict=True):
        found = prediction.objects
        for row in range(0 if found is None else len(found)):
            x1, y1, x2, y2 = found.boxes[row].double().tolist()
            outlines = {
                "bbox": lambda: [x1, y1, x2 - x1, y2 - y1],  # noqa: B023, called at once
                "segmentation": lambda: _string(found.masks[row].numpy()),  # noqa: B023
                "keypoints": lambda: found.keypoints[row].double().flatten().tolist(),  # noqa: B023
            }
            name = "segmentation" if iou_type == "segm" else iou_type
            results.append(
                {
                    "image_id": record.id,
                    "category_id": categories[int(found.labels[row])],
                    name: outlines[name](),
                    "score": float(found.scores[row]),
                }
            )
    return results


def _string(mask: np.ndarray) -> dict[str, Any]:
    code = rle_encode(mask)
    return {"size": code["size"], "counts": rle_to_string(code["counts"])}


def truth_of(records: Sequence[ImageRecord], class_ids: Any, iou_type: str) -> GroundTruth:
    ids = category_ids(class_ids, len(CLASSES))
    return ground_truth_from_records(numbered(records), CLASSES, ids, iou_type, **NAMES)


def detections_of(
    predictions: Sequence[Prediction],
    records: Sequence[ImageRecord],
    class_ids: Any,
    ground_truth: GroundTruth,
    iou_type: str,
) -> Detections:
    found = [detections_in(prediction, iou_type) for prediction in predictions]
    image_ids = [record.id for record in numbered(records)]
    ids = category_ids(class_ids, len(CLASSES))
    return detections_from_predictions(found, image_ids, ids, ground_truth, iou_type)


# --- the laws -----------------------------------------------------------------------------------


@pytest.mark.parametrize("iou_type", IOU_TYPES)
@settings(max_examples=150, deadline=None)
@given(seed=SEEDS, class_ids=IDS)
@example(seed=0, class_ids=(1, 2, 3))
def test_truth_from_records_is_that_from_json_in_every_bit(
    iou_type: str, seed: int, class_ids: Any
) -> None:
    records = made_records(seed)
    assert_same(truth_of(records, class_ids, iou_type), written_truth(records, class_ids, iou_type))


@pytest.mark.parametrize("iou_type", IOU_TYPES)
@settings(max_examples=150, deadline=None)
@given(seed=SEEDS, class_ids=IDS)
def test_detections_from_predictions_are_those_from_json_in_every_bit(
    iou_type: str, seed: int, class_ids: Any
) -> None:
    records = made_records(seed)
    predictions = made_predictions(records, seed)
    results = written_results(predictions, records, class_ids, iou_type)
    ground_truth = truth_of(records, class_ids, iou_type)
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
    ground_truth = truth_of(records, class_ids, iou_type)
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


# --- one by one ---------------------------------------------------------------------------------


def one_object(**changes: Any) -> ImageRecord:
    values: dict[str, Any] = {
        "name": "a.png",
        "path": None,
        "id": 7,
        "size": (40, 60),
        "xywh": np.array([[2.0, 3, 10, 20]]),
        "labels": np.array([1]),
        "crowd": np.zeros(1, dtype=bool),
        "difficult": np.zeros(1, dtype=bool),
        "area": np.array([150.0]),
        "ids": (0,),
        "keypoints": np.array([[[4.0, 5, 2], [6, 7, 1], [0, 0, 0]]]),
    }
    return ImageRecord(**(values | changes))


def test_no_object_has_the_id_that_means_no_match() -> None:
    assert truth_of([one_object(), one_object(id=8)], (1, 2, 3), "bbox").ids == (1, 2)


def test_an_object_without_an_outline_is_its_box_filled() -> None:
    ground_truth = truth_of([one_object()], (1, 2, 3), "segm")
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
        ("segm", {"segments": ({"size": (40, 60)},)}, "its outline cannot be judged"),
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
        truth_of(order, (1, 2, 3), iou_type)
    assert str(caught.value).startswith("bad.png: object 0: ")


def test_keypoints_of_another_number_are_refused() -> None:
    other = one_object(name="bad.png", id=8, keypoints=np.zeros((1, 2, 3)))
    with pytest.raises(AnnotationError, match="object 0: has not 3 keypoints"):
        truth_of([one_object(), other], (1, 2, 3), "keypoints")


def test_mistakes_of_a_caller_are_named() -> None:
    with pytest.raises(ValueError, match="category_ids: expected 3, got 2"):
        ground_truth_from_records([], CLASSES, (1, 2))
    with pytest.raises(ValueError, match="ids: expected 2 different ones, got 1"):
        ground_truth_from_records([one_object(), one_object()], CLASSES, (1, 2, 3))
    with pytest.raises(ValueError, match="iou_type: expected one of"):
        ground_truth_from_records([], CLASSES, (1, 2, 3), "boxes")


# --- what was found -----------------------------------------------------------------------------


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
    ground_truth = truth_of([one_object()], (5, 9, 11), iou_type)
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
    with pytest.raises(AnnotationError, match="detection 0: has 2 keypoints, the truth 3"):
        results(few, "keypoints")


def test_one_entry_for_each_image() -> None:
    ground_truth = truth_of([one_object()], (1, 2, 3), "bbox")
    found = [detections_in(objects())] * 2
    with pytest.raises(ValueError, match="expected 1 predictions, got 2"):
        detections_from_predictions(found, [7], (1, 2, 3), ground_truth)
    with pytest.raises(ValueError, match="ids: expected some of the truth's, got 8"):
        detections_from_predictions(found, [7, 8], (1, 2, 3), ground_truth)
    with pytest.raises(ValueError, match="Truth: expected one read with iou_type='segm'"):
        detections_from_predictions([], [], (1, 2, 3), ground_truth, "segm")
