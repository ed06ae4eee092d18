"""Which detections are compared, in which order, and which ground truths each of them may match."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tapetum.evaluation.records import Detections, GroundTruth, Similarity, place_in_run

Progress = Callable[[int, int], None]
"""Called with (pairs compared so far, pairs in all)."""

_CHUNK = 1 << 18  # pairs compared at once: their columns fit into a processor's cache


@dataclass(frozen=True, eq=False)
class Ranking:
    """The detections that count, in the order in which precision-recall curves take them.

    That order is class, falling score, image, place in the results list. A position below is a
    place in it.

    index: (N,) the detection at each position.
    rank: (N,) its place among the detections of its image and class, 0 for the best score.
    grouped: (N,) all positions by image, class, rank.
    """

    index: np.ndarray
    rank: np.ndarray
    grouped: np.ndarray

    def __len__(self) -> int:
        return len(self.index)

    def only(self, keep: np.ndarray) -> Ranking:
        """The ranking without some of its lowest ranks; `keep` (N,) bool says which stay."""
        if keep.all():
            return self
        position = np.cumsum(keep) - 1  # where each that stays lies after the others have gone
        return Ranking(
            self.index[keep], self.rank[keep], position[self.grouped[keep[self.grouped]]]
        )


@dataclass(frozen=True, eq=False)
class Pairs:
    """P pairs of a detection and a ground truth of its image and class, similar enough to match.

    position: (P,) place of the detection in the Ranking; equal ones are neighbours, and they come
    by image, class, rank. ground_truth: (P,) ascending within a detection. similarity: (P,)
    float64.
    """

    position: np.ndarray
    ground_truth: np.ndarray
    similarity: np.ndarray


def rank_detections(detections: Detections) -> Ranking:
    """Order the detections by class and score, and number them within image and class.

    Every sort is stable, as in the reference: equal scores keep the order of the results list.
    """
    by_image = _stable_order(detections.image)
    by_score = by_image[np.argsort(-detections.score[by_image], kind="stable")]
    index = by_score[_stable_order(detections.category[by_score])]
    grouped = _stable_order(detections.image[index])
    classes = int(detections.category.max(initial=0)) + 1
    rank = np.empty(len(index), dtype=np.int64)
    rank[grouped] = place_in_run(group_keys(detections, classes)[index[grouped]])
    return Ranking(index, rank, grouped)


def candidate_pairs(
    ground_truth: GroundTruth,
    detections: Detections,
    ranking: Ranking,
    similarity: Similarity,
    least: float,
    progress: Progress | None = None,
) -> Pairs:
    """All pairs of one image and class with a similarity of `least` or more.

    Raises:
        ValueError: the detections were read for another ground truth, with more images or classes.
    """
    ground_truth.check_indices(detections)
    order, position, first, count = _ground_truths_to_compare(ground_truth, detections, ranking)
    done, total, parts = 0, int(count.sum()), []
    for rows in _chunks(count):
        compared = np.repeat(position[rows], count[rows])  # (pairs,)
        other = order[np.repeat(first[rows], count[rows]) + place_in_run(compared)]
        value = similarity(other, ranking.index[compared])
        keep = value >= least
        parts.append((compared[keep], other[keep], value[keep]))
        done += len(compared)
        if progress is not None:
            progress(done, total)
    if not parts:
        nothing = np.zeros(0, dtype=np.int64)
        return Pairs(nothing, nothing, np.zeros(0))
    return Pairs(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def group_keys(record: GroundTruth | Detections, classes: int) -> np.ndarray:
    """(N,) int64, one number for each image and class, ascending by image, then class."""
    return record.image * classes + record.category


def _ground_truths_to_compare(
    ground_truth: GroundTruth, detections: Detections, ranking: Ranking
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Arrays: order (ground truths,), position, first, count (D,) of detections that have ground
    truths.

    The ground truths of the detection at position[i] are order[first[i] : first[i] + count[i]].
    """
    classes = len(ground_truth.category_ids)
    true_keys = group_keys(ground_truth, classes)
    order = np.argsort(true_keys, kind="stable")
    sorted_keys = true_keys[order]
    wanted = group_keys(detections, classes)[ranking.index[ranking.grouped]]
    first = np.searchsorted(sorted_keys, wanted, side="left")
    count = np.searchsorted(sorted_keys, wanted, side="right") - first
    some = np.flatnonzero(count)
    return order, ranking.grouped[some], first[some], count[some]


def _chunks(count: np.ndarray) -> Iterator[slice]:
    """Slices of rows with about `_CHUNK` pairs each, at least one row, where a row has count[i]."""
    until = np.cumsum(count)
    start = 0
    while start < len(count):
        before = until[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(until, before + _CHUNK, side="right")))
        yield slice(start, stop)
        start = stop


def _stable_order(keys: np.ndarray) -> np.ndarray:
    """The stable ascending order of small non-negative integers."""
    # NumPy sorts 8 and 16 bit integers by counting, several times faster than by comparing.
    return np.argsort(keys.astype(np.min_scalar_type(int(keys.max(initial=0)))), kind="stable")
