"""The border: what a COCO file may hold, and which entry an error names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tapetum.base.errors import AnnotationError
from tapetum.evaluation import detections_from_coco, ground_truth_from_coco


def small() -> dict[str, Any]:
    entry = {"category_id": 9, "bbox": [1, 2, 3, 4], "area": 10, "iscrowd": 0}
    return {
        "images": [{"id": 30}, {"id": 20}],
        "categories": [{"id": 9, "name": "cat"}, {"id": 4}],
        "annotations": [{"id": 5, "image_id": 30, **entry}, {"id": 6, "image_id": 20, **entry}],
    }


def entries() -> list[dict[str, Any]]:
    return [{"image_id": 20, "category_id": 4, "bbox": [0, 0, 2, 3], "score": s} for s in (1, 0.5)]


def test_a_truth_is_read_with_ids_ascending_and_objects_in_file_order() -> None:
    gt = small()
    gt["annotations"][1].update(iscrowd=1, bbox=[0.5, 0, 2, 8])
    ground_truth = ground_truth_from_coco(gt)
    assert (ground_truth.image_ids, ground_truth.category_ids) == ((20, 30), (4, 9))
    assert ground_truth.category_names == ("4", "cat")
    assert ground_truth.ids == (5, 6)
    assert ground_truth.image.tolist() == [1, 0]
    assert ground_truth.category.tolist() == [1, 1]
    assert ground_truth.xywh.tolist() == [[1.0, 2.0, 3.0, 4.0], [0.5, 0.0, 2.0, 8.0]]
    assert ground_truth.xywh.dtype == np.float64
    assert ground_truth.area.tolist() == [10.0, 10.0]
    assert ground_truth.crowd.tolist() == ground_truth.ignored.tolist() == [False, True]


def test_without_area_and_iscrowd_a_truth_is_its_box_and_no_crowd() -> None:
    gt = small()
    del gt["annotations"][1]["area"], gt["annotations"][0]["iscrowd"]
    ground_truth = ground_truth_from_coco(gt)
    assert ground_truth.area.tolist() == [10.0, 12.0]
    assert ground_truth.crowd.tolist() == [False, False]


def test_detections_are_read_in_list_order() -> None:
    detections = detections_from_coco(entries(), ground_truth_from_coco(small()))
    assert detections.score.tolist() == [1.0, 0.5]
    assert detections.image.tolist() == detections.category.tolist() == [0, 0]
    assert detections.area.tolist() == [6.0, 6.0]


def test_no_detections_and_no_truths_are_normal() -> None:
    ground_truth = ground_truth_from_coco({"images": [], "annotations": [], "categories": []})
    detections = detections_from_coco([], ground_truth)
    assert len(ground_truth) == len(detections) == 0
    assert ground_truth.xywh.shape == detections.xywh.shape == (0, 4)


MISSING = object()


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("image_id", 99, "its image_id 99 is not in the ground truth"),
        ("image_id", [20], r"its image_id \[20\] is not in the ground truth"),
        ("image_id", "20", "its image_id '20' is not in the ground truth"),
        ("category_id", [4], r"its category_id \[4\] is not in the ground truth"),
        ("bbox", [1, 2, 3], "its box is not 4 finite numbers"),
        ("bbox", [1, 2, 3, 4, 5], "its box is not 4 finite numbers"),
        ("bbox", [1, 2, 3, "4"], "its box is not 4 finite numbers"),
        ("bbox", [1, 2, 3, None], "its box is not 4 finite numbers"),
        ("bbox", [1, 2, 3, float("nan")], "its box is not 4 finite numbers"),
        ("bbox", [1, 2, float("inf"), 3], "its box is not 4 finite numbers"),
        ("bbox", [1, 2, 1e200, 3], "its box is not 4 finite numbers"),
        ("bbox", [1, 2, 10**400, 3], "its box is not 4 finite numbers"),
        ("bbox", [1, 2, 1e-200, 1e-200], "its box is too small to have an area"),
        ("bbox", [[1, 2, 3, 4]] * 4, "its box is not 4 finite numbers"),
        ("bbox", "abcd", "its box is not 4 finite numbers"),
        ("bbox", 7, "its box is not 4 finite numbers"),
        ("score", "0.9", "its score is not a finite number"),
        ("score", None, "its score is not a finite number"),
        ("score", float("nan"), "its score is not a finite number"),
        ("score", float("-inf"), "its score is not a finite number"),
        ("image_id", MISSING, "has no image_id"),
        ("category_id", MISSING, "has no category_id"),
        ("bbox", MISSING, "has no bbox"),
        ("score", MISSING, "has no score"),
    ],
)
def test_a_bad_detection_is_refused_by_its_number(key: str, value: Any, why: str) -> None:
    results = entries()
    if value is MISSING:
        del results[1][key]
    else:
        results[1][key] = value
    with pytest.raises(AnnotationError, match=why) as caught:
        detections_from_coco(results, ground_truth_from_coco(small()))
    assert caught.value.where == "entry 1"
    assert (caught.value.hint is not None) == ("image_id" in why and value is not MISSING)


def test_boxes_that_only_together_have_fours_are_refused() -> None:
    results = entries()
    results[0]["bbox"], results[1]["bbox"] = [1, 2, 3, 4, 5], [6, 7, 8]
    with pytest.raises(AnnotationError, match="entry 0: its box is not 4 finite numbers"):
        detections_from_coco(results, ground_truth_from_coco(small()))


@pytest.mark.parametrize("results", [{"annotations": []}, "text", None, 5])
def test_results_must_be_a_list(results: Any) -> None:
    with pytest.raises(AnnotationError, match="expected a list of detections"):
        detections_from_coco(results, ground_truth_from_coco(small()))


def test_an_entry_that_is_no_object_is_refused() -> None:
    with pytest.raises(AnnotationError, match="entry 2: expected an object, got list"):
        detections_from_coco([*entries(), [1]], ground_truth_from_coco(small()))


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("id", MISSING, "needs an id"),
        ("id", [1], "needs an id"),
        ("image_id", MISSING, "has no image_id"),
        ("bbox", [1, 2, 3], "its box is not 4 finite numbers"),
        ("bbox", [1, 2, float("nan"), 3], "its box is not 4 finite numbers"),
        ("area", None, "its area is not a finite number"),
        ("area", float("inf"), "its area is not a finite number"),
        ("iscrowd", 2, "its iscrowd is neither 0 nor 1"),
        ("iscrowd", "1", "its iscrowd is not a finite number"),
    ],
)
def test_a_bad_annotation_is_refused_by_its_number(key: str, value: Any, why: str) -> None:
    gt = small()
    if value is MISSING:
        del gt["annotations"][1][key]
    else:
        gt["annotations"][1][key] = value
    with pytest.raises(AnnotationError, match=why) as caught:
        ground_truth_from_coco(gt)
    assert caught.value.where == "annotation 1"


def test_a_bad_annotation_is_found_among_shared_ids_too() -> None:
    gt = small()
    gt["annotations"] += [{"id": 5, "image_id": 20, "category_id": 9, "bbox": [0, 0, 1]}]
    with pytest.raises(AnnotationError, match="its box is not 4"):
        ground_truth_from_coco(gt)


@pytest.mark.parametrize("shared", [False, True])
def test_what_the_truth_does_not_list_does_not_count(same_as_reference, shared: bool) -> None:
    gt = small()
    gt["annotations"] += [
        {**gt["annotations"][0], "id": 5 if shared else 7, "image_id": 99},
        {**gt["annotations"][0], "id": 8, "category_id": 77},
    ]
    results = [
        {"image_id": 20, "category_id": 77, "bbox": [1, 2, 3, 4], "score": 0.9},
        {"image_id": 20, "category_id": 9, "bbox": [1, 2, 3, 4], "score": 0.8},
        {"image_id": 30, "category_id": 9, "bbox": [1, 2, 3, 5], "score": 0.7},
    ]
    result = same_as_reference(gt, results)
    assert len(detections_from_coco(results, ground_truth_from_coco(gt))) == 2
    assert result.stats["AP50"] > 0


@pytest.mark.parametrize(
    ("section", "entry", "message"),
    [
        ("images", {"id": 30}, "image 2: the id 30 is used twice"),
        ("images", {"id": "a"}, "some image ids are numbers and some are text"),
        ("images", {}, "image 2: has no id"),
        ("images", 7, "image 2: has no id"),
        ("images", {"id": None}, "image 2: its id is neither a number nor text"),
        ("categories", {"id": 4}, "category 2: the id 4 is used twice"),
    ],
)
def test_bad_images_and_categories_are_refused(section: str, entry: Any, message: str) -> None:
    gt = small()
    gt[section].append(entry)
    with pytest.raises(AnnotationError, match=message):
        ground_truth_from_coco(gt)


@pytest.mark.parametrize("name", ["images", "annotations", "categories"])
def test_every_section_is_needed(name: str) -> None:
    gt = small()
    gt[name] = {}
    with pytest.raises(AnnotationError, match=f'needs a list "{name}"'):
        ground_truth_from_coco(gt)
    del gt[name]
    with pytest.raises(AnnotationError, match=f'needs a list "{name}"'):
        ground_truth_from_coco(gt)


def test_a_truth_must_be_a_dictionary() -> None:
    with pytest.raises(AnnotationError, match="expected a COCO dictionary, got list"):
        ground_truth_from_coco([])
