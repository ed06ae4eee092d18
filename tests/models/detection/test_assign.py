from __future__ import annotations

import pytest
import torch

from tapetum.models.detection.assign import assign, fraction_inside, matched_objects, objects_of
from tapetum.structures import Objects, Target

CANDIDATES = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 10, 3], [50, 50, 60, 60]])


def objects(*boxes: list[float], crowd: list[bool] | None = None) -> Objects:
    rows = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return Objects(
        boxes=rows,
        labels=torch.arange(len(rows)),
        crowd=None if crowd is None else torch.tensor(crowd),
    )


def test_objects_by_overlap() -> None:
    instances = objects([20, 20, 30, 30], [0, 0, 10, 10])
    assert assign(instances, CANDIDATES, 0.9, 0.5).tolist() == [1, -2, -1, -1]
    assert assign(instances, CANDIDATES, 0.5, 0.5).tolist() == [1, 1, -1, -1]


def test_a_crowd_is_ignored_where_half_of_a_candidate_lies_in_it() -> None:
    """Indices count crowds too: they point into the objects as they were given."""
    instances = objects(
        [0, 0, 10, 5], [0, 0, 10, 10], [50, 50, 60, 54.9], crowd=[True, False, True]
    )
    assert assign(instances, CANDIDATES, 0.9, 0.7).tolist() == [1, -2, -2, -1]
    instances = objects([0, 0, 10, 5], [50, 50, 60, 55], crowd=[True, True])
    assert assign(instances, CANDIDATES, 0.5, 0.5, True).tolist() == [-2, -2, -2, -2]


def test_a_box_without_area_teaches_nothing() -> None:
    """Its best overlap is 0, and so is that of every candidate: all would be its own."""
    instances = objects([5, 5, 5, 9], [0, 0, 10, 9])
    assert assign(instances, CANDIDATES, 0.95, 0.1, True).tolist() == [1, -2, -2, -1]


def test_no_objects_no_candidates() -> None:
    assert assign(objects(), CANDIDATES, 0.5, 0.5).tolist() == [-1, -1, -1, -1]
    assert assign(objects([0, 0, 1, 1]), torch.zeros(0, 4), 0.5, 0.5).tolist() == []
    assert assign(objects(), torch.zeros(0, 4), 0.5, 0.5, True).tolist() == []


def test_fraction_inside_by_hand() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [5, 5, 5, 8]])
    rois = torch.tensor([[5.0, 0, 100, 10], [0, 0, 10, 10], [20, 20, 30, 30]])
    torch.testing.assert_close(
        fraction_inside(boxes, rois), torch.tensor([[0.5, 1, 0], [0.0, 0, 0]])
    )


def test_matched_objects_are_taken_from_their_image() -> None:
    targets = [
        Target(objects=objects([0, 0, 1, 1], [0, 0, 2, 2])),
        Target(objects=objects()),
        Target(objects=objects([0, 0, 3, 3])),
    ]
    boxes, labels = matched_objects(targets, torch.tensor([2, 0, 0]), torch.tensor([0, 1, 0]))
    assert boxes[:, 2].tolist() == [3, 2, 1]
    assert labels.tolist() == [0, 1, 0]
    nothing = torch.zeros(0, dtype=torch.int64)
    assert matched_objects(targets[1:2], nothing, nothing)[0].shape == (0, 4)


def test_a_target_for_detection_has_objects() -> None:
    with pytest.raises(ValueError, match=r"expected objects \(Objects.empty\(\) for none\)"):
        objects_of(Target())
