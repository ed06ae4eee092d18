"""The reference evaluator, run live, and made sets that are nasty on purpose."""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tapetum.evaluation import DetectionResult, detections_from_coco, evaluate_detections
from tapetum.evaluation import ground_truth_from_coco as read_ground_truth

CAPS = {"bbox": (1, 10, 100), "segm": (1, 10, 100), "keypoints": (20,)}


def run_reference(
    gt: dict,
    results: list,
    max_dets: Sequence[int] | None = None,
    iou_type: str = "bbox",
    sigmas: Sequence[float] | None = None,
) -> COCOeval:
    """pycocotools on copies of the same input (it writes into what it is given)."""
    max_dets = max_dets or CAPS[iou_type]
    gt, results = copy.deepcopy(gt), copy.deepcopy(results)
    with contextlib.redirect_stdout(io.StringIO()):
        ground_truth = _indexed(gt)
        if results:
            detections = ground_truth.loadRes(results)
        else:  # loadRes looks at the first result and fails where there is none
            detections = _indexed({**gt, "annotations": []})
        evaluation = COCOeval(ground_truth, detections, iou_type)
        evaluation.params.maxDets = list(max_dets)
        if sigmas is not None:
            evaluation.params.kpt_oks_sigmas = np.array(sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
        if len(max_dets) == len(CAPS[iou_type]):
            evaluation.summarize()
    return evaluation


def run_ours(
    gt: dict,
    results: list,
    max_dets: Sequence[int] | None = None,
    iou_type: str = "bbox",
    sigmas: Sequence[float] | None = None,
) -> DetectionResult:
    ground_truth = read_ground_truth(gt, iou_type)
    detections = detections_from_coco(results, ground_truth, iou_type)
    return evaluate_detections(ground_truth, detections, max_dets, iou_type, sigmas=sigmas)


@pytest.fixture(scope="session")
def reference() -> Callable[..., COCOeval]:
    return run_reference


@pytest.fixture(scope="session")
def evaluate() -> Callable[..., DetectionResult]:
    return run_ours


@pytest.fixture(scope="session")
def same_as_reference() -> Callable[..., DetectionResult]:
    """Evaluates with both, demands equal bits in every array and number, returns our result."""

    def compare(
        gt: dict,
        results: list,
        max_dets: Sequence[int] | None = None,
        iou_type: str = "bbox",
        sigmas: Sequence[float] | None = None,
    ) -> DetectionResult:
        expected = run_reference(gt, results, max_dets, iou_type, sigmas)
        actual = run_ours(gt, results, max_dets, iou_type, sigmas)
        for name in ("precision", "recall", "scores"):
            theirs, ours = expected.eval[name], getattr(actual, name)
            assert ours.shape == theirs.shape
            assert ours.tobytes() == theirs.tobytes(), f"{name}: first at {_first(ours, theirs)}"
        caps = expected.params.maxDets
        if len(expected.stats) and (iou_type != "keypoints" or caps == [20]):
            ours = list(actual.stats.values())
            # Without 100 among the caps pycocotools has no first number.
            skip = 0 if iou_type == "keypoints" or caps[2] == 100 else 1
            assert ours[skip:] == expected.stats[skip:].tolist()
        return actual

    return compare


@pytest.fixture(scope="session")
def made_set() -> Callable[..., tuple[dict, list]]:
    return make_set


def make_set(
    seed: int,
    images: int = 4,
    classes: int = 3,
    ground_truths: int = 10,
    detections: int = 30,
    scale: float = 1.0,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Boxes on a coarse grid and scores of few values: ties and exact thresholds are the rule."""
    random = np.random.default_rng(seed)

    def box() -> list[float]:
        corner, sides = random.integers(0, 4, 2), random.integers(1, 11, 2)
        return [float(v) * scale for v in (*corner, *sides)]

    def where() -> dict[str, int]:
        return {
            "image_id": int(random.integers(images)) * 7 + 3,
            "category_id": int(random.integers(classes)) * 2 + 1,
        }

    annotations = []
    for number in range(ground_truths):
        xywh = box()
        area = xywh[2] * xywh[3] * float(random.choice([1.0, 1.0, 0.7, 40.0]))
        crowd = int(random.random() < 0.2)
        flags = {"iscrowd": crowd, "ignore": int(random.random() < 0.2)}
        annotations.append({"id": number + 1, **where(), "bbox": xywh, "area": area, **flags})
    results = []
    for _ in range(detections):
        copied = annotations and random.random() < 0.7
        source = annotations[random.integers(len(annotations))] if copied else where()
        xywh = list(source["bbox"]) if copied and random.random() < 0.5 else box()
        place = {key: source[key] for key in ("image_id", "category_id")}
        results.append({**place, "bbox": xywh, "score": float(random.integers(1, 9)) / 8})
    gt = {
        "images": [{"id": int(i) * 7 + 3} for i in random.permutation(images)],
        "categories": [{"id": int(k) * 2 + 1, "name": f"c{k}"} for k in range(classes)],
        "annotations": annotations,
    }
    return gt, results


def _indexed(dataset: dict) -> COCO:
    coco = COCO()
    coco.dataset = dataset
    coco.createIndex()
    return coco


def _first(ours: np.ndarray, theirs: np.ndarray) -> tuple:
    place = tuple(np.argwhere(ours != theirs)[0])
    return place, ours[place], theirs[place]
