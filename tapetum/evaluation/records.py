"""What evaluation runs on: flat float64 arrays straight from the file, and the rules of the game.

Boxes stay in COCO's convention (left, top, width, height in pixels) because the numbers must be
those of the reference evaluator to the last bit; a trip through float32 or through x2 = x + w
moves boxes across thresholds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tapetum.ops.runs import Runs

Similarity = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(ground-truth indices (P,), detection indices (P,)) -> (P,) float64, how well each pair agrees.

The engine does not depend on boxes, masks or keypoints: callers pass this function.
"""


@dataclass(frozen=True, eq=False)
class Masks:
    """N masks as run lengths.

    runs: their codes, counts uint32. area: (N,) int64 pixels. xywh: (N, 4) float64, their boxes.
    halting: (N,) bool, an empty run lies within the code; the reference halts at some of these.
    """

    runs: Runs
    area: np.ndarray
    xywh: np.ndarray
    halting: np.ndarray

    def __len__(self) -> int:
        return len(self.area)


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """All true objects of a dataset, N of them, in the order in which ties are broken (file order).

    image, category: (N,) int64, index into `image_ids` and `category_ids`.
    xywh: (N, 4) float64. area: (N,) float64, as the file states it (it decides small or large).
    crowd: (N,) bool, may be matched many times and compares by intersection over detection.
    ignored: (N,) bool, neither found nor missed; the crowd regions and, for keypoints, more.
    ids: the id in the file of each object.
    image_ids, category_ids: ascending; category_names goes with category_ids.
    masks, with image_sizes (images, 2) int64, height and width: if read to compare masks.
    keypoints: (N, K, 3) float64 x, y, v, if read to compare keypoints; v > 0 is marked.
    """

    image: np.ndarray
    category: np.ndarray
    xywh: np.ndarray
    area: np.ndarray
    crowd: np.ndarray
    ignored: np.ndarray
    ids: tuple[int | str, ...]
    image_ids: tuple[int | str, ...]
    category_ids: tuple[int | str, ...]
    category_names: tuple[str, ...]
    image_sizes: np.ndarray | None = None
    masks: Masks | None = None
    keypoints: np.ndarray | None = None

    def __post_init__(self) -> None:
        count = len(self.ids)
        _expect_rows(count, self, ("image", "category", "xywh", "area", "crowd", "ignored"))
        if len(self.category_names) != len(self.category_ids):
            raise ValueError(
                f"category_names: expected {len(self.category_ids)}, got {len(self.category_names)}"
            )
        self.check_indices(self)

    def __len__(self) -> int:
        return len(self.ids)

    def check_indices(self, record: GroundTruth | Detections) -> None:
        """Raise ValueError if `record` has an image or category that this ground truth lacks."""
        _expect_below(len(self.image_ids), "image", record.image)
        _expect_below(len(self.category_ids), "category", record.category)


@dataclass(frozen=True, eq=False)
class Detections:
    """All detections on a dataset, N of them, in the order of the results list.

    image, category: (N,) int64, indices as in the GroundTruth they belong to.
    xywh: (N, 4) float64. area: (N,) float64, of the box, or of the mask. score: (N,) float64.
    masks; keypoints: (N, K, 3) float64: what the GroundTruth has, too.
    """

    image: np.ndarray
    category: np.ndarray
    xywh: np.ndarray
    area: np.ndarray
    score: np.ndarray
    masks: Masks | None = None
    keypoints: np.ndarray | None = None

    def __post_init__(self) -> None:
        _expect_rows(len(self.score), self, ("image", "category", "xywh", "area", "score"))

    def __len__(self) -> int:
        return len(self.score)


@dataclass(frozen=True)
class Area:
    """A named range of areas, in square pixels; both ends belong to it."""

    name: str
    low: float
    high: float

    def holds(self, area: np.ndarray) -> np.ndarray:
        """Which of `area` lie in the range."""
        return (area >= self.low) & (area <= self.high)


COCO_AREAS = (
    Area("all", 0.0, 1e5**2),
    Area("small", 0.0, 32.0**2),
    Area("medium", 32.0**2, 96.0**2),
    Area("large", 96.0**2, 1e5**2),
)


@dataclass(frozen=True, eq=False)
class Rules:
    """Under which thresholds, area ranges and caps detections are matched.

    iou_thresholds (T,), recall_thresholds (R,): ascending. areas: A ranges, the first one
    holding everything. max_dets: M caps on the detections per image and class, ascending.
    """

    iou_thresholds: np.ndarray
    recall_thresholds: np.ndarray
    areas: tuple[Area, ...]
    max_dets: tuple[int, ...]

    def __post_init__(self) -> None:
        caps = self.max_dets
        whole = all(isinstance(cap, int | np.integer) and cap > 0 for cap in caps)
        if not caps or not whole or list(caps) != sorted(set(caps)):
            raise ValueError(f"max_dets: expected different positive integers, got {caps}")


def coco_rules(
    max_dets: tuple[int, ...] = (1, 10, 100), areas: tuple[Area, ...] = COCO_AREAS
) -> Rules:
    """COCO's rules: IoU 0.50:0.05:0.95, 101 recalls, four areas (Lin et al., 2014)."""
    return Rules(
        # linspace, not arange: its 0.75 and 0.9 are the bits that the reference compares with.
        iou_thresholds=np.linspace(0.5, 0.95, 10),
        recall_thresholds=np.linspace(0.0, 1.0, 101),
        areas=areas,
        max_dets=tuple(sorted(max_dets)),
    )


def place_in_run(keys: np.ndarray) -> np.ndarray:
    """(N,) int64: the place of each element in its run of equal neighbours, counted from 0."""
    starts = run_starts(keys)
    lengths = np.diff(starts, append=len(keys))
    return np.arange(len(keys)) - np.repeat(starts, lengths)


def run_starts(keys: np.ndarray) -> np.ndarray:
    """Where each run of equal neighbours begins, (runs,) int64."""
    if len(keys) == 0:
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))


def _expect_rows(count: int, record: object, names: tuple[str, ...]) -> None:
    """Raise ValueError unless every named array has `count` rows (and boxes have 4 columns)."""
    masks, points = getattr(record, "masks", None), getattr(record, "keypoints", None)
    for name, value in (("masks", masks), ("keypoints", points)):
        if value is not None and len(value) != count:
            raise ValueError(f"{name}: expected {count}, got {len(value)}")
    for name in names:
        expected = (count, 4) if name == "xywh" else (count,)
        actual = getattr(record, name).shape
        if actual != expected:
            raise ValueError(f"{name}: expected shape {expected}, got {actual}")


def _expect_below(bound: int, name: str, indices: np.ndarray) -> None:
    if len(indices) and not 0 <= indices.min() <= indices.max() < bound:
        raise ValueError(
            f"{name}: expected 0 to {bound - 1}, got {indices.min()} to {indices.max()}"
        )
