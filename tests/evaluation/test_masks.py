"""COCO's numbers for masks: equal to pycocotools in every bit."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pycocotools.mask as coco
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapetum.evaluation import (
    detections_from_coco,
    evaluate_detections,
    ground_truth_from_coco,
    matches_at,
)
from tapetum.evaluation.masks import mask_similarity
from tapetum.ops.masks import rle_encode, rle_to_string

# pycocotools' own arrays do not know NumPy 2's copy keyword.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

REAL = ("val2014_100", "shapes_3img", "coco_mini_val_synthetic")
SIZES = ((9, 14), (12, 7), (1, 20))


def compressed(mask: np.ndarray) -> dict[str, Any]:
    code = rle_encode(mask)
    return {"size": code["size"], "counts": rle_to_string(code["counts"])}


def blob(random: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A rectangle with a ragged edge, sometimes nothing, sometimes everything."""
    mask = np.zeros(size, dtype=bool)
    y, x = random.integers(0, size[0]), random.integers(0, size[1])
    mask[y : y + random.integers(1, 9), x : x + random.integers(1, 9)] = True
    mask &= random.random(size) < random.choice([0.6, 1.0])
    return (
        random.choice([0, 1, 2], p=[0.06, 0.9, 0.04]) * mask > 0
        if random.random() < 0.95
        else ~mask
    )


def mask_set(
    seed: int, ground_truths: int = 15, detections: int = 40, boxed: bool = False
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Small images of three sizes, with all forms of outlines, ties, crowds and copies."""
    random = np.random.default_rng(seed)
    masks, annotations = [], []
    for number in range(1, ground_truths + 1):
        image = int(random.integers(4))
        size = SIZES[image % 3]
        mask = blob(random, size)
        box = [float(v) for v in random.integers(0, 6, 4)]
        entry = {"id": number, "image_id": image, "category_id": int(random.integers(2)) + 1}
        entry |= {"bbox": box, "iscrowd": int(random.random() < 0.2)}
        entry["area"] = float(random.choice([mask.sum(), 1500, 9216]))
        form = random.choice(["polygon", "counts", "string", "bytes"])
        if form == "polygon":
            points = random.integers(-2, 15, (random.integers(1, 3), 8)) + random.choice([0, 0.3])
            entry["segmentation"] = points.tolist()
            polygons = coco.merge(coco.frPyObjects(points.tolist(), *size))
            mask = coco.decode(polygons) == 1
        elif form == "counts":
            entry["segmentation"] = rle_encode(mask)
        else:
            entry["segmentation"] = compressed(mask)
            if form == "bytes":
                entry["segmentation"]["counts"] = entry["segmentation"]["counts"].encode()
        annotations.append(entry)
        masks.append(mask)
    results = []
    for _ in range(detections):
        copied = random.random() < 0.7 and ground_truths > 0
        source = int(random.integers(max(ground_truths, 1)))
        image = annotations[source]["image_id"] if copied else int(random.integers(4))
        mask = masks[source] if copied else blob(random, SIZES[image % 3])
        if random.random() < 0.6:
            mask = np.roll(mask, int(random.integers(-1, 2)), axis=1)
        category = annotations[source]["category_id"] if copied else int(random.integers(2)) + 1
        entry = {"image_id": image, "category_id": category, "segmentation": compressed(mask)}
        entry["score"] = float(random.integers(1, 9)) / 8
        if boxed:
            entry["bbox"] = [float(v) * random.choice([1, 10]) for v in random.integers(0, 12, 4)]
        results.append(entry)
    images = [
        {"id": i, "height": SIZES[i % 3][0], "width": SIZES[i % 3][1]} for i in (2, 0, 1, 3, 4)
    ]
    categories = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    return {"images": images, "annotations": annotations, "categories": categories}, results


@pytest.mark.parametrize("name", REAL)
def test_real_sets_equal_the_reference(
    shared_data: Path, same_as_reference: Callable, name: str
) -> None:
    folder = shared_data / "coco_eval" / name
    case = json.loads((folder / "expected.json").read_text())["segm"]
    gt, results = (json.loads((folder / case[part]).read_text()) for part in ("gt", "dt"))
    assert same_as_reference(gt, results, iou_type="segm").stats == case["stats"]


def test_without_boxes_the_area_of_a_detection_is_that_of_its_mask(
    shared_data: Path, evaluate: Callable
) -> None:
    """The number of faster-coco-eval's test, which drops the boxes of its polygon results."""
    folder = shared_data / "coco_eval" / "shapes_3img"
    gt, results = (json.loads((folder / name).read_text()) for name in ("gt.json", "dt.json"))
    boxed = evaluate(gt, results, iou_type="segm").stats
    bare = evaluate(gt, [{**r, "bbox": []} for r in results], iou_type="segm").stats
    assert bare["APmedium"] == pytest.approx(0.7367986798679867, abs=1e-15)
    assert {k: v for k, v in bare.items() if boxed[k] != v} == {"APmedium": bare["APmedium"]}


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 2**32 - 1),
    ground_truths=st.integers(0, 25),
    detections=st.integers(1, 50),
    boxed=st.booleans(),
    caps=st.sampled_from([(1, 10, 100), (1, 2, 5), (3,)]),
)
def test_any_set_equals_the_reference(
    same_as_reference: Callable,
    seed: int,
    ground_truths: int,
    detections: int,
    boxed: bool,
    caps: tuple[int, ...],
) -> None:
    gt, results = mask_set(seed, ground_truths, detections, boxed)
    same_as_reference(gt, results, caps, "segm")


def test_read_for_masks_boxes_are_judged_as_ever(evaluate: Callable, reference: Callable) -> None:
    gt, results = mask_set(5)
    ground_truth = ground_truth_from_coco(gt, "segm")
    ours = evaluate_detections(
        ground_truth, detections_from_coco(results, ground_truth, "segm"), iou_type="bbox"
    )
    theirs = reference(gt, results).eval
    assert ours.precision.tobytes() == theirs["precision"].tobytes()


def test_results_without_masks_are_judged_by_their_boxes(same_as_reference: Callable) -> None:
    gt, results = mask_set(6, boxed=True)
    for result in results[::2]:
        del result["segmentation"]
    assert same_as_reference(gt, results, iou_type="segm").stats["AP"] > 0


def test_text_ids_and_shared_ids(same_as_reference: Callable) -> None:
    gt, results = mask_set(7)
    for entry in (*gt["annotations"], *results):
        entry["image_id"] = str(entry["image_id"])
    gt["images"] = [{**image, "id": str(image["id"])} for image in gt["images"]]
    gt["annotations"][3]["id"] = gt["annotations"][8]["id"]
    gt["annotations"].append({**gt["annotations"][0], "id": 99, "category_id": 77})
    assert same_as_reference(gt, results, iou_type="segm").stats["AP"] > 0


def test_nothing_found_and_nothing_true(same_as_reference: Callable) -> None:
    gt, results = mask_set(1)
    for found in (results[:1], []):
        same_as_reference(gt, found, iou_type="segm")
        same_as_reference({**gt, "annotations": []}, found, iou_type="segm")


def pair_set(true: list[dict], found: list[dict], crowd: list[int]) -> tuple[dict, list]:
    height, width = true[0]["size"]
    annotations = [
        {"id": i + 1, "image_id": 1, "category_id": 1, "segmentation": code, "iscrowd": crowd[i]}
        for i, code in enumerate(true)
    ]
    gt = {
        "images": [{"id": 1, "height": height, "width": width}],
        "categories": [{"id": 1}],
        "annotations": annotations,
    }
    return gt, [
        {"image_id": 1, "category_id": 1, "segmentation": code, "score": 0.5} for code in found
    ]


def all_pairs(
    true: list[dict], found: list[dict], crowd: list[int], least: float = 0.0
) -> np.ndarray:
    """(detections, truths)."""
    gt, results = pair_set(true, found, crowd)
    ground_truth = ground_truth_from_coco(gt, "segm")
    detections = detections_from_coco(results, ground_truth, "segm")
    d, g = np.indices((len(found), len(true))).reshape(2, -1)
    return mask_similarity(ground_truth, detections, least)(g, d).reshape(len(found), len(true))


@pytest.mark.parametrize("least", [0.0, 0.3, 0.5])
@pytest.mark.parametrize("size", [(40, 60), (1, 90), (90, 1)])
def test_every_bit_is_that_of_the_coco_api(size: tuple[int, int], least: float) -> None:
    random = np.random.default_rng(0)
    masks = [blob(random, size) for _ in range(80)]
    masks += [np.zeros(size, bool), np.ones(size, bool)]
    codes = [compressed(mask) for mask in masks]
    crowd = (random.random(len(codes)) < 0.3).astype(int).tolist()
    bytes_ = [{**code, "counts": code["counts"].encode()} for code in codes]
    expected = np.ascontiguousarray(coco.iou(bytes_, bytes_, crowd))
    actual = all_pairs(codes, codes, crowd, least)
    reach = (expected >= least) | (actual >= least)
    assert np.count_nonzero(expected[reach]) > 100
    assert actual[reach].tobytes() == expected[reach].tobytes()


def test_known_values() -> None:
    """4 x 6 pixels; the truth is the left half, the detections touch, share and hold it."""
    half, beside, over, whole, none = (np.zeros((4, 6), dtype=bool) for _ in range(5))
    half[:, :3], beside[:, 3:], over[:, 2:4], whole[:] = True, True, True, True
    found = [compressed(mask) for mask in (half, beside, over, whole, none)]
    plain, crowd = all_pairs([compressed(half)] * 2, found, [0, 1]).T.tolist()
    assert plain == [1.0, 0.0, 4 / 16, 0.5, 0.0]
    assert crowd == [1.0, 0.0, 0.5, 0.5, 0.0]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_empty_runs_within_codes_end_the_walk_as_in_the_coco_api(data: st.DataObject) -> None:
    """No encoder of masks writes them. The reference stops where two codes have them at once."""
    lists = st.lists(st.integers(0, 4), min_size=1, max_size=10)
    codes = []
    for _ in range(4):
        counts = data.draw(lists)
        codes.append({"size": [5, 9], "counts": [*counts, 45 - sum(counts)]})
    crowd = data.draw(st.lists(st.integers(0, 1), min_size=4, max_size=4))
    theirs = [coco.frPyObjects(code, 5, 9) for code in codes]
    expected = np.ascontiguousarray(coco.iou(theirs, theirs, crowd))
    for least in (0.0, 0.5):
        actual = all_pairs(codes, codes, crowd, least)
        reach = (expected >= least) | (actual >= least)
        assert actual[reach].tobytes() == expected[reach].tobytes()


def test_matches_at_takes_masks() -> None:
    """Two diagonal halves have one box but share no pixel."""
    upper = np.triu(np.ones((8, 8), dtype=bool), 1)
    lower = np.tril(np.ones((8, 8), dtype=bool), -1)
    gt, results = pair_set([compressed(upper)], [compressed(lower), compressed(upper)], [0])
    ground_truth = ground_truth_from_coco(gt, "segm")
    outcomes = matches_at(
        ground_truth, detections_from_coco(results, ground_truth, "segm"), iou_type="segm"
    )
    assert outcomes.true_positive.tolist() == [False, True]
    assert outcomes.false_alarm.tolist() == [True, False]


def test_masks_of_large_images_are_never_drawn() -> None:
    size = [30_000, 30_000]
    polygon = [[100.0, 100.0, 3_000.0, 100.0, 3_000.0, 29_000.0]]
    gt, results = pair_set([{"size": size, "counts": [9 * 10**8]}], [], [0])
    gt["annotations"][0]["segmentation"] = polygon
    results = [{"image_id": 1, "category_id": 1, "segmentation": polygon, "score": 1.0}] * 20
    tracemalloc.start()
    try:
        ground_truth = ground_truth_from_coco(gt, "segm")
        result = evaluate_detections(
            ground_truth, detections_from_coco(results, ground_truth, "segm"), iou_type="segm"
        )
        assert tracemalloc.get_traced_memory()[1] < 3 * 10**7
    finally:
        tracemalloc.stop()
    assert result.stats["AR1"] == 1.0
