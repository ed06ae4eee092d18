"""Kinds of error and their costs: worked by hand, by law, and beside the authors' own program."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tapetum.evaluation import (
    Detections,
    GroundTruth,
    detections_from_coco,
    evaluate_detections,
    ground_truth_from_coco,
    matches_at,
)
from tapetum.evaluation.errors import (
    ERRORS,
    FALSE_NEGATIVES,
    FALSE_POSITIVES,
    ErrorKinds,
    error_kinds,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "errors.json").read_text())
BOX = [0.0, 0.0, 10.0, 10.0]
CAT, DOG = 1, 2


def records(true: list[tuple], detected: list[tuple]) -> tuple[GroundTruth, Detections]:
    """From (image, class, box, iscrowd?) and (image, class, box, score)."""
    annotations: list[dict[str, Any]] = [
        {"id": i, "image_id": p, "category_id": k, "bbox": box, "iscrowd": int(bool(crowd))}
        for i, (p, k, box, *crowd) in enumerate(true)
    ]
    ids = [{"id": 1}, {"id": 2}, {"id": 3}]
    ground_truth = ground_truth_from_coco(
        {"images": ids, "categories": ids[:2], "annotations": annotations}
    )
    results = [
        {"image_id": p, "category_id": k, "bbox": box, "score": s} for p, k, box, s in detected
    ]
    return ground_truth, detections_from_coco(results, ground_truth)


def kinds(errors: ErrorKinds) -> list[str]:
    return [ERRORS[k] if k >= 0 else "" for k in errors.kind.tolist()]


def test_each_kind_is_known_when_it_is_planted() -> None:
    ground_truth, detections = records(
        [
            (1, CAT, BOX),
            (1, DOG, [50, 0, 10, 10]),  # found as a cat
            (1, CAT, [0, 50, 10, 10]),  # found loosely
            (2, DOG, BOX),  # missed: what lies near is both loose and a cat
            (2, CAT, [50, 50, 40, 40], True),
        ],
        [
            (1, CAT, BOX, 0.9),
            (1, CAT, [0, 0, 10, 9], 0.8),
            (1, CAT, [50, 0, 10, 10], 0.7),
            (1, CAT, [0, 50, 10, 4], 0.6),
            (2, CAT, [0, 0, 10, 3], 0.5),
            (2, CAT, [90, 0, 5, 5], 0.4),
            (2, CAT, [55, 55, 9, 9], 0.3),
            (3, DOG, BOX, 0.2),
        ],
    )
    errors = error_kinds(ground_truth, detections)
    assert kinds(errors) == [
        *("", "duplicate", "classification", "localization", "both", "background", "", "background")
    ]
    assert errors.target.tolist() == [-1, 0, 1, 2, 3, -1, -1, -1]
    assert errors.overlap.tolist() == [0, 0.9, 1, 0.4, 0.3, 0, 0, 0]
    assert errors.match.tolist() == [0, -1, -1, -1, -1, -1, -1, -1]
    assert errors.missed.tolist() == [False, False, False, True, False]
    assert list(errors.counts().items()) == list(zip(ERRORS, [1, 1, 1, 1, 2, 1], strict=True))
    sure = detections.score >= 0.65
    assert list(errors.counts(sure).values()) == [1, 0, 0, 1, 0, 2]
    assert errors.missed_among(sure).tolist() == [False, False, True, True, False]


def test_costs_worked_by_hand() -> None:
    """One class, two truths, one found after a false alarm: the curve is 1/2 up to recall 1/2."""
    ground_truth, detections = records(
        [(1, CAT, BOX), (2, CAT, BOX)],
        [(3, CAT, BOX, 0.9), (1, CAT, BOX, 0.8)],
    )
    errors = error_kinds(ground_truth, detections)
    half = 51 / 101  # the recalls 0, 0.01 ... 0.5
    assert errors.ap == pytest.approx(half / 2, abs=1e-12)
    assert errors.costs == pytest.approx(
        {
            "classification": 0,
            "localization": 0,
            "both": 0,
            "duplicate": 0,
            "background": half / 2,  # precision 1 up to recall 1/2
            "missed": 1 / 2 - half / 2,  # precision 1/2 up to recall 1
            FALSE_POSITIVES: half / 2,
            FALSE_NEGATIVES: 1 / 2 - half / 2,
        },
        abs=1e-12,
    )


def test_the_best_scored_of_several_is_mended_and_the_others_go() -> None:
    loose, looser = [0, 0, 10, 4], [0, 0, 10, 3]
    ground_truth, detections = records(
        [(1, CAT, BOX)], [(1, CAT, looser, 0.9), (1, CAT, loose, 0.8), (2, CAT, BOX, 0.7)]
    )
    errors = error_kinds(ground_truth, detections)
    assert kinds(errors) == ["localization", "localization", "background"]
    assert errors.ap == 0
    assert errors.costs["localization"] == pytest.approx(1)
    assert errors.costs["missed"] == errors.costs["background"] == 0


def test_a_mended_class_makes_the_truth_found_there() -> None:
    ground_truth, detections = records(
        [(1, CAT, BOX), (2, DOG, BOX)], [(1, DOG, BOX, 0.9), (2, DOG, BOX, 0.8)]
    )
    errors = error_kinds(ground_truth, detections)
    assert errors.ap == pytest.approx(0.25)  # dog 1/2, cat 0
    assert errors.costs["classification"] == pytest.approx(0.75)


def test_a_class_that_is_missed_whole_costs_all_of_it() -> None:
    ground_truth, detections = records([(1, CAT, BOX), (1, DOG, BOX)], [(1, CAT, BOX, 0.9)])
    errors = error_kinds(ground_truth, detections)
    assert errors.ap == pytest.approx(0.5)
    assert errors.costs["missed"] == errors.costs[FALSE_NEGATIVES] == pytest.approx(0.5)


def test_only_detections_under_the_cap_are_judged() -> None:
    boxes = [(1, CAT, [20.0 * i, 0, 5, 5], 0.9 - 0.1 * i) for i in range(4)]
    ground_truth, detections = records([(1, CAT, [40, 0, 5, 5])], boxes)
    assert kinds(error_kinds(ground_truth, detections, max_dets=2)) == ["background"] * 2 + ["", ""]
    assert error_kinds(ground_truth, detections, max_dets=2).missed.tolist() == [True]
    assert error_kinds(ground_truth, detections, max_dets=3).missed.tolist() == [False]


@pytest.mark.parametrize("seed", range(20))
def test_laws(made_set: Callable, seed: int) -> None:
    gt, results = made_set(seed, ground_truths=40, detections=120)
    ground_truth = ground_truth_from_coco(gt)
    detections = detections_from_coco(results, ground_truth)
    errors, outcomes = error_kinds(ground_truth, detections), matches_at(ground_truth, detections)
    assert errors.ap == evaluate_detections(ground_truth, detections).stats["AP50"]
    assert np.array_equal(errors.kind >= 0, outcomes.false_alarm)
    assert np.array_equal(errors.match >= 0, outcomes.true_positive)
    assert not (errors.missed & ~outcomes.missed).any()
    near = np.isin(errors.kind, [ERRORS.index("classification"), ERRORS.index("localization")])
    covered = np.isin(np.arange(len(ground_truth)), errors.target[near])
    assert np.array_equal(outcomes.missed, (errors.missed | covered) & outcomes.missed)
    assert list(errors.costs) == [*ERRORS, FALSE_POSITIVES, FALSE_NEGATIVES]
    assert min(errors.costs.values()) >= 0
    assert sum(errors.counts().values()) == outcomes.false_alarm.sum() + errors.missed.sum()


def test_nothing_wrong_and_nothing_there() -> None:
    perfect = error_kinds(*records([(1, CAT, BOX)], [(1, CAT, BOX, 0.5)]))
    assert perfect.ap == pytest.approx(1)
    assert set(perfect.costs.values()) == {0.0}
    empty = error_kinds(*records([], [(1, CAT, BOX, 0.5)]))
    assert empty.ap == -1
    assert set(empty.costs.values()) == {-1.0}
    assert kinds(empty) == ["background"]
    blind = error_kinds(*records([(1, CAT, BOX)], []))
    assert (blind.ap, blind.costs["missed"], blind.counts()["missed"]) == (0, 1, 1)


@pytest.mark.parametrize("seed", range(8))
def test_everything_mended_is_perfect(made_set: Callable, seed: int) -> None:
    """Without its false positives and with the truths that were found alone, AP is 1."""
    gt, results = made_set(seed, ground_truths=30, detections=90)
    ground_truth = ground_truth_from_coco(gt)
    errors = error_kinds(ground_truth, detections_from_coco(results, ground_truth))
    right = [results[i] for i in np.flatnonzero(errors.match >= 0)]
    found = {ground_truth.ids[g] for g in errors.match[errors.match >= 0]}
    gt["annotations"] = [a for a in gt["annotations"] if a["id"] in found]
    left = ground_truth_from_coco(gt)
    again = error_kinds(left, detections_from_coco(right, left))
    assert again.ap == pytest.approx(1)
    assert errors.costs[FALSE_POSITIVES] + errors.ap <= 1


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["kind"])
def test_it_agrees_with_the_authors_program(case: dict[str, Any]) -> None:
    annotations = [
        {"id": i, "iscrowd": 0, "area": 100.0, **entry} for i, entry in enumerate(case["truth"])
    ]
    images = {entry["image_id"] for entry in case["truth"] + case["found"]}
    gt = {
        "images": [{"id": i, "width": 64, "height": 64} for i in sorted(images)],
        "categories": [{"id": k, "name": str(k)} for k in range(1, 5)],
        "annotations": annotations,
    }
    ground_truth = ground_truth_from_coco(gt, case["kind"])
    found = detections_from_coco(case["found"], ground_truth, case["kind"])
    errors = error_kinds(ground_truth, found, case["kind"])
    assert kinds(errors) == case["kinds"]
    assert np.flatnonzero(errors.missed).tolist() == case["missed"]
    assert errors.ap == pytest.approx(case["ap"], abs=1e-9)
    assert errors.costs == pytest.approx(case["costs"], abs=1e-9)
    assert set(case["kinds"]) >= {
        "classification",
        "localization",
        "both",
        "duplicate",
        "background",
    }
