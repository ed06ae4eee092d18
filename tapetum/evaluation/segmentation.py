"""Semantic maps to numbers: one confusion matrix, added up image by image, says everything.

    confusion = Confusion(["sky", "road"])
    confusion.add(targets, predicted)
    confusion.result().stats["mIoU"]

Of each class TP, FP and FN are counted over the pixels of all images together: IoU is
TP / (TP + FP + FN) (the Jaccard index; Everingham et al. 2015, The PASCAL Visual Object Classes
Challenge, section 4.3), Dice is 2 TP / (2 TP + FP + FN), accuracy is TP / (TP + FN). A class that
occurs neither in target nor in prediction has no IoU and no Dice, one that does not occur in target
has no accuracy: they are -1, and left out of the means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tapetum.structures import IGNORE_INDEX

UNDEFINED = -1.0

MEANINGS = {
    "mIoU": "intersection over union of each class, averaged",
    "accuracy": "fraction of pixels with the right class",
    "Dice": "2 × right / (true + predicted) pixels of each class, averaged",
}
"""What each number of `stats` says, in a few words for a report."""


@dataclass(frozen=True, eq=False)
class SegmentationResult:
    """What a confusion matrix says of K classes and P images; numbers in [0, 1], -1 undefined.

    stats: mIoU, accuracy (of all pixels), mean_class_accuracy, Dice (mean over classes).
    iou, dice, accuracy: (K,) float64, of each class.
    counts: (K, K) int64, pixels by true class (rows) and predicted class (columns).
    image_iou: (P, K) float64, of each image alone, in the order in which they were added.
    """

    stats: dict[str, float]
    class_names: tuple[str, ...]
    iou: np.ndarray
    dice: np.ndarray
    accuracy: np.ndarray
    counts: np.ndarray
    image_iou: np.ndarray

    @property
    def image_miou(self) -> np.ndarray:
        """(P,) the mean IoU of each image alone, over the classes that occur in it."""
        return _mean_defined(self.image_iou)


class Confusion:
    """Counts pixels by true and predicted class.

    classes: their names; a map holds their numbers. ignore: the number of pixels of targets that do
    not count, whatever is predicted there.

    Raises:
        ValueError: no classes, or `ignore` is the number of one.
    """

    def __init__(self, classes: Sequence[str], ignore: int = IGNORE_INDEX) -> None:
        if not classes or 0 <= ignore < len(classes):
            raise ValueError(f"expected 1 to {ignore} classes, got {len(classes)}")
        self.classes = tuple(classes)
        self.ignore = ignore
        self.counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
        self._images: list[np.ndarray] = []  # (3, K) each: TP, true and predicted pixels

    def add(self, targets: ArrayLike, predicted: ArrayLike) -> None:
        """Count one image: maps (H, W) of whole numbers, as arrays, or tensors on the processor.

        Raises:
            ValueError: maps of other or different shapes, or of numbers that are no class.
        """
        true, found = self._checked(targets, predicted)
        size = len(self.classes)
        # The targets' own type may not hold size * size; bincount would widen it in any case.
        pairs = true.astype(np.int64) * size + found
        counts = np.bincount(pairs, minlength=size * size).reshape(size, size)
        self.counts += counts
        self._images.append(np.stack([counts.diagonal(), counts.sum(1), counts.sum(0)]))

    def merge(self, other: Confusion) -> None:
        """Add all that another one has counted.

        Raises:
            ValueError: the other has other classes, or ignores another number.
        """
        if (self.classes, self.ignore) != (other.classes, other.ignore):
            raise ValueError("merge: expected the same classes and the same number to ignore")
        self.counts += other.counts
        self._images += other._images

    def result(self) -> SegmentationResult:
        """All numbers so far."""
        whole = np.stack([self.counts.diagonal(), self.counts.sum(1), self.counts.sum(0)])
        alone = np.array(self._images, dtype=np.int64).reshape(-1, 3, len(self.classes))
        iou, dice, accuracy = _rates(whole)
        hits, pixels, _ = whole.sum(axis=1)
        return SegmentationResult(
            stats={
                "mIoU": float(_mean_defined(iou)),
                "accuracy": float(_ratio(hits, pixels)),
                "mean_class_accuracy": float(_mean_defined(accuracy)),
                "Dice": float(_mean_defined(dice)),
            },
            class_names=self.classes,
            iou=iou,
            dice=dice,
            accuracy=accuracy,
            counts=self.counts.copy(),
            image_iou=_rates(np.moveaxis(alone, 1, 0))[0],
        )

    def _checked(self, targets: ArrayLike, predicted: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """True and predicted numbers of the pixels that count, (N,) each."""
        true, found = np.asarray(targets), np.asarray(predicted)
        if true.ndim != 2 or true.shape != found.shape:
            raise ValueError(f"expected two maps (H, W), got {true.shape} and {found.shape}")
        for name, numbers in (("targets", true), ("predicted", found)):
            if numbers.dtype.kind not in "iu":
                raise ValueError(f"{name}: expected whole numbers, got {numbers.dtype}")
        self._refuse_unknown("predicted", found)
        counted = true != self.ignore
        true = true[counted]
        self._refuse_unknown("targets", true)
        return true, found[counted]

    def _refuse_unknown(self, name: str, numbers: np.ndarray) -> None:
        for odd in (numbers.min(), numbers.max()) if numbers.size else ():
            if not 0 <= odd < len(self.classes):
                known = f"0 to {len(self.classes) - 1}"
                raise ValueError(f"{name}: expected classes {known}, got {odd}")


def _rates(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """IoU, Dice, accuracy (..., K) of TP, true and predicted pixels (3, ..., K)."""
    hits, true, found = pixels
    return (
        _ratio(hits, true + found - hits),
        _ratio(2 * hits, true + found),
        _ratio(hits, true),
    )


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, part / np.maximum(whole, 1), UNDEFINED)


def _mean_defined(values: np.ndarray) -> np.ndarray:
    """Means over the last axis of what is defined, -1 where nothing is."""
    defined = values > UNDEFINED
    return _ratio((values * defined).sum(axis=-1), defined.sum(axis=-1))
