"""What evaluation refuses of numbers, whether they come from a file or from records."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tapetum.base.errors import AnnotationError

Refuse = Callable[[np.ndarray, str], None]
"""Raises AnnotationError about the first entry where its first argument, (N,) bool, is True; the
second says why."""
Blame = Callable[[int, str], AnnotationError]
"""What to raise about the entry at a place; the second argument says why."""

_LARGEST = 1e150  # the product of two such sides is still a finite float64
_FARTHEST = 2.0**25  # pixels; squares of such numbers are exact, as integers and as floats


def check_boxes(xywh: np.ndarray, refuse: Refuse) -> None:
    """xywh: (N, 4)."""
    near = (np.abs(xywh) <= _LARGEST).all(axis=1)
    refuse(~near, "its box is not 4 finite numbers")
    vanished = (xywh[:, 2:] > 0).all(axis=1) & (xywh[:, 2] * xywh[:, 3] == 0)
    refuse(vanished, "its box is too small to have an area")


def check_numbers(values: np.ndarray, key: str, refuse: Refuse) -> None:
    """values: (N,), what is called `key`."""
    refuse(~np.isfinite(values), f"its {key} is not a finite number")


def check_lists(table: np.ndarray, key: str, refuse: Refuse) -> None:
    """table: (N, width), what is called `key`."""
    refuse(~np.isfinite(table).all(axis=1), not_a_list(key, table.shape[1]))


def check_near(points: np.ndarray, refuse: Refuse) -> None:
    """points: (N, K, 3) keypoints."""
    far = (np.abs(points[:, :, :2]) > _FARTHEST).any(axis=(1, 2))
    refuse(far, "a keypoint lies more than 2**25 pixels away")


def check_positive_areas(area: np.ndarray, refuse: Refuse) -> None:
    """area: (N,), by which distances of keypoints are divided."""
    refuse(area < 0, "its area is negative")


def check_sizes(sizes: np.ndarray, refuse: Refuse) -> None:
    """sizes: (N, 2), height and width of each entry's image, -1 where they are unknown."""
    refuse(sizes[:, 0] < 0, "its image has no height and width")


def not_a_list(key: str, width: int) -> str:
    return f"its {key} are not {width} finite numbers"
