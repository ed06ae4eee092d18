"""VOC's average precision against published numbers and against its rules, loop by loop."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tapetum.evaluation import (
    Detections,
    GroundTruth,
    detections_from_coco,
    evaluate_voc,
    ground_truth_from_coco,
)

BOX = [0.0, 0.0, 9.0, 9.0]


def records(
    true: list[tuple], found: list[tuple], classes: int = 2
) -> tuple[GroundTruth, Detections]:
    """From (image, class, box) and (image, class, box, score)."""
    gt: dict[str, Any] = {
        "images": [{"id": i} for i in range(8)],
        "categories": [{"id": k} for k in range(classes)],
        "annotations": [
            {"id": i + 1, "image_id": p, "category_id": k, "bbox": box}
            for i, (p, k, box) in enumerate(true)
        ],
    }
    ground_truth = ground_truth_from_coco(gt)
    results = [{"image_id": p, "category_id": k, "bbox": box, "score": s} for p, k, box, s in found]
    return ground_truth, detections_from_coco(results, ground_truth)


@pytest.fixture(scope="module")
def seven_images(shared_data: Path) -> tuple[GroundTruth, Detections, dict]:
    folder = shared_data / "coco_eval" / "voc_ap_7img"

    def lines(part: str) -> list[list[str]]:
        files = sorted((folder / part).glob("*.txt"))
        rows = [(file, line.split()) for file in files for line in file.read_text().splitlines()]
        return [[str(int(file.stem)), *row] for file, row in rows if row]

    true = [(int(p), 0, [float(v) for v in box]) for p, _, *box in lines("gts")]
    found = [(int(p), 0, [float(v) for v in box], float(s)) for p, _, s, *box in lines("dets")]
    expected = json.loads((folder / "expected.json").read_text())
    assert (len(true), len(found)) == (15, 24)
    return *records(true, found, 1), expected


@pytest.mark.parametrize("iou", [0.1, 0.3, 0.5, 0.75])
def test_published_numbers(seven_images: tuple, iou: float) -> None:
    ground_truth, detections, expected = seven_images
    result = evaluate_voc(ground_truth, detections, iou)
    assert result.ground_truths.tolist() == [15]
    assert result.mean_ap == pytest.approx(expected["AP_every_point"][str(iou)], abs=1e-9)
    exact = expected["AP_11_point_exact"][str(iou)]
    assert result.mean_ap_11_point == pytest.approx(exact, abs=1e-9)


def test_the_published_eleven_points_at_iou_01_lost_one_to_rounding(seven_images: tuple) -> None:
    """9 of 15 are found: recall 0.6 is reached. The source compared with 0.6000000000000001, as
    counting up in floats gives, and so took the precision of the
    next recall that is reached, none, in place of 9/23."""
    ground_truth, detections, expected = seven_images
    result = evaluate_voc(ground_truth, detections, 0.1)
    recall, precision = result.curves[0]
    assert (recall.max(), np.arange(0, 1.1, 0.1)[6]) == (0.6, 0.6000000000000001)
    at_06 = precision[recall >= 0.6].max()
    assert at_06 == 9 / 23
    stated = expected["AP_11_point"]["0.1"]
    assert result.mean_ap_11_point - stated == pytest.approx(at_06 / 11, abs=1e-9)


@pytest.mark.parametrize(("iou", "ap"), [(0.1, 0.2801328502), (0.3, 0.2253968254), (0.75, 0.0)])
def test_half_open_boxes_are_a_pixel_smaller(seven_images: tuple, iou: float, ap: float) -> None:
    ground_truth, detections, _ = seven_images
    assert evaluate_voc(ground_truth, detections, iou, inclusive=False).mean_ap == pytest.approx(ap)


def test_a_scene_worked_by_hand() -> None:
    """By falling score: hit, false alarm (its truth was found before), ignored, false alarm, hit.
    Recall 1/2, 1/2, 1/2, 1; precision 1, 1/2, 1/3, 1/2."""
    true = [(1, 0, BOX), (2, 0, BOX), (3, 0, BOX)]
    found = [
        (1, 0, BOX, 0.9),
        (1, 0, [0.0, 0.0, 9.0, 8.0], 0.8),
        (3, 0, BOX, 0.7),
        (4, 0, BOX, 0.6),
        (2, 0, BOX, 0.5),
        (2, 1, BOX, 1.0),
    ]
    ground_truth, detections = records(true, found)
    result = evaluate_voc(ground_truth, detections, difficult=np.array([False, False, True]))
    recall, precision = result.curves[0]
    assert recall.tolist() == [0.5, 0.5, 0.5, 1.0]
    assert precision.tolist() == [1.0, 0.5, 1 / 3, 0.5]
    assert result.ap.tolist() == [0.75, -1.0]
    assert result.ap_11_point[0] == pytest.approx((6 * 1 + 5 * 0.5) / 11)
    assert result.mean_ap == 0.75
    assert result.ground_truths.tolist() == [2, 0]


def test_only_the_closest_truth_is_looked_at() -> None:
    """The second detection overlaps the first truth more, which is found already; COCO would give
    it the other one."""
    ground_truth, detections = records(
        [(1, 0, BOX), (1, 0, [4.0, 0.0, 9.0, 9.0])],
        [(1, 0, BOX, 0.9), (1, 0, [1.0, 0.0, 9.0, 9.0], 0.8)],
    )
    assert evaluate_voc(ground_truth, detections, 0.3).curves[0][0].tolist() == [0.5, 0.5]


def test_of_equally_close_truths_the_first_is_taken() -> None:
    true = [(1, 0, [0.0, 0.0, 9.0, 9.0]), (1, 0, [4.0, 0.0, 9.0, 9.0])]
    between = (1, 0, [2.0, 0.0, 9.0, 9.0], 0.9)
    for on, recall in ((true[0], 0.5), (true[1], 1.0)):
        ground_truth, detections = records(true, [between, (*on, 0.8)])
        assert evaluate_voc(ground_truth, detections).curves[0][0].tolist() == [0.5, recall]


def test_crowds_are_difficult_unless_told_otherwise() -> None:
    ground_truth, detections = records([(1, 0, BOX), (2, 0, BOX)], [(1, 0, BOX, 0.9)])
    crowd = np.array([True, False])
    marked = GroundTruth(**{**vars(ground_truth), "crowd": crowd, "ignored": crowd})
    assert evaluate_voc(marked, detections).ground_truths.tolist() == [1, 0]
    assert evaluate_voc(marked, detections, difficult=~crowd).ap[0] == 1.0


def test_nothing_at_all() -> None:
    result = evaluate_voc(*records([], []))
    assert result.ap.tolist() == result.ap_11_point.tolist() == [-1.0, -1.0]
    assert result.mean_ap == result.mean_ap_11_point == -1.0
    missed = evaluate_voc(*records([(1, 0, BOX)], []))
    assert (missed.mean_ap, missed.mean_ap_11_point) == (0.0, 0.0)


def test_wrong_arguments_are_refused() -> None:
    ground_truth, detections = records([(1, 0, BOX)], [])
    for iou in (0.0, 1.1):
        with pytest.raises(ValueError, match="iou: expected above 0"):
            evaluate_voc(ground_truth, detections, iou)
    for difficult in (np.zeros(2, dtype=bool), np.zeros(1)):
        with pytest.raises(ValueError, match=r"difficult: expected \(1,\) bool"):
            evaluate_voc(ground_truth, detections, difficult=difficult)


@pytest.mark.parametrize("iou", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("seed", range(8))
def test_random_sets_equal_the_rules_read_aloud(made_set: Callable, seed: int, iou: float) -> None:
    gt, results = made_set(seed, ground_truths=40, detections=100)
    ground_truth = ground_truth_from_coco(gt)
    detections = detections_from_coco(results, ground_truth)
    result = evaluate_voc(ground_truth, detections, iou)
    for k in range(len(ground_truth.category_ids)):
        assert (result.ap[k], result.ap_11_point[k]) == pytest.approx(
            read_aloud(ground_truth, detections, k, iou), abs=1e-12
        )
    assert result.mean_ap > 0.05


def read_aloud(
    ground_truth: GroundTruth, detections: Detections, k: int, iou: float
) -> tuple[float, float]:
    """VOC's evaluation of one class, in loops and fractions."""
    mine = sorted(
        np.flatnonzero(detections.category == k).tolist(), key=lambda d: -detections.score[d]
    )
    ground_truths = int((~ground_truth.ignored & (ground_truth.category == k)).sum())
    taken: set[int] = set()
    hits, seen, curve = 0, 0, [(Fraction(0), Fraction(0))]
    for d in mine:
        best, most = -1, 0.0
        for g in np.flatnonzero(ground_truth.category == k).tolist():
            if ground_truth.image[g] == detections.image[d]:
                overlap = inclusive_iou(ground_truth.xywh[g], detections.xywh[d])
                best, most = (g, overlap) if overlap > most else (best, most)
        if most >= iou and ground_truth.ignored[best]:
            continue
        seen += 1
        if most >= iou and best not in taken:
            taken.add(best)
            hits += 1
        curve.append((Fraction(hits, ground_truths), Fraction(hits, seen)))
    eleven = sum(max([p for r, p in curve if r >= Fraction(t, 10)] or [0]) for t in range(11))
    area = sum(
        (after[0] - before[0]) * max(p for _, p in curve[i + 1 :])
        for i, (before, after) in enumerate(pairwise(curve))
    )
    return float(area), float(eleven / 11)


def inclusive_iou(one: np.ndarray, other: np.ndarray) -> float:
    sides = np.minimum(one[:2] + one[2:], other[:2] + other[2:]) - np.maximum(one[:2], other[:2])
    if (sides + 1 <= 0).any():
        return 0.0
    shared = (sides + 1).prod()
    return shared / ((one[2:] + 1).prod() + (other[2:] + 1).prod() - shared)
