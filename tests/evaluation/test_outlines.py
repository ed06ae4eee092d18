"""Outlines at the border: which forms are read, which are refused and by what name."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from tapetum.base.errors import AnnotationError
from tapetum.evaluation import (
    GroundTruth,
    detections_from_coco,
    evaluate_detections,
    ground_truth_from_coco,
    outlines,
)
from tapetum.ops.masks import rle_to_string

SIZE = [4, 5]
FORMS = {
    "polygons": [[1, 1, 4, 1, 4, 3, 1, 3]],
    "counts": {"size": SIZE, "counts": [5, 2, 2, 2, 2, 2, 5]},
    "string": {"size": SIZE, "counts": "5220003"},
    "bytes": {"size": SIZE, "counts": b"5220003"},
}
MISSING = object()


def small(outline: Any = FORMS["polygons"]) -> dict[str, Any]:
    """Two annotations on two images of 4 x 5."""
    return {
        "images": [{"id": i, "height": 4, "width": 5} for i in (1, 2)],
        "categories": [{"id": 1}],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "segmentation": copy.deepcopy(outline)}
            for i in (1, 2)
        ],
    }


def found(outline: Any = FORMS["polygons"]) -> list[dict[str, Any]]:
    entry = {"image_id": 1, "category_id": 1, "segmentation": outline, "score": 0.5}
    return [copy.deepcopy(entry) for _ in range(2)]


def counts_of(record: Any) -> list[list[int]]:
    runs = record.masks.runs
    return [part.tolist() for part in np.split(runs.counts, runs.first[1:-1])]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_mask(form: str) -> None:
    ground_truth = ground_truth_from_coco(small(FORMS[form]), "segm")
    detections = detections_from_coco(found(FORMS[form]), ground_truth, "segm")
    for record in (ground_truth, detections):
        assert counts_of(record) == [FORMS["counts"]["counts"]] * 2
        assert record.masks.area.tolist() == record.area.tolist() == [6, 6]
        assert record.xywh.tolist() == record.masks.xywh.tolist() == [[1, 1, 3, 2]] * 2
        assert record.masks.runs.counts.dtype == np.uint32


def test_forms_may_be_mixed_and_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlines, "_AT_ONCE", 3)
    gt = small()
    columns = []
    for number in range(20):
        column = number % 5
        counts = [4 * column, 4, 16 - 4 * column]
        outline = (
            [[column, 0, column + 1, 0, column + 1, 4, column, 4]],
            {"size": SIZE, "counts": counts},
            {"size": SIZE, "counts": rle_to_string(counts)},
        )[number % 3]
        gt["annotations"].append(
            {"id": number + 5, "image_id": 1, "category_id": 1, "segmentation": outline}
        )
        columns.append([column, 0, 1, 4])
    ground_truth = ground_truth_from_coco(gt, "segm")
    assert ground_truth.xywh[2:].tolist() == columns


def test_box_and_area_of_a_truth_are_the_files_own_where_it_states_them() -> None:
    gt = small()
    gt["annotations"][1] |= {"bbox": [0, 0, 2.5, 2], "area": 77.5}
    ground_truth = ground_truth_from_coco(gt, "segm")
    assert ground_truth.xywh.tolist() == [[1, 1, 3, 2], [0, 0, 2.5, 2]]
    assert ground_truth.area.tolist() == [6, 77.5]
    assert ground_truth.masks is not None
    assert ground_truth.masks.area.tolist() == [6, 6]


def test_the_first_result_decides_where_the_areas_come_from() -> None:
    ground_truth = ground_truth_from_coco(small(), "segm")
    results = found()
    results[1]["bbox"] = [0, 0, 50, 50]
    assert detections_from_coco(results, ground_truth, "segm").area.tolist() == [6, 6]
    results[0]["bbox"] = [0, 0, 2, 2]
    assert detections_from_coco(results, ground_truth, "segm").area.tolist() == [4, 2500]
    del results[1]["bbox"]
    with pytest.raises(AnnotationError, match="entry 1: has no bbox"):
        detections_from_coco(results, ground_truth, "segm")


@pytest.mark.parametrize(
    ("outline", "why"),
    [
        (MISSING, "has no segmentation"),
        (None, "its segmentation is neither a list of polygons nor a code"),
        ("5220003", "its segmentation is neither a list of polygons nor a code"),
        ([], "its segmentation is empty"),
        ([1, 1, 4, 1, 4, 3], "its segmentation cannot be read"),
        ([[[1, 1], [4, 1], [4, 3]]], "its segmentation cannot be read"),
        ([[1, 1, 4, 1]], "three points or more, got 4 numbers"),
        ([[1, 1, 4, 1, 4, 3, 7]], "three points or more, got 7 numbers"),
        ([[1, 1, 4, 1, 4, "3"]], "its segmentation cannot be read"),
        ([[1, 1, 4, 1, 4, float("nan")]], "finite"),
        ([FORMS["counts"]], "its segmentation cannot be read"),
        ({"counts": [20]}, "its segmentation cannot be read"),
        ({"size": SIZE}, "its segmentation cannot be read"),
        ({"size": 4, "counts": [20]}, "its segmentation cannot be read"),
        ({"size": [5, 4], "counts": [20]}, r"its mask has the size \[5, 4\], its image \[4, 5\]"),
        ({"size": SIZE, "counts": [19]}, "do not sum to the 20 pixels of its image"),
        ({"size": SIZE, "counts": [5, 20]}, "do not sum"),
        ({"size": SIZE, "counts": []}, "do not sum"),
        ({"size": SIZE, "counts": ""}, "do not sum"),
        ({"size": SIZE, "counts": [25, -5]}, "do not sum"),
        ({"size": SIZE, "counts": [2**40, 20 - 2**40]}, "do not sum"),
        ({"size": SIZE, "counts": [2**62] * 4 + [20]}, "do not sum"),
        ({"size": SIZE, "counts": [2**70]}, "its segmentation cannot be read"),
        ({"size": SIZE, "counts": [20.0]}, "its segmentation cannot be read"),
        ({"size": SIZE, "counts": "3O2B"}, "do not sum"),
        ({"size": SIZE, "counts": "5 2"}, "a character that no compressed run length has"),
        ({"size": SIZE, "counts": "5é"}, "a character that no compressed run length has"),
        ({"size": SIZE, "counts": "5P"}, "end within a number"),
        ({"size": SIZE, "counts": 7}, "its segmentation cannot be read"),
    ],
)
def test_bad_outlines_are_refused_by_their_number(outline: Any, why: str) -> None:
    gt, results = small(), found()
    for entries in (gt["annotations"], results):
        if outline is MISSING:
            del entries[1]["segmentation"]
        else:
            entries[1]["segmentation"] = outline
    with pytest.raises(AnnotationError, match=why) as caught:
        ground_truth_from_coco(gt, "segm")
    assert caught.value.where == "annotation 1"
    with pytest.raises(AnnotationError, match=why) as caught:
        detections_from_coco(results, ground_truth_from_coco(small(), "segm"), "segm")
    assert caught.value.where == "entry 1"


@pytest.mark.parametrize(
    "sides", [{}, {"height": 4}, {"height": -4, "width": -5}, {"height": 2**31, "width": 2**31}]
)
def test_images_need_a_size_if_something_is_on_them(sides: dict) -> None:
    gt = small()
    gt["images"].append({"id": 3, **sides})
    ground_truth = ground_truth_from_coco(gt, "segm")
    with pytest.raises(AnnotationError, match="entry 0: its image has no height and width"):
        detections_from_coco([{**found()[0], "image_id": 3}], ground_truth, "segm")
    gt["annotations"][1]["image_id"] = 3
    with pytest.raises(AnnotationError, match="annotation 1: its image has no height and width"):
        ground_truth_from_coco(gt, "segm")


def test_numbers_in_messages_are_those_of_the_file() -> None:
    """Entries that do not count are left out before the outlines are read."""
    gt = small()
    gt["annotations"].insert(0, {**gt["annotations"][0], "id": 9, "category_id": 5})
    gt["annotations"][2]["segmentation"] = []
    with pytest.raises(AnnotationError, match="annotation 2: its segmentation is empty"):
        ground_truth_from_coco(gt, "segm")
    ground_truth = ground_truth_from_coco(small(), "segm")
    results = [{**found()[0], "category_id": 5}, *found([])]
    with pytest.raises(AnnotationError, match="entry 1: its segmentation is empty"):
        detections_from_coco(results, ground_truth, "segm")


@pytest.mark.parametrize("iou_type", ["segm", "keypoints"])
def test_records_read_for_boxes_cannot_be_compared_otherwise(iou_type: str) -> None:
    gt = {**small(), "annotations": []}
    boxes, other = ground_truth_from_coco(gt), ground_truth_from_coco(gt, iou_type)
    with pytest.raises(ValueError, match=f"Truth: expected one read with iou_type='{iou_type}'"):
        detections_from_coco([], boxes, iou_type)
    plain = detections_from_coco([], boxes)
    with pytest.raises(
        ValueError, match=f"Detections: expected one read with iou_type='{iou_type}'"
    ):
        evaluate_detections(other, plain, iou_type=iou_type)


def test_there_are_three_kinds() -> None:
    ground_truth = ground_truth_from_coco(small(), "segm")
    message = "iou_type: expected one of bbox, segm, keypoints, got 'mask'"
    for call in (
        lambda: ground_truth_from_coco(small(), "mask"),
        lambda: detections_from_coco([], ground_truth, "mask"),
        lambda: evaluate_detections(
            ground_truth, detections_from_coco([], ground_truth), iou_type="mask"
        ),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_a_record_has_as_many_masks_as_objects() -> None:
    ground_truth = ground_truth_from_coco(small(), "segm")
    fields = {**vars(ground_truth)}
    one = slice(0, 1)
    arrays = ("image", "category", "xywh", "area", "crowd", "ignored", "ids")
    with pytest.raises(ValueError, match="masks: expected 1, got 2"):
        GroundTruth(**{**fields, **{name: fields[name][one] for name in arrays}})
