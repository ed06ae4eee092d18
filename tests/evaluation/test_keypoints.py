"""COCO's numbers for keypoints: equal to pycocotools in every bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapetum.base.errors import AnnotationError
from tapetum.evaluation import (
    detections_from_coco,
    evaluate_detections,
    ground_truth_from_coco,
    matches_at,
)
from tapetum.evaluation.keypoints import COCO_SIGMAS, keypoint_similarity

REAL = ("keypoints_1img", "coco_mini_val_synthetic")
NUMBERS = ["AP", "AP50", "AP75", "APmedium", "APlarge", "AR", "AR50", "AR75", "ARmedium", "ARlarge"]
MISSING = object()


def pose_set(
    seed: int, ground_truths: int = 12, detections: int = 40, points: int = 17, boxed: bool = False
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """People of few and many marked points, none included, crowds, copies, ties, integers."""
    random = np.random.default_rng(seed)
    annotations, results = [], []
    for number in range(1, ground_truths + 1):
        corner, sides = random.integers(0, 60, 2), random.integers(1, 60, 2)
        xy = corner + sides * random.random((points, 2))
        xy = xy.round(int(random.integers(0, 3)))
        marked = random.random(points) < random.choice([0.0, 0.1, 0.5, 1.0])
        v = marked * random.integers(1, 3, points)
        rows = np.concatenate((xy * marked[:, None], v[:, None]), axis=1).reshape(-1).tolist()
        if random.random() < 0.3:
            rows = [int(value) for value in rows]
        area = float(random.choice([sides.prod(), 900, 1024, 9216, 12000, 0]))
        count = int(marked.sum()) if random.random() < 0.9 else int(random.integers(0, 2))
        entry = {"id": number, "image_id": int(random.integers(3)), "category_id": 1}
        entry |= {"bbox": [*corner.tolist(), *sides.tolist()], "area": area, "keypoints": rows}
        entry |= {"num_keypoints": count, "iscrowd": int(random.random() < 0.15)}
        annotations.append(entry)
    for _ in range(detections):
        xy = random.random((points, 2)) * 90
        image = int(random.integers(3))
        if annotations and random.random() < 0.8:
            source = annotations[random.integers(len(annotations))]
            xy = np.array(source["keypoints"]).reshape(-1, 3)[:, :2]
            xy = xy + random.normal(0, random.choice([0.0, 0.5, 2.0, 6.0]), (points, 2))
            image = source["image_id"]
        third = random.random((points, 1)).round(2)
        rows = np.concatenate((xy.round(2), third), axis=1).reshape(-1).tolist()
        entry = {"image_id": image, "category_id": 1, "keypoints": rows}
        entry["score"] = float(random.integers(1, 9)) / 8
        if boxed:
            entry["bbox"] = random.integers(1, 120, 4).astype(float).tolist()
        results.append(entry)
    images = [{"id": i} for i in (2, 0, 1, 3)]
    named = [f"point {i}" for i in range(points)]
    categories = [{"id": 1, "name": "person", "keypoints": named}]
    return {"images": images, "annotations": annotations, "categories": categories}, results


@pytest.mark.parametrize("name", REAL)
def test_real_sets_equal_the_reference(
    shared_data: Path, same_as_reference: Callable, name: str
) -> None:
    folder = shared_data / "coco_eval" / name
    case = json.loads((folder / "expected.json").read_text())["keypoints"]
    gt, results = (json.loads((folder / case[part]).read_text()) for part in ("gt", "dt"))
    stats = same_as_reference(gt, results, iou_type="keypoints").stats
    assert list(stats) == NUMBERS
    assert stats == case["stats"]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 2**32 - 1),
    ground_truths=st.integers(0, 15),
    detections=st.integers(1, 70),
    points=st.integers(1, 20),
    boxed=st.booleans(),
    caps=st.sampled_from([(20,), (20,), (3,), (5, 20)]),
)
def test_any_set_equals_the_reference(
    same_as_reference: Callable,
    seed: int,
    ground_truths: int,
    detections: int,
    points: int,
    boxed: bool,
    caps: tuple[int, ...],
) -> None:
    gt, results = pose_set(seed, ground_truths, detections, points, boxed)
    sigmas = None
    if points != 17:
        sigmas = np.random.default_rng(seed).random(points) * 0.1 + 0.01
    same_as_reference(gt, results, caps, "keypoints", sigmas)


@pytest.mark.parametrize("points", [1, 3, 9, 17, 40])
def test_every_bit_of_the_similarity_is_that_of_the_reference(
    reference: Callable, points: int
) -> None:
    """Sums of few and of many numbers, whose last bits depend on the order of adding."""
    gt, results = pose_set(points, ground_truths=60, detections=60, points=points)
    for rank, entry in enumerate(results):
        entry["score"] = 1 - rank / 100  # the reference sorts them
    sigmas = np.random.default_rng(0).random(points) * 0.2 + 0.05
    theirs = reference(gt, results, (100,), "keypoints", sigmas).ious
    ground_truth = ground_truth_from_coco(gt, "keypoints")
    detections = detections_from_coco(results, ground_truth, "keypoints")
    compare = keypoint_similarity(ground_truth, detections, sigmas)
    for image, image_id in enumerate(ground_truth.image_ids):
        g, d = (np.flatnonzero(record.image == image) for record in (ground_truth, detections))
        if len(g) and len(d):
            ours = compare(np.tile(g, len(d)), np.repeat(d, len(g)))
            assert ours.tobytes() == theirs[image_id, 1].tobytes()
            assert np.unique(ours).size > 100


def test_there_are_more_detections_than_the_cap(same_as_reference: Callable) -> None:
    gt, results = pose_set(3, ground_truths=9, detections=200)
    few = same_as_reference(gt, results, (2,), "keypoints")
    many = same_as_reference(gt, results, (20,), "keypoints")
    assert many.stats["AR"] > few.stats["AR"] > 0


def test_text_ids_and_nothing_found(same_as_reference: Callable) -> None:
    gt, results = pose_set(4)
    same_as_reference(gt, [], iou_type="keypoints")
    same_as_reference({**gt, "annotations": []}, results, iou_type="keypoints")
    for entry in (*gt["annotations"], *results):
        entry["image_id"] = str(entry["image_id"])
    gt["images"] = [{"id": str(image["id"])} for image in gt["images"]]
    assert same_as_reference(gt, results, iou_type="keypoints").stats["AP"] > 0


def one_person(points: list[float], area: float = 100.0, **more: Any) -> dict[str, Any]:
    person = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10], "area": area}
    return {
        "images": [{"id": 1}],
        "categories": [{"id": 1}],
        "annotations": [{**person, "keypoints": points, **more}],
    }


def pose(points: list[float], score: float = 0.5) -> dict[str, Any]:
    return {"image_id": 1, "category_id": 1, "keypoints": points, "score": score}


def similarity(gt: dict, results: list, sigmas: Any = None) -> list[float]:
    ground_truth = ground_truth_from_coco(gt, "keypoints")
    detections = detections_from_coco(results, ground_truth, "keypoints")
    compare = keypoint_similarity(ground_truth, detections, sigmas)
    return compare(np.zeros(len(results), np.int64), np.arange(len(results))).tolist()


def test_similarity_worked_by_hand() -> None:
    """Area 100, sigma 0.1: exp(-d^2 / (2 x 100 x 0.2^2)) = exp(-d^2 / 8); the second point is not
    marked."""
    gt = one_person([5, 5, 2, 0, 0, 0, 9, 9, 1])
    results = [
        pose([5, 5, 1, 70, 80, 1, 9, 9, 1]),
        pose([5, 7, 1, 0, 0, 1, 9, 9, 1]),
        pose([8, 9, 0, 0, 0, 1, 9, 5, 0]),
    ]
    expected = [1.0, (np.exp(-0.5) + 1) / 2, (np.exp(-25 / 8) + np.exp(-2)) / 2]
    assert similarity(gt, results, [0.1] * 3) == pytest.approx(expected, abs=1e-15)


def test_without_marked_points_the_doubled_box_counts() -> None:
    """The box 0 to 10 reaches from -10 to 20; 4 and 3 beyond it are e = 25 / (0.04 x 100) / 2."""
    gt = one_person([0, 0, 0])
    results = [pose([-10, 20, 1]), pose([24, -13, 1])]
    assert similarity(gt, results, [0.1]) == pytest.approx([1.0, np.exp(-25 / 8)], abs=1e-15)


def test_a_person_with_no_marked_points_is_neither_found_nor_missed() -> None:
    gt = one_person([0, 0, 0] * 17)
    for stated in (MISSING, 0):
        if stated is not MISSING:
            gt["annotations"][0]["num_keypoints"] = stated
        ground_truth = ground_truth_from_coco(gt, "keypoints")
        assert ground_truth.ignored.tolist() == [True]
        detections = detections_from_coco([pose([5, 5, 1] * 17)], ground_truth, "keypoints")
        result = evaluate_detections(ground_truth, detections, iou_type="keypoints")
        assert set(result.stats.values()) == {-1.0}
        outcomes = matches_at(ground_truth, detections, iou_type="keypoints")
        assert outcomes.ignored.tolist() == [True]
    assert ground_truth.crowd.tolist() == [False]


def test_sigmas_are_cocos_or_their_mean_or_those_given() -> None:
    moved = [pose([5.0, 6.0, 1] * 17)]
    whole = one_person([5, 5, 2] * 17)
    expected = np.exp(-1 / (2 * 100 * (2 * COCO_SIGMAS) ** 2)).mean()
    assert similarity(whole, moved) == pytest.approx([expected], abs=1e-15)
    less, fewer = one_person([5, 5, 2] * 4), [pose([5.0, 6.0, 1] * 4)]
    assert COCO_SIGMAS.mean() == pytest.approx(0.0669, abs=1e-4)
    expected = np.exp(-1 / (2 * 100 * (2 * COCO_SIGMAS.mean()) ** 2))
    assert similarity(less, fewer) == pytest.approx([expected], abs=1e-15)
    for sigmas in ([0.1] * 3, [0.1, 0.1, 0.1, 0.0], [0.1, 0.1, 0.1, np.nan]):
        with pytest.raises(ValueError, match="sigmas: expected 4 positive numbers"):
            similarity(less, fewer, sigmas)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (MISSING, "has no keypoints"),
        (None, "its keypoints are not 6 finite numbers"),
        ([1, 2, 2], "its keypoints are not 6 finite numbers"),
        ([1, 2, 2, 1, 2, "2"], "its keypoints are not 6 finite numbers"),
        ([1, 2, 2, 1, float("nan"), 2], "its keypoints are not 6 finite numbers"),
        ([1, 2, 2, 1, 2.0**26, 2], r"a keypoint lies more than 2\*\*25 pixels away"),
    ],
)
def test_bad_keypoints_are_refused_by_their_number(value: Any, why: str) -> None:
    gt = one_person([1, 2, 2, 3, 4, 2])
    gt["annotations"].append({**gt["annotations"][0], "id": 2})
    ground_truth = ground_truth_from_coco(gt, "keypoints")
    results = [pose([1, 2, 1, 3, 4, 1]), pose(value)]
    gt["annotations"][1]["keypoints"] = value
    if value is MISSING:
        del results[1]["keypoints"], gt["annotations"][1]["keypoints"]
    with pytest.raises(AnnotationError, match=why) as caught:
        detections_from_coco(results, ground_truth, "keypoints")
    assert caught.value.where == "entry 1"
    with pytest.raises(AnnotationError, match=why) as caught:
        ground_truth_from_coco(gt, "keypoints")
    assert caught.value.where == "annotation 1"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"keypoints": []}, "has no keypoints x, y, v"),
        ({"keypoints": [1, 2, 3, 4]}, "its keypoints are not x, y, v of each point"),
        ({"keypoints": 7}, "its keypoints are not x, y, v of each point"),
        ({"area": -1}, "its area is negative"),
        ({"num_keypoints": "3"}, "its num_keypoints is not a finite number"),
    ],
)
def test_a_bad_person_is_refused(change: dict, why: str) -> None:
    with pytest.raises(AnnotationError, match=f"annotation 0: {why}"):
        ground_truth_from_coco(one_person([1, 2, 2], **change), "keypoints")


def test_results_with_outlines_but_no_boxes_are_refused() -> None:
    ground_truth = ground_truth_from_coco(one_person([1, 2, 2]), "keypoints")
    result = {**pose([1, 2, 1]), "segmentation": [[0, 0, 5, 0, 5, 5]]}
    with pytest.raises(AnnotationError, match="entry 0: has a segmentation"):
        detections_from_coco([result], ground_truth, "keypoints")
    boxed = detections_from_coco([{**result, "bbox": [0, 0, 3, 5]}], ground_truth, "keypoints")
    assert boxed.area.tolist() == [15.0]
