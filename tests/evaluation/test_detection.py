"""COCO's numbers for boxes: equal to pycocotools in every bit, and what else must hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tapetum.evaluation import detections_from_coco, evaluate_detections, ground_truth_from_coco

REAL = ("val2014_100", "shapes_3img", "coco_mini_val_synthetic")


def ground_truth(
    number: int, image: Any, xywh: list[float], category: Any = 1, **more: Any
) -> dict:
    area = more.pop("area", xywh[2] * xywh[3])
    entry = {"id": number, "image_id": image, "category_id": category, "bbox": xywh, "area": area}
    return {**entry, "iscrowd": 0, **more}


def found(image: Any, xywh: list[float], score: float, category: Any = 1) -> dict:
    return {"image_id": image, "category_id": category, "bbox": xywh, "score": score}


def dataset(annotations: list[dict], images: tuple = (1, 2), categories: tuple = (1,)) -> dict:
    return {
        "images": [{"id": i} for i in images],
        "categories": [{"id": k, "name": f"class {k}"} for k in categories],
        "annotations": annotations,
    }


def real_case(shared_data: Path, name: str) -> tuple[dict, list, dict]:
    folder = shared_data / "coco_eval" / name
    case = json.loads((folder / "expected.json").read_text())["bbox"]
    gt, results = (json.loads((folder / case[part]).read_text()) for part in ("gt", "dt"))
    return gt, results, case["stats"]


@pytest.mark.parametrize("name", REAL)
def test_real_sets_equal_the_reference(
    shared_data: Path, same_as_reference: Callable, name: str
) -> None:
    gt, results, stats = real_case(shared_data, name)
    assert same_as_reference(gt, results).stats == stats


def test_a_shuffled_results_list_equals_the_reference_on_the_same_list(
    shared_data: Path, same_as_reference: Callable
) -> None:
    gt, results, _ = real_case(shared_data, "val2014_100")
    random = np.random.default_rng(0)
    results = [{**entry, "score": round(entry["score"], 1)} for entry in results]  # many ties
    shuffled = [results[i] for i in random.permutation(len(results))]
    one, other = same_as_reference(gt, results), same_as_reference(gt, shuffled)
    assert not np.array_equal(one.precision, other.precision)  # the order of the list is heard


def test_caps_beyond_100_equal_the_reference(same_as_reference: Callable) -> None:
    random = np.random.default_rng(1)
    boxes = random.integers(1, 60, (400, 4)).astype(float).tolist()
    gt = dataset([ground_truth(i + 1, 1 + i % 2, box) for i, box in enumerate(boxes[:150])])
    scores = random.integers(0, 50, 400) / 50
    pairs = zip(boxes, scores.tolist(), strict=True)
    results = [found(1 + i % 2, box, score) for i, (box, score) in enumerate(pairs)]
    low, high = (same_as_reference(gt, results, caps) for caps in ((1, 10, 100), (1, 10, 300)))
    assert list(high.stats)[6:9] == ["AR1", "AR10", "AR300"]
    assert high.stats["AR300"] > low.stats["AR100"]
    assert high.stats["AP"] > low.stats["AP"]


@pytest.mark.parametrize("caps", [(100,), (3, 2), (1, 2, 5, 200)])
def test_the_headline_numbers_are_those_at_the_largest_cap(
    made_set: Callable, reference: Callable, same_as_reference: Callable, caps: tuple[int, ...]
) -> None:
    gt, results = made_set(3, detections=60)
    stats = same_as_reference(gt, results, caps).stats
    arrays = reference(gt, results, caps).eval
    precision, recall = arrays["precision"], arrays["recall"]

    def mean(values: np.ndarray) -> float:
        return float(values[values > -1].mean())

    assert stats["AP"] == mean(precision[:, :, :, 0, -1])
    assert stats["AP50"] == mean(precision[0, :, :, 0, -1])
    assert stats["AP75"] == mean(precision[5, :, :, 0, -1])
    assert stats["APsmall"] == mean(precision[:, :, :, 1, -1])
    assert stats["ARsmall"] == mean(recall[:, :, 1, -1])
    for m, cap in enumerate(sorted(caps)):
        assert stats[f"AR{cap}"] == mean(recall[:, :, 0, m])


@pytest.mark.parametrize("caps", [(), (0, 10), (10, 10), (1.5,), (-1, 100)])
def test_caps_must_be_different_positive_integers(caps: tuple) -> None:
    record = ground_truth_from_coco(dataset([]))
    with pytest.raises(ValueError, match="max_dets"):
        evaluate_detections(record, detections_from_coco([], record), caps)


def test_text_ids_are_ordered_as_text(same_as_reference: Callable) -> None:
    box, elsewhere = [0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 10.0, 10.0]
    gt = dataset(
        [ground_truth(1, "9", box, "b"), ground_truth(2, "9", box, "a")], ("9", "10"), ("b", "a")
    )
    # Equal scores: image "10" comes first as text, so its false alarm precedes the hit.
    results = [found("9", box, 0.5, "b"), found("10", elsewhere, 0.5, "b")]
    result = same_as_reference(gt, results)
    assert result.category_ids == ("a", "b")
    assert result.precision[0, 0, :, 0, 2] == pytest.approx([0.0, 0.5])


def test_number_ids_are_ordered_as_numbers(same_as_reference: Callable) -> None:
    box, elsewhere = [0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 10.0, 10.0]
    gt = dataset([ground_truth(1, 9, box)], (10, 9))
    results = [found(10, elsewhere, 0.5), found(9, box, 0.5)]
    assert same_as_reference(gt, results).stats["AP50"] == pytest.approx(1.0, abs=1e-12)


def test_boxes_exactly_on_the_iou_thresholds(same_as_reference: Callable) -> None:
    """Detections inside a truth of 1000 pixels that cover 450, 500, ... 1000 of them."""
    widths = range(45, 101, 5)
    gt = dataset(
        [ground_truth(i + 1, i, [0.0, 0.0, 100.0, 10.0]) for i, _ in enumerate(widths)],
        images=tuple(range(len(widths))),
    )
    results = [found(i, [0.0, 0.0, float(w), 10.0], 0.5) for i, w in enumerate(widths)]
    result = same_as_reference(gt, results)
    reached = (result.recall[:, 0, 0, 2] * len(widths)).round().tolist()
    assert reached[0] == 11  # an IoU of exactly 0.50 counts
    assert reached == sorted(reached, reverse=True)


def test_areas_exactly_on_the_edges_belong_to_both_ranges(same_as_reference: Callable) -> None:
    box = [0.0, 0.0, 64.0, 64.0]
    areas = [1024.0, np.nextafter(1024.0, 0), np.nextafter(1024.0, 2000), 9216.0, 1e10, 1.1e10, -1]
    images = tuple(range(len(areas)))
    gt = dataset([ground_truth(i + 1, i, box, area=area) for i, area in enumerate(areas)], images)
    sides = [(32.0, 32.0), (96.0, 96.0), (1e5, 1e5), (1e6, 1e6), (-3.0, 5.0), (8.0, 8.0)]
    results = [found(0, [500.0, 500.0, w, h], 0.9 - i / 10) for i, (w, h) in enumerate(sides)]
    results += [found(i, box, 0.3) for i in images]
    result = same_as_reference(gt, results)
    assert result.ground_truths.tolist() == [[5, 2, 3, 2]]


def test_among_equally_similar_truths_the_later_one_wins(same_as_reference: Callable) -> None:
    """Both truths overlap the first detection alike; only the earlier one fits the second."""
    first, second = [0.0, 0.0, 10.0, 10.0], [4.0, 0.0, 10.0, 10.0]
    detected = [found(1, [2.0, 0.0, 10.0, 10.0], 0.9), found(1, [0.0, 0.0, 10.0, 10.0], 0.8)]
    earlier = same_as_reference(
        dataset([ground_truth(1, 1, first), ground_truth(2, 1, second)]), detected
    )
    later = same_as_reference(
        dataset([ground_truth(2, 1, second), ground_truth(1, 1, first)]), detected
    )
    assert earlier.recall[0, 0, 0, 2] == 1.0
    assert later.recall[0, 0, 0, 2] == 0.5


def test_a_truth_that_counts_is_preferred_to_a_closer_crowd(same_as_reference: Callable) -> None:
    box = [0.0, 0.0, 10.0, 10.0]
    crowd = ground_truth(1, 1, [0.0, 0.0, 100.0, 100.0], iscrowd=1)
    gt = dataset([ground_truth(2, 1, [0.0, 0.0, 10.0, 6.0]), crowd])
    # The truth takes the first at IoU 0.6, the crowd both of the others: nothing is a false alarm.
    results = [found(1, box, 0.9), found(1, box, 0.8), found(1, [50.0, 50.0, 9.0, 9.0], 0.7)]
    result = same_as_reference(gt, results)
    assert result.precision[0, -1, 0, 0, 2] == pytest.approx(1.0, abs=1e-12)
    assert result.recall[:3, 0, 0, 2].tolist() == [1.0, 1.0, 1.0]
    assert result.recall[3:, 0, 0, 2].max() == 0.0


def test_the_files_ignore_flag_is_replaced_by_iscrowd(same_as_reference: Callable) -> None:
    box = [0.0, 0.0, 10.0, 10.0]
    gt = dataset([ground_truth(1, 1, box, ignore=1), ground_truth(2, 2, box, iscrowd=1, ignore=0)])
    assert same_as_reference(gt, [found(1, box, 0.5)]).ground_truths[0, 0] == 1


def test_an_annotation_whose_id_is_0_counts_as_never_found(same_as_reference: Callable) -> None:
    box = [0.0, 0.0, 10.0, 10.0]
    gt = dataset(
        [
            ground_truth(0, 1, box),
            ground_truth(1, 2, box),
            ground_truth(2, 2, [0, 0, 20, 20], iscrowd=1),
        ]
    )
    results = [found(1, box, 0.9), found(1, box, 0.8), found(2, box, 0.7), found(2, box, 0.6)]
    assert same_as_reference(gt, results).stats["AR100"] == 0.5


def test_the_last_annotation_of_an_id_stands_for_all(same_as_reference: Callable) -> None:
    near, far = [0.0, 0.0, 10.0, 10.0], [30.0, 30.0, 10.0, 10.0]
    gt = dataset(
        [
            ground_truth(7, 2, near),
            ground_truth(8, 1, near),
            ground_truth(7, 1, far),
            ground_truth(9, 2, far),
        ]
    )
    results = [found(1, far, 0.9), found(1, far, 0.8), found(2, near, 0.7), found(2, far, 0.6)]
    result = same_as_reference(gt, results)
    assert result.ground_truths[0, 0] == 4
    assert result.recall[0, 0, 0, 2] == 0.75  # the truth in image 2 has gone, its double is found


def test_shared_ids_keep_the_order_of_the_reference(same_as_reference: Callable) -> None:
    """Id 7 is first met in image 1, so that its double comes before what image 2 lists."""
    a, c = [0.0, 0.0, 10.0, 10.0], [4.0, 0.0, 10.0, 10.0]
    gt = dataset([ground_truth(8, 2, a), ground_truth(7, 1, c), ground_truth(7, 2, c)])
    between = [2.0, 0.0, 10.0, 10.0]  # as similar to a as to c
    results = [found(2, between, 0.9), found(2, between, 0.8), found(2, a, 0.7)]
    result = same_as_reference(gt, results)
    assert result.recall[0, 0, 0, 2] == pytest.approx(2 / 3)


BOX = [0.0, 0.0, 10.0, 10.0]


@pytest.mark.parametrize(
    ("gt", "results"),
    [
        (dataset([ground_truth(1, 1, BOX)]), []),
        (dataset([]), [found(1, BOX, 0.5)]),
        (dataset([ground_truth(1, 1, BOX)]), [found(2, BOX, 0.5)]),
        (dataset([ground_truth(1, 1, BOX)], categories=(1, 2)), [found(1, BOX, 0.5, 2)]),
        (dataset([ground_truth(1, 1, BOX, iscrowd=1)]), [found(1, BOX, 0.5), found(1, BOX, 0.4)]),
        (
            dataset([ground_truth(1, 1, [5, 5, 0, 0]), ground_truth(2, 1, [9, 9, -4, -4])]),
            [found(1, BOX, 1)],
        ),
        (
            dataset([ground_truth(1, 1, BOX)]),
            [found(1, [5, 5, -9, -9], 1), found(1, [1, 1, 0, 5], 2)],
        ),
        (dataset([ground_truth(1, 1, BOX)]), [found(1, BOX, 0.0), found(1, BOX, -0.0)]),
        (dataset([ground_truth(1, 1, BOX)]), [found(1, BOX, -5), found(1, [0, 0, 9, 9], -7.5)]),
        (dataset([], images=(), categories=()), []),
    ],
    ids=[
        "no detections",
        "no truths",
        "another image",
        "a class without truth",
        "only a crowd",
        "truths without a size",
        "detections without a size",
        "zero scores",
        "negative scores",
        "nothing at all",
    ],
)
def test_edge_counts_equal_the_reference(
    same_as_reference: Callable, gt: dict, results: list
) -> None:
    same_as_reference(gt, results)


def test_what_has_no_truth_is_undefined(evaluate: Callable) -> None:
    assert set(evaluate(dataset([]), [found(1, BOX, 0.5)]).stats.values()) == {-1.0}


def test_a_small_example_worked_by_hand(same_as_reference: Callable) -> None:
    """Three truths; by falling score: hit, false alarm, hit at IoU 0.6. Precision 1, 1/2, 2/3.

    Recall 1/3 is reached with precision 1, which serves the recalls 0.00 ... 0.33 (34 of 101),
    recall 2/3 with 2/3, serving 0.34 ... 0.66 (33 of 101); beyond, nothing. At IoU 0.65 and more
    the last hit is none.
    """
    gt = dataset(
        [ground_truth(1, 1, BOX), ground_truth(2, 1, [50, 0, 10, 10]), ground_truth(3, 2, BOX)]
    )
    results = [found(1, BOX, 0.9), found(2, [50, 50, 9, 9], 0.8), found(2, [0, 0, 10, 6], 0.7)]
    result = same_as_reference(gt, results)
    low, high = (34 + 33 * 2 / 3) / 101, 34 / 101
    assert result.stats["AP50"] == pytest.approx(low, abs=1e-12)
    assert result.stats["AP75"] == pytest.approx(high, abs=1e-12)
    reached = np.count_nonzero(result.iou_thresholds <= 0.6)
    assert result.stats["AP"] == pytest.approx(
        (reached * low + (10 - reached) * high) / 10, abs=1e-12
    )
    assert result.stats["AR1"] == pytest.approx(1 / 3, abs=1e-12)
    assert result.scores[0, [0, 33, 34, 66, 67], 0, 0, 2].tolist() == [0.9, 0.9, 0.7, 0.7, 0.0]
