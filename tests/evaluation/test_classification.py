from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from tapetum.evaluation.classification import (
    average_precision,
    evaluate_classes,
    evaluate_multilabel,
)


def names(count: int) -> list[str]:
    return [f"class {i}" for i in range(count)]


def drawn(seed: int, count: int, classes: int, *, coarse: bool = False) -> tuple[Any, Any]:
    """Probabilities (N, C), with many ties if `coarse`, and labels (N,)."""
    random = np.random.default_rng(seed)
    scores = random.random((count, classes)) ** 3 + 1e-3
    if coarse:
        scores = np.ceil(scores * 3)
    return scores / scores.sum(axis=1, keepdims=True), random.integers(0, classes, count)


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize(("count", "classes"), [(200, 7), (40, 3), (30, 40)])
def test_numbers_are_those_of_scikit_learn(count: int, classes: int, coarse: bool) -> None:
    scores, ground_truth = drawn(count, count, classes, coarse=coarse)
    result = evaluate_classes(scores, ground_truth, names(classes))
    every = np.arange(classes)
    predicted = scores.argmax(axis=1)
    assert np.array_equal(
        result.confusion, metrics.confusion_matrix(ground_truth, predicted, labels=every)
    )
    assert result.stats["top1"] == metrics.accuracy_score(ground_truth, predicted)
    assert result.stats["loss"] == pytest.approx(
        metrics.log_loss(ground_truth, scores, labels=every), rel=1e-12
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(
            ground_truth, predicted, labels=every, zero_division=np.nan
        )
    for own, theirs in ((result.precision, precision), (result.recall, recall), (result.f1, f1)):
        np.testing.assert_allclose(own, np.nan_to_num(theirs, nan=-1), rtol=1e-12)
    assert result.stats["mean_class_accuracy"] == pytest.approx(np.nanmean(recall))


def test_top_k_without_ties_is_that_of_scikit_learn() -> None:
    for classes, k in ((9, 5), (6, 5), (5, 4), (3, 2)):
        scores, ground_truth = drawn(classes, 100, classes)
        expected = metrics.top_k_accuracy_score(
            ground_truth, scores, k=k, labels=np.arange(classes)
        )
        assert evaluate_classes(scores, ground_truth, names(classes)).stats[f"top{k}"] == expected
    assert set(evaluate_classes(*drawn(0, 9, 2), names(2)).stats) == {
        *("top1", "mean_class_accuracy", "ECE", "loss")
    }


def test_equal_scores_do_not_count_as_right_five_times() -> None:
    scores, ground_truth = np.full((10, 10), 0.1), np.arange(10)
    stats = evaluate_classes(scores, ground_truth, names(10)).stats
    assert (stats["top1"], stats["top5"]) == (0.1, 0.5)


def test_calibration_by_hand() -> None:
    """Two images at 0.8, one right; one at 0.55, wrong; one quite sure, right."""
    scores = np.array([[0.8, 0.2], [0.8, 0.2], [0.45, 0.55], [0.0, 1.0]])
    result = evaluate_classes(scores, np.array([0, 1, 0, 1]), names(2))
    table = result.reliability
    assert table.count.tolist() == [0] * 8 + [1, 0, 0, 2, 0, 0, 1]  # 0.8 = 12 / 15: closed above
    assert table.accuracy[[8, 11, 14]].tolist() == [0, 0.5, 1]
    assert table.confidence[[8, 11, 14]].tolist() == [0.55, 0.8, 1]
    assert (table.confidence[table.count == 0] == -1).all()
    assert result.stats["ECE"] == pytest.approx((2 * 0.3 + 1 * 0.55) / 4)
    assert result.confusion.tolist() == [[1, 1], [1, 1]]


def test_a_classifier_that_knows_how_sure_it_is_has_no_calibration_error() -> None:
    scores = np.tile([0.75, 0.25], (8, 1))
    ground_truth = np.array([0, 0, 0, 1] * 2)
    assert evaluate_classes(scores, ground_truth, names(2)).stats["ECE"] == pytest.approx(0)
    assert evaluate_classes(scores, 1 - ground_truth, names(2)).stats["ECE"] == pytest.approx(0.5)


def test_a_truth_thought_impossible_costs_much_but_not_everything() -> None:
    stats = evaluate_classes(np.array([[1.0, 0.0]]), np.array([1]), names(2)).stats
    assert 30 < stats["loss"] < 40


def test_no_images_and_absent_classes_are_minus_one() -> None:
    empty = evaluate_classes(np.zeros((0, 3)), np.zeros(0, np.int64), names(3))
    assert set(empty.stats.values()) == {-1.0}
    one = evaluate_classes(np.array([[0.7, 0.2, 0.1]]), np.array([1]), names(3))
    assert one.recall.tolist() == [-1, 0, -1]
    assert one.precision.tolist() == [0, -1, -1]
    assert one.f1.tolist() == [0, 0, -1]
    assert one.stats["mean_class_accuracy"] == 0
    assert one.stats["top2"] == 1


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=30))
def test_average_precision_is_that_of_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    scores, ground_truth = np.array([r[0] / 4 for r in rows]), np.array([r[1] for r in rows])
    if not ground_truth.any():
        assert average_precision(scores, ground_truth) == -1
        return
    expected = metrics.average_precision_score(ground_truth, scores)
    assert average_precision(scores, ground_truth) == pytest.approx(expected, rel=1e-12)


def test_multilabel_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    ground_truth = random.random((80, 5)) < 0.3
    ground_truth[:, 3] = False
    scores = np.clip(ground_truth * 0.3 + random.random((80, 5)) * 0.7, 0, 1)
    result = evaluate_multilabel(scores, ground_truth, names(5))
    there = [0, 1, 2, 4]
    assert result.left_out == ("class 3",)
    assert result.average_precision[3] == result.recall[3] == -1
    expected = metrics.average_precision_score(
        ground_truth[:, there], scores[:, there], average=None
    )
    np.testing.assert_allclose(result.average_precision[there], expected, rtol=1e-12)
    assert result.stats["mAP"] == pytest.approx(expected.mean())
    f1 = metrics.f1_score(ground_truth[:, there], scores[:, there] >= 0.5, average=None)
    np.testing.assert_allclose(result.f1[there], f1, rtol=1e-12)
    assert result.stats["F1"] == pytest.approx(f1.mean())
    assert result.positives.tolist() == ground_truth.sum(axis=0).tolist()


def test_multilabel_of_nothing() -> None:
    result = evaluate_multilabel(np.zeros((0, 2)), np.zeros((0, 2), bool), names(2))
    assert result.stats == {"mAP": -1, "F1": -1}
    assert result.left_out == ("class 0", "class 1")


@pytest.mark.parametrize(
    ("scores", "ground_truth", "message"),
    [
        (np.zeros((2, 3)), np.zeros(2, np.int64), r"scores: expected \(N, 2\)"),
        (np.full((1, 2), np.nan), np.zeros(1, np.int64), "probabilities"),
        (np.array([[3.0, -1]]), np.zeros(1, np.int64), "probabilities"),
        (np.full((1, 2), 0.5), np.zeros(1), "integers"),
        (np.full((1, 2), 0.5), np.array([2]), "from 0 to 1"),
        (np.full((1, 2), 0.5), np.array([-1]), "from 0 to 1"),
    ],
)
def test_what_cannot_be_is_refused(scores: Any, ground_truth: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate_classes(scores, ground_truth, names(2))


def test_multilabel_truth_is_bool() -> None:
    with pytest.raises(ValueError, match="bool"):
        evaluate_multilabel(np.zeros((1, 2)), np.zeros((1, 2)), names(2))


def test_labels_in_bytes_count_as_others() -> None:
    """3 x 100 is more than a byte holds."""
    scores, ground_truth = drawn(5, 300, 100)
    found, wanted = (
        evaluate_classes(scores, t, names(100)) for t in (ground_truth.astype("u1"), ground_truth)
    )
    assert np.array_equal(found.confusion, wanted.confusion)
    assert found.stats == wanted.stats
