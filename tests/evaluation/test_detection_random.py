"""Random sets full of ties, crowds, exact thresholds and empty images against pycocotools."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SCALES = (0.1, 0.37, 1.0, 3.2, 9.6, 32.0)
"""3.2 and 9.6 put boxes of the grid exactly on the edges between small, medium and large."""
CAPS = ((1, 10, 100), (1, 3, 300), (1, 2, 5), (2, 3), (4,))
fixtures_stay = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@fixtures_stay
@given(
    seed=st.integers(0, 2**32 - 1),
    images=st.integers(1, 4),
    classes=st.integers(1, 3),
    ground_truths=st.integers(0, 25),
    detections=st.integers(1, 60),
    scale=st.sampled_from(SCALES),
    caps=st.sampled_from(CAPS),
    text=st.booleans(),
)
def test_any_set_equals_the_reference(
    made_set: Callable,
    same_as_reference: Callable,
    seed: int,
    images: int,
    classes: int,
    ground_truths: int,
    detections: int,
    scale: float,
    caps: tuple[int, ...],
    text: bool,
) -> None:
    gt, results = made_set(seed, images, classes, ground_truths, detections, scale)
    if text:
        for entry in (*gt["annotations"], *results):
            entry["image_id"] = str(entry["image_id"])
        gt["images"] = [{"id": str(image["id"])} for image in gt["images"]]
    same_as_reference(gt, results, caps)


@settings(fixtures_stay, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    low=st.integers(-1, 3),
    span=st.integers(1, 12),
    count=st.integers(2, 8),
)
def test_odd_annotation_ids_equal_the_reference(
    made_set: Callable, same_as_reference: Callable, seed: int, low: int, span: int, count: int
) -> None:
    """Ids drawn from a short range: some are 0, some negative, some shared."""
    gt, results = made_set(seed, images=2, classes=2, ground_truths=2 * count, detections=20)
    random = np.random.default_rng(seed)
    for annotation in gt["annotations"]:
        annotation["id"] = int(random.integers(low, low + span))
    same_as_reference(gt, results)


@settings(fixtures_stay, max_examples=100)
@given(seed=st.integers(0, 2**32 - 1))
def test_boxes_of_any_float_equal_the_reference(
    made_set: Callable, same_as_reference: Callable, seed: int
) -> None:
    """No grid: the last bits of the IoU decide, and sides may be zero, negative or huge."""
    gt, results = made_set(seed, ground_truths=15, detections=40)
    random = np.random.default_rng(seed)
    for entry in (*gt["annotations"], *results):
        wild = random.choice([0.0, -1.0, 1e-300, 1e17], 4, p=[0.7, 0.1, 0.1, 0.1])
        offset = np.where(random.random(4) < 0.1, wild, random.normal(0, 0.3, 4))
        entry["bbox"] = (np.array(entry["bbox"]) + offset).tolist()
    same_as_reference(gt, results)
