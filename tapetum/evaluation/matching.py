"""Greedy matching of detections to ground truths: all images, classes, thresholds, areas at once.

Within one image and class the order matters: the best-scored detection chooses first. Between
them nothing does. So round r lets the r-th best detection of every image and class choose
together; a set of any size takes at most as many rounds as one group has detections.

Each takes, among the ground truths that are similar enough and still free, one that counts rather
than one that is ignored, then the most similar, then, on equal similarity, the later one. A crowd
region is always free.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tapetum.evaluation.pairing import Pairs, group_keys
from tapetum.evaluation.records import GroundTruth, place_in_run, run_starts

_CERTAIN = 1.0 - 1e-10  # a threshold of 1 is met by what is equal up to rounding


@dataclass(frozen=True, eq=False)
class Matches:
    """The matches of the S detections with any similar ground truth; all others have none.

    position: (S,) ascending, places in the Ranking.
    ground_truth: (S, T, A) int32, the matched ground truth at each threshold and area range, or -1.
    counts: (S, T, A) bool, the match is with a ground truth that counts in that area range.
    """

    position: np.ndarray
    ground_truth: np.ndarray
    counts: np.ndarray


def effective(iou_thresholds: np.ndarray) -> np.ndarray:
    """The similarities (T,) that are really asked for."""
    return np.minimum(iou_thresholds, _CERTAIN)


def match_in_rounds(
    pairs: Pairs, ground_truth: GroundTruth, ignored: np.ndarray, iou_thresholds: np.ndarray
) -> Matches:
    """Match the detections of `pairs`; `ignored` (N, A): what does not count in which area."""
    starts = run_starts(pairs.position)
    contender = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(pairs.position)))
    keys = group_keys(ground_truth, len(ground_truth.category_ids))[pairs.ground_truth]
    turn = place_in_run(keys[starts])[contender]  # (P,)
    # From worst to best within a detection; lexsort is stable, so the later ground truth stays
    # later.
    order = np.lexsort((pairs.similarity, contender, turn))
    reach = pairs.similarity[:, None] >= effective(iou_thresholds)  # (P, T)

    given = np.full((len(starts), reach.shape[1], ignored.shape[1]), -1, dtype=np.int32)
    counts = np.zeros(given.shape, dtype=bool)
    taken = np.zeros((len(ground_truth), *given.shape[1:]), dtype=bool)  # (N, T, A)
    bounds = np.searchsorted(turn[order], np.arange(int(turn.max(initial=-1)) + 2))
    for low, high in pairwise(bounds):
        rows = order[low:high]
        chosen, regular = _choose(
            contender[rows],
            pairs.ground_truth[rows],
            reach[rows],
            taken,
            ground_truth.crowd,
            ignored,
        )
        who = contender[rows[run_starts(contender[rows])]]
        given[who], counts[who] = chosen, regular
    by_position = np.argsort(pairs.position[starts])
    return Matches(pairs.position[starts][by_position], given[by_position], counts[by_position])


def _choose(
    contender: np.ndarray,
    other: np.ndarray,
    reach: np.ndarray,
    taken: np.ndarray,
    crowd: np.ndarray,
    ignored: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """One round: the ground truth each contender gets (D, T, A) or -1, and whether it counts.

    contender, other (P,): the pairs, worst to best within a contender. reach (P, T): similar
    enough. `taken` (N, T, A) is brought up to date.
    """
    count = len(contender)
    free = ~taken[other] | crowd[other][:, None, None]  # (P, T, A)
    # The value of a pair is its place, worst to best, and ground truths that count lie above all
    # others.
    value = np.arange(count, dtype=np.int32)[:, None] + np.int32(count) * ~ignored[other]  # (P, A)
    offered = np.where(free & reach[:, :, None], value[:, None, :], np.int32(-1))
    best = np.maximum.reduceat(offered, run_starts(contender), axis=0)  # (D, T, A)
    won = best >= 0
    chosen = np.where(won, other[best % count], -1)
    _, threshold, area = np.nonzero(won)
    taken[chosen[won], threshold, area] = True
    return chosen, best >= count
