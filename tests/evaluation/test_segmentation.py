"""The numbers of semantic maps: scikit-learn's, worked by hand, and what must hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score, jaccard_score, recall_score

from tapetum.evaluation.segmentation import Confusion, SegmentationResult

NAMES = ("a", "b", "c", "d", "e")


def drawn(seed: int, classes: int = 5, size: tuple[int, int] = (17, 23)) -> tuple:
    random = np.random.default_rng(seed)
    ground_truth = random.integers(0, classes, size).astype(np.uint8)
    predicted = np.where(random.random(size) < 0.6, ground_truth, random.integers(0, classes, size))
    ground_truth[random.random(size) < 0.2] = 255
    return ground_truth, predicted.astype(np.uint8)


def judged(*images: tuple, names: tuple = NAMES) -> SegmentationResult:
    confusion = Confusion(names)
    for ground_truth, predicted in images:
        confusion.add(ground_truth, predicted)
    return confusion.result()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_numbers_are_those_of_scikit_learn(seed: int, used: int) -> None:
    """With classes that never occur: sklearn is asked for those that do, and only for them."""
    images = [drawn(seed, used), drawn(seed + 1, used, (5, 9))]
    result = judged(*images)
    ground_truth = np.concatenate([t[t != 255] for t, _ in images])
    predicted = np.concatenate([p[t != 255] for t, p in images])
    assert (result.counts == confusion_matrix(ground_truth, predicted, labels=range(5))).all()
    seen = np.union1d(ground_truth, predicted)
    options = {"labels": seen, "average": None}
    np.testing.assert_allclose(result.iou[seen], jaccard_score(ground_truth, predicted, **options))
    np.testing.assert_allclose(result.dice[seen], f1_score(ground_truth, predicted, **options))
    true = np.unique(ground_truth)
    recall = recall_score(ground_truth, predicted, labels=true, average=None)
    np.testing.assert_allclose(result.accuracy[true], recall)
    no_progress = np.setdiff1d(np.arange(5), seen)
    assert (result.iou[no_progress] == -1).all()
    assert result.stats == pytest.approx(
        {
            "mIoU": jaccard_score(ground_truth, predicted, labels=seen, average="macro"),
            "Dice": f1_score(ground_truth, predicted, labels=seen, average="macro"),
            "mean_class_accuracy": recall.mean(),
            "accuracy": (ground_truth == predicted).mean(),
        }
    )


def test_many_classes_do_not_overflow_the_maps_own_type() -> None:
    """19 * 20 + 19 is more than uint8 holds."""
    ground_truth, predicted = drawn(0, 20, (40, 50))
    counted = ground_truth != 255
    expected = confusion_matrix(ground_truth[counted], predicted[counted], labels=range(20))
    assert (
        judged((ground_truth, predicted), names=tuple("abcdefghijklmnopqrst")).counts == expected
    ).all()


def test_by_hand() -> None:
    """Class 0: 3 true, 2 of them found, 1 more found. Class 1: 2 true, 1 found. Class 2: none."""
    ground_truth = np.array([[0, 0, 0], [1, 1, 255]], dtype=np.uint8)
    predicted = np.array([[0, 0, 1], [0, 1, 2]], dtype=np.uint8)
    result = judged((ground_truth, predicted), names=("x", "y", "z"))
    assert result.counts.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert result.iou.tolist() == [2 / 4, 1 / 3, -1]
    assert result.dice.tolist() == [4 / 6, 2 / 4, -1]
    assert result.accuracy.tolist() == [2 / 3, 1 / 2, -1]
    assert result.stats["mIoU"] == pytest.approx((2 / 4 + 1 / 3) / 2)
    assert result.stats["accuracy"] == pytest.approx(3 / 5)


def test_a_class_that_is_only_predicted_lowers_the_mean() -> None:
    ground_truth, predicted = np.zeros((2, 2), np.uint8), np.array([[0, 0], [0, 2]])
    result = judged((ground_truth, predicted), names=("x", "y", "z"))
    assert result.iou.tolist() == [3 / 4, -1, 0]
    assert result.accuracy.tolist() == [3 / 4, -1, -1]
    assert result.stats["mIoU"] == pytest.approx(3 / 8)
    assert result.stats["mean_class_accuracy"] == pytest.approx(3 / 4)


def test_images_keep_their_own_numbers() -> None:
    images = [drawn(0), drawn(1, 2), drawn(2)]
    result = judged(*images)
    alone = [judged(one) for one in images]
    assert (result.image_iou == np.stack([one.iou for one in alone])).all()
    assert result.image_miou.tolist() == [one.stats["mIoU"] for one in alone]
    assert (result.image_iou[1, 2:] == -1).all()


def test_merged_is_as_added() -> None:
    images = [drawn(seed) for seed in range(4)]
    parts = [Confusion(NAMES), Confusion(NAMES)]
    for part, some in zip(parts, (images[:1], images[1:]), strict=True):
        for ground_truth, predicted in some:
            part.add(ground_truth, predicted)
    before = parts[1].result()
    parts[0].merge(parts[1])
    whole = judged(*images)
    assert parts[0].result().stats == whole.stats
    assert (parts[0].result().image_iou == whole.image_iou).all()
    assert parts[1].result().stats == before.stats
    with pytest.raises(ValueError, match="the same classes"):
        parts[0].merge(Confusion(NAMES[:3]))


def test_a_result_does_not_change_later() -> None:
    confusion = Confusion(NAMES)
    confusion.add(*drawn(0))
    result = confusion.result()
    kept = result.counts.copy()
    confusion.add(*drawn(1))
    assert (result.counts == kept).all()


def test_nothing_to_measure_is_undefined_and_never_not_a_number() -> None:
    ignored = (np.full((2, 3), 255), np.zeros((2, 3), int))
    for result in (judged(), judged(ignored), judged((np.zeros((0, 4), int),) * 2)):
        assert set(result.stats.values()) == {-1.0}
        assert (result.iou == -1).all()
    assert judged().image_miou.shape == (0,)
    assert judged(ignored).image_miou.tolist() == [-1]


def test_tensors_are_maps_too() -> None:
    ground_truth, predicted = drawn(3)
    tensors = (torch.from_numpy(ground_truth), torch.from_numpy(predicted).long())
    assert judged(tensors).stats == judged((ground_truth, predicted)).stats


MAP = np.zeros((2, 3), np.uint8)


@pytest.mark.parametrize(
    ("ground_truth", "predicted", "message"),
    [
        (MAP + 5, MAP, "targets: expected classes 0 to 4, got 5"),
        (MAP - np.int64(1), MAP, "targets: expected classes 0 to 4, got -1"),
        (MAP, MAP + 255, "predicted: expected classes 0 to 4, got 255"),
        (MAP + 255, MAP + 7, "predicted: expected classes 0 to 4, got 7"),
        (MAP, MAP.T, r"got \(2, 3\) and \(3, 2\)"),
        (MAP[0], MAP[0], r"expected two maps \(H, W\), got \(3,\)"),
        (MAP, MAP.astype(float), "predicted: expected whole numbers, got float64"),
    ],
)
def test_maps_that_cannot_be_are_refused(
    ground_truth: object, predicted: object, message: str
) -> None:
    confusion = Confusion(NAMES)
    with pytest.raises(ValueError, match=message):
        confusion.add(ground_truth, predicted)
    assert confusion.counts.sum() == 0


def test_the_ignored_number_is_no_class() -> None:
    for names, ignore in (((), 255), (NAMES, 4)):
        with pytest.raises(ValueError, match="classes, got"):
            Confusion(names, ignore)
    Confusion(NAMES, 5)
