from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from tapetum.evaluation.localization import evaluate_locations
from tapetum.ops.boxes import box_iou
from tapetum.structures import Objects

NAMES = ("cat", "dog", "owl")


def objects(*rows: tuple[float, float, float, float, int], crowd: int | None = None) -> Objects:
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 5)
    marked = torch.arange(len(table)) == crowd if crowd is not None else None
    return Objects(boxes=table[:, :4], labels=table[:, 4].long(), crowd=marked)


def test_one_object_an_image_by_hand() -> None:
    ground_truth = [objects((0, 0, 10, 10, 0))] * 4
    found = [
        objects((0, 0, 10, 10, 0)),  # all right
        objects((0, 0, 10, 5, 0)),  # IoU 0.5 is enough
        objects((0, 0, 10, 10, 1)),  # a wrong name
        objects((20, 20, 30, 30, 0)),  # a wrong place
    ]
    result = evaluate_locations(found, ground_truth, NAMES)
    assert result.stats == {
        "both_right": 0.5,
        "class_accuracy": 0.75,
        "box_accuracy": 0.75,
        "mean_iou": 2.5 / 4,
        "extra": 0,
    }
    assert result.both_right.tolist() == [1, 1, 0, 0]
    assert result.class_right.tolist() == [1, 1, 0, 1]
    assert result.iou.tolist() == [1, 0.5, 1, 0]
    assert result.quality.tolist() == [1, 0.5, 0, 0]
    rows = {name: (row["both_right"], row["objects"]) for name, row in result.classes.items()}
    assert rows == {"cat": (0.5, 4), "dog": (-1, 0), "owl": (-1, 0)}


def test_half_a_pixel_less_than_half_is_not_enough() -> None:
    result = evaluate_locations([objects((0, 0, 10, 4.99, 0))], [objects((0, 0, 10, 10, 0))], NAMES)
    assert result.stats["both_right"] == 0


def test_the_sum_of_overlaps_decides_not_the_first_or_the_best_pair() -> None:
    """Greedy would give the first box its best partner, and leave the second box without one."""
    ground_truth = [objects((0, 0, 10, 10, 0), (0, 0, 10, 20, 1))]
    found = [objects((0, 0, 10, 12, 1), (0, 0, 10, 5, 0))]
    result = evaluate_locations(found, ground_truth, NAMES)
    assert result.iou[0] == pytest.approx((0.5 + 0.6) / 2)
    assert result.both_right.tolist() == [1]


def test_the_pairing_is_the_best_of_all() -> None:
    random = torch.Generator().manual_seed(0)
    for _ in range(20):
        boxes = torch.rand(7, 4, generator=random) * 20
        boxes[:, 2:] += boxes[:, :2]
        labels = torch.randint(0, 3, (7,), generator=random)
        ground_truth, found = (
            Objects(boxes=boxes[s], labels=labels[s]) for s in (slice(3), slice(3, 7))
        )
        overlap = box_iou(ground_truth.boxes.double(), found.boxes.double())
        best = max(
            sum(float(overlap[i, j]) for i, j in enumerate(chosen))
            for chosen in itertools.permutations(range(4), 3)
        )
        result = evaluate_locations([found], [ground_truth], NAMES)
        assert result.iou[0] == pytest.approx(best / 3, abs=1e-5)
        assert result.extra.tolist() == [1]


def test_among_equal_overlaps_the_right_class_is_preferred() -> None:
    ground_truth = [objects((0, 0, 10, 10, 0), (0, 0, 10, 10, 1))]
    found = [objects((0, 0, 10, 10, 1), (0, 0, 10, 10, 0))]
    assert evaluate_locations(found, ground_truth, NAMES).stats["both_right"] == 1


def test_missed_and_extra_objects() -> None:
    ground_truth = [objects((0, 0, 10, 10, 0), (20, 20, 30, 30, 1)), objects(), objects()]
    found = [objects((0, 0, 10, 10, 0)), objects((0, 0, 5, 5, 2)), objects()]
    result = evaluate_locations(found, ground_truth, NAMES)
    assert result.stats["both_right"] == result.stats["mean_iou"] == 0.5
    assert result.extra.tolist() == [0, 1, 0]
    assert result.both_right.tolist() == [0.5, -1, -1]
    assert [row["both_right"] for row in result.classes.values()] == [1, 0, -1]


def test_only_the_largest_objects_count_and_no_crowds() -> None:
    instances = objects((0, 0, 4, 4, 0), (5, 5, 15, 15, 1), (0, 0, 90, 90, 2), crowd=2)
    found = [objects((5, 5, 15, 15, 1))]
    assert evaluate_locations(found, [instances], NAMES, objects=1).stats["both_right"] == 1
    assert evaluate_locations(found, [instances], NAMES).stats["both_right"] == 0.5


def test_nothing_at_all() -> None:
    assert set(evaluate_locations([], [], NAMES).stats.values()) == {-1.0}
    thin = evaluate_locations([objects((1, 1, 1, 9, 0))], [objects((1, 1, 1, 9, 0))], NAMES)
    assert thin.stats["mean_iou"] == -1
    assert np.isfinite(thin.iou).all()


def test_images_are_counted() -> None:
    with pytest.raises(ValueError, match="expected 0, one an image, got 1"):
        evaluate_locations([objects()], [], NAMES)
