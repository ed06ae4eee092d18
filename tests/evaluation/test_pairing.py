"""Ranking and pairing against their plain definitions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tapetum.evaluation import (
    Detections,
    GroundTruth,
    detections_from_coco,
    ground_truth_from_coco,
    pairing,
)
from tapetum.evaluation.pairing import Ranking, candidate_pairs, rank_detections
from tapetum.evaluation.records import place_in_run, run_starts


@pytest.fixture(params=range(6))
def inputs(request: pytest.FixtureRequest, made_set: Callable) -> tuple[GroundTruth, Detections]:
    gt, results = made_set(request.param, images=5, ground_truths=60, detections=200)
    ground_truth = ground_truth_from_coco(gt)
    return ground_truth, detections_from_coco(results, ground_truth)


def score_of_both(ground_truth: np.ndarray, detection: np.ndarray) -> np.ndarray:
    """A made similarity, different for every pair."""
    return (ground_truth * 31 + detection * 17) % 101 / 100


def check(ranking: Ranking, detections: Detections, members: list[int]) -> None:
    """The three orders of `ranking` are those of sorting `members` by their keys."""
    image, category, score = (
        getattr(detections, name).tolist() for name in ("image", "category", "score")
    )
    curve = sorted(members, key=lambda d: (category[d], -score[d], image[d], d))
    assert ranking.index.tolist() == curve
    groups = sorted(members, key=lambda d: (image[d], category[d], -score[d], d))
    assert ranking.index[ranking.grouped].tolist() == groups
    seen: dict[tuple, int] = {}
    for place in ranking.grouped.tolist():
        group = (image[ranking.index[place]], category[ranking.index[place]])
        assert ranking.rank[place] == seen.get(group, 0)
        seen[group] = seen.get(group, 0) + 1


def test_the_order_is_class_score_image_place(inputs: tuple[GroundTruth, Detections]) -> None:
    detections = inputs[1]
    check(rank_detections(detections), detections, list(range(len(detections))))


def test_a_cap_leaves_the_order_of_the_others(inputs: tuple[GroundTruth, Detections]) -> None:
    detections = inputs[1]
    ranking = rank_detections(detections)
    fewer = ranking.only(ranking.rank < 3)
    assert len(fewer) < len(ranking)
    check(fewer, detections, sorted(ranking.index[ranking.rank < 3].tolist()))


@pytest.mark.parametrize("chunk", [1, 7, 1 << 18])
def test_pairs_are_all_that_share_image_and_class(
    inputs: tuple[GroundTruth, Detections], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairing, "_CHUNK", chunk)
    ground_truth, detections = inputs
    ranking = rank_detections(detections)
    calls: list[tuple[int, int]] = []
    pairs = candidate_pairs(
        ground_truth, detections, ranking, score_of_both, 0.5, lambda *call: calls.append(call)
    )
    expected, total = [], 0
    for place in ranking.grouped.tolist():
        d = int(ranking.index[place])
        for g in range(len(ground_truth)):
            same = ground_truth.image[g] == detections.image[d]
            if same and ground_truth.category[g] == detections.category[d]:
                total += 1
                value = (g * 31 + d * 17) % 101 / 100
                expected += [(place, g, value)] if value >= 0.5 else []
    assert list(zip(*(c.tolist() for c in vars(pairs).values()), strict=True)) == expected
    assert calls[-1] == (total, total)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_chunks_are_as_full_as_the_limit_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairing, "_CHUNK", 10)
    counts = np.array([4, 6, 1, 25, 3, 3, 3, 3])
    slices = [(part.start, part.stop) for part in pairing._chunks(counts)]
    assert slices == [(0, 2), (2, 3), (3, 4), (4, 7), (7, 8)]
    assert list(pairing._chunks(counts[:0])) == []


def test_runs() -> None:
    keys = np.array([4, 4, 1, 4, 4, 4])
    assert run_starts(keys).tolist() == [0, 2, 3]
    assert place_in_run(keys).tolist() == [0, 1, 0, 0, 1, 2]
    assert place_in_run(keys[:0]).tolist() == run_starts(keys[:0]).tolist() == []
