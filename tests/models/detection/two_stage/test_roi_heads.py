from __future__ import annotations

import torch

from tapetum.models.detection.two_stage.roi_heads import image_index, roi_candidates


def test_image_index() -> None:
    boxes = [torch.zeros(2, 4), torch.zeros(0, 4), torch.zeros(1, 4)]
    assert image_index(boxes).tolist() == [0, 0, 2]


def test_candidates_are_pairs_of_region_and_class_above_the_threshold() -> None:
    """Each is moved by the offsets of its own class, and background is nobody's class."""
    logits = torch.tensor([[8.0, 0, 0], [0, 4, 4], [0, 0, 8]])
    deltas = torch.zeros(3, 3, 4)
    deltas[1, 1, 0] = 10  # class 0 a whole width (10 / 10) to the right
    rois = torch.tensor([[0.0, 0, 9, 9], [10, 10, 20, 20], [5, 5, 9, 9]])
    found, roi = roi_candidates(logits, deltas, rois, 0.3)
    assert roi.tolist() == [1, 1, 2]
    assert found.labels.tolist() == [0, 1, 1]
    expected = torch.tensor([[20.0, 10, 30, 20], [10, 10, 20, 20], [5, 5, 9, 9]])
    torch.testing.assert_close(found.boxes, expected)
    probabilities = logits.softmax(1)
    torch.testing.assert_close(found.scores, probabilities[[1, 1, 2], [1, 2, 2]])
