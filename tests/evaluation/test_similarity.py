"""IoU of boxes: the bits of the COCO API."""

from __future__ import annotations

import numpy as np
import pycocotools.mask
import pytest

from tapetum.evaluation.records import Detections, GroundTruth
from tapetum.evaluation.similarity import box_similarity


def records(
    true: np.ndarray, crowd: np.ndarray, detected: np.ndarray
) -> tuple[GroundTruth, Detections]:
    n, m = len(true), len(detected)
    zeros, ids = np.zeros(n, dtype=np.int64), tuple(range(1, n + 1))
    ground_truth = GroundTruth(
        zeros, zeros, true, np.ones(n), crowd, crowd, ids, (1,), (1,), ("object",)
    )
    zeros = np.zeros(m, dtype=np.int64)
    return ground_truth, Detections(zeros, zeros, detected, np.ones(m), np.ones(m))


def all_pairs(true: np.ndarray, crowd: np.ndarray, detected: np.ndarray) -> np.ndarray:
    """(detections, truths)."""
    d, g = np.indices((len(detected), len(true))).reshape(2, -1)
    values = box_similarity(*records(true, crowd, detected))(g, d)
    return values.reshape(len(detected), len(true))


@pytest.mark.parametrize("spread", [1.0, 1e3, 1e16])
def test_every_bit_is_that_of_the_coco_api(spread: float) -> None:
    random = np.random.default_rng(0)
    means = np.array([0.0, 0.0, 1.0, 1.0])  # some sides are negative
    true, detected = (random.normal(means, 0.7, (n, 4)) * spread for n in (150, 200))
    true[:20], detected[:20] = detected[100:120], true[100:120]  # equal boxes
    true[20:30, 2:], detected[20:30, 2] = 0.0, 0.0
    crowd = random.random(150) < 0.3
    expected = pycocotools.mask.iou(detected, true, crowd.astype(np.uint8).tolist())
    actual = all_pairs(true, crowd, detected)
    assert 0.05 < np.count_nonzero(expected) / expected.size < 0.9
    assert actual.tobytes() == np.ascontiguousarray(expected).tobytes()


def test_known_values() -> None:
    box = np.array([[0.0, 0.0, 10.0, 10.0]])
    others = np.array([[0, 0, 10, 10], [5, 0, 10, 10], [10, 0, 10, 10], [2, 2, 4, 5.0]])
    plain = all_pairs(box, np.array([False]), others)[:, 0]
    assert plain.tolist() == [1.0, 50 / 150, 0.0, 0.2]
    crowd = all_pairs(box, np.array([True]), others)[:, 0]
    assert crowd.tolist() == [1.0, 0.5, 0.0, 1.0]


def test_a_union_that_rounds_to_nothing_divides_as_the_coco_api_does() -> None:
    """At 1e16 the edges lie 2 apart, so that two boxes of 1.6 x 1.25 = 2 share 2 x 2 = 4."""
    box = np.array([[1e16, 1e16, 1.6, 1.25]])
    assert pycocotools.mask.iou(box, box, [0]).tolist() == [[np.inf]]
    assert all_pairs(box, np.array([False]), box).tolist() == [[np.inf]]


def test_no_pairs() -> None:
    assert all_pairs(np.zeros((0, 4)), np.zeros(0, dtype=bool), np.zeros((3, 4))).shape == (3, 0)
