"""What a detector takes for what, beside a plain loop over images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pycocotools.mask
import pytest

from tapetum.evaluation import detections_from_coco, ground_truth_from_coco
from tapetum.evaluation.confusion import detection_confusion

IDS = [{"id": 1}, {"id": 2}]
BOX = [0.0, 0.0, 10.0, 10.0]


def matrix(true: list[tuple], found: list[tuple], thresholds: list[float] | float) -> list:
    """From (image, class, box, iscrowd) and (image, class, box, score)."""
    annotations = [
        {"id": i, "image_id": p, "category_id": k, "bbox": box, "iscrowd": crowd}
        for i, (p, k, box, crowd) in enumerate(true)
    ]
    ground_truth = ground_truth_from_coco(
        {"images": IDS, "categories": IDS, "annotations": annotations}
    )
    results = [{"image_id": p, "category_id": k, "bbox": box, "score": s} for p, k, box, s in found]
    detections = detections_from_coco(results, ground_truth)
    return detection_confusion(ground_truth, detections, np.asarray(thresholds)).tolist()


def test_a_scene_worked_by_hand() -> None:
    true = [
        (1, 1, BOX, 0),
        (1, 2, [50, 0, 10, 10], 0),
        (2, 1, BOX, 0),
        (2, 1, [50, 50, 40, 40], 1),
    ]
    found = [
        (1, 1, BOX, 0.9),  # right
        (1, 1, [50, 0, 10, 10], 0.8),  # a 2, taken for a 1
        (1, 2, [50, 0, 10, 9], 0.7),  # comes too late: the 2 is taken
        (2, 2, [55, 55, 9, 9], 0.6),  # on a crowd
        (2, 1, BOX, 0.3),  # below the threshold of its class
    ]
    assert matrix(true, found, [0.5, 0.5]) == [[1, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert matrix(true, found, [0.2, 0.75]) == [[2, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert matrix(true, found, 0.0) == [[2, 0, 0], [1, 0, 0], [0, 1, 0]]


def test_nothing_at_all() -> None:
    assert matrix([], [], 0.5) == [[0] * 3] * 3


def naive(gt: dict, results: list, threshold: float) -> np.ndarray:
    """Image by image, detection by detection, truth by truth."""
    place = {c["id"]: k for k, c in enumerate(gt["categories"])}
    counts = np.zeros((len(place) + 1,) * 2, dtype=int)
    for image in gt["images"]:
        true = [a for a in gt["annotations"] if a["image_id"] == image["id"]]
        skipped = [bool(a["iscrowd"]) for a in true]
        mine = [r for r in results if r["image_id"] == image["id"] and r["score"] >= threshold]
        free = [True] * len(true)
        for result in sorted(mine, key=lambda r: -r["score"]):
            crowds = [a["iscrowd"] for a in true]
            boxes = [a["bbox"] for a in true]
            overlaps = pycocotools.mask.iou([result["bbox"]], boxes, crowds)[0] if true else []
            fits = [
                (not skipped[i], v, i)
                for i, v in enumerate(overlaps)
                if v >= 0.5 and (free[i] or crowds[i])
            ]
            if not fits:
                counts[-1, place[result["category_id"]]] += 1
                continue
            counted, _, best = max(fits)
            free[best] = False
            if counted:
                counts[place[true[best]["category_id"]], place[result["category_id"]]] += 1
        for annotation, left, ignored in zip(true, free, skipped, strict=True):
            counts[place[annotation["category_id"]], -1] += left and not ignored
    return counts


@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_plain_loop(made_set: Callable, seed: int) -> None:
    gt, results = made_set(seed, ground_truths=40, detections=100)
    ground_truth = ground_truth_from_coco(gt)
    detections = detections_from_coco(results, ground_truth)
    found = detection_confusion(ground_truth, detections, 0.4)
    assert np.array_equal(found, naive(gt, results, 0.4))
    rows = np.bincount(ground_truth.category[~ground_truth.ignored], minlength=3)
    assert found[:-1].sum(axis=1).tolist() == rows.tolist()
