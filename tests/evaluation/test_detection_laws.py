"""What must hold of COCO's numbers whatever the reference says."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from tapetum.evaluation import detections_from_coco, evaluate_detections, ground_truth_from_coco


@pytest.mark.parametrize("seed", range(5))
def test_a_false_alarm_never_raises_precision(
    made_set: Callable, evaluate: Callable, seed: int
) -> None:
    gt, results = made_set(seed, ground_truths=30)
    place = {"image_id": gt["images"][0]["id"], "bbox": [900.0, 900.0, 20.0, 20.0]}
    before = evaluate(gt, results)
    for score in (0.0, 2.0):  # below all others, above all others
        alarms = [{**place, "category_id": k["id"], "score": score} for k in gt["categories"]]
        after = evaluate(gt, results + alarms)
        assert (after.precision <= before.precision).all()
        if score == 0.0:
            assert np.array_equal(after.precision, before.precision)
        else:
            assert after.stats["AP"] < before.stats["AP"]


@pytest.mark.parametrize("seed", range(5))
def test_without_ties_no_order_matters(made_set: Callable, evaluate: Callable, seed: int) -> None:
    gt, results = made_set(seed, ground_truths=30)
    random = np.random.default_rng(seed)
    for entry in (*gt["annotations"], *results):
        entry["bbox"] = (np.array(entry["bbox"]) + random.random(4)).tolist()
    ranked = random.permutation(len(results)).tolist()
    results = [{**e, "score": s / len(ranked)} for e, s in zip(results, ranked, strict=True)]
    mixed = {key: [gt[key][i] for i in random.permutation(len(gt[key]))] for key in gt}
    shuffled = [results[i] for i in random.permutation(len(results))]
    one, other = evaluate(gt, results), evaluate(mixed, shuffled)
    assert one.stats["AP"] > 0
    assert one.precision.tobytes() == other.precision.tobytes()
    assert one.recall.tobytes() == other.recall.tobytes()


def test_progress_is_told_and_ends_complete(made_set: Callable) -> None:
    gt, results = made_set(0, ground_truths=30)
    record = ground_truth_from_coco(gt)
    calls: list[tuple[int, int]] = []
    detections = detections_from_coco(results, record)
    evaluate_detections(record, detections, progress=lambda *call: calls.append(call))
    assert calls
    assert calls[-1][0] == calls[-1][1] > 0


def test_the_inputs_stay_as_they_were(made_set: Callable, evaluate: Callable) -> None:
    gt, results = made_set(1)
    before = json.dumps([gt, results])
    evaluate(gt, results)
    assert json.dumps([gt, results]) == before
