"""Records are checked at birth; ranges hold both ends."""

from __future__ import annotations

import numpy as np
import pytest

from tapetum.evaluation import evaluate_detections
from tapetum.evaluation.records import Area, Detections, GroundTruth, coco_rules


def test_area_ranges_hold_both_ends() -> None:
    area = Area("medium", 4.0, 9.0)
    assert area.holds(np.array([3.9, 4.0, 9.0, 9.1])).tolist() == [False, True, True, False]


def test_detections_of_unequal_lengths_are_refused() -> None:
    two, boxes = np.zeros(2, dtype=np.int64), np.zeros((2, 4))
    with pytest.raises(ValueError, match=r"xywh: expected shape \(3, 4\), got \(2, 4\)"):
        Detections(np.zeros(3), np.zeros(3), boxes, np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match=r"image: expected shape \(2,\), got \(2, 4\)"):
        Detections(boxes, two, boxes, np.zeros(2), np.zeros(2))


def test_a_truth_needs_a_name_for_each_category() -> None:
    none, boxes = np.zeros(0), np.zeros((0, 4))
    with pytest.raises(ValueError, match="category_names: expected 2, got 1"):
        GroundTruth(none, none, boxes, none, none, none, (), (), (1, 2), ("a",))


def test_indices_stay_within_the_truth() -> None:
    zero, one, box = np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int64), np.ones((1, 4))
    flags = np.zeros(1, dtype=bool)

    def ground_truth(image: np.ndarray, category: np.ndarray) -> GroundTruth:
        return GroundTruth(image, category, box, np.ones(1), flags, flags, (1,), (1,), (1,), ("a",))

    with pytest.raises(ValueError, match="image: expected 0 to 0, got 1 to 1"):
        ground_truth(one, zero)
    with pytest.raises(ValueError, match="category: expected 0 to 0, got -1 to -1"):
        ground_truth(zero, -one)
    for image, category, name in ((one, zero, "image"), (zero, one, "category")):
        detections = Detections(image, category, box, np.ones(1), np.ones(1))
        with pytest.raises(ValueError, match=f"{name}: expected 0 to 0, got 1 to 1"):
            evaluate_detections(ground_truth(zero, zero), detections)


def test_caps_are_sorted() -> None:
    assert coco_rules((100, 1)).max_dets == (1, 100)
