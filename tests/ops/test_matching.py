"""Matching and sampling against their definitions, one candidate at a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tapetum.ops.matching import BACKGROUND, BETWEEN, match_boxes, sample_balanced

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "ops.json").read_text())
# Eighths: IoUs are often equal to each other and to a threshold.
OVERLAPS = hnp.arrays(
    "int64", st.tuples(st.integers(1, 4), st.integers(1, 7)), elements=st.integers(0, 8)
)
THRESHOLDS = st.tuples(st.integers(0, 8), st.integers(0, 8)).map(sorted)


def define(iou: list[list[float]], high: float, low: float, allow_low_quality: bool) -> list[int]:
    """One candidate at a time."""
    answer = []
    for column in zip(*iou, strict=True):
        nearest = column.index(max(column))
        is_best = any(0 < value == max(row) for value, row in zip(column, iou, strict=True))
        if max(column) >= high or (allow_low_quality and is_best):
            answer.append(nearest)
        else:
            answer.append(BETWEEN if max(column) >= low else BACKGROUND)
    return answer


@given(OVERLAPS, THRESHOLDS, st.booleans())
def test_matches_are_those_of_the_definition(overlaps, thresholds, allow_low_quality) -> None:
    iou, (low, high) = torch.from_numpy(overlaps) / 8, (t / 8 for t in thresholds)
    matches = match_boxes(iou, high, low, allow_low_quality)
    assert matches.dtype == torch.int64
    assert matches.tolist() == define(iou.tolist(), high, low, allow_low_quality)


@pytest.mark.parametrize("case", GOLDEN["matches"], ids=range(len(GOLDEN["matches"])))
def test_matches_are_the_reference(case: dict) -> None:
    matches = match_boxes(torch.tensor(case["iou"]), case["high"], case["low"], case["forced"])
    assert matches.tolist() == case["matches"]


def test_every_candidate_that_a_truth_overlaps_most_is_kept() -> None:
    iou = torch.tensor([[0.2, 0.2, 0.1, 0.0], [0.0, 0.3, 0.0, 0.3]])
    assert match_boxes(iou, 0.7, 0.3).tolist() == [-1, -2, -1, -2]
    # Candidate 1 is the best of truth 0, but overlaps truth 1 more.
    assert match_boxes(iou, 0.7, 0.3, allow_low_quality=True).tolist() == [0, 1, -1, 1]


def test_without_truth_everything_is_background() -> None:
    assert match_boxes(torch.zeros(0, 3), 0.7, 0.3, True).tolist() == [-1, -1, -1]
    assert match_boxes(torch.zeros(2, 0), 0.7, 0.3, True).tolist() == []
    assert match_boxes(torch.zeros(0, 0), 0.7, 0.3).dtype == torch.int64


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected shape \(M, N\), got \(3,\)"):
        match_boxes(torch.zeros(3), 0.7, 0.3)
    with pytest.raises(ValueError, match=r"low <= high, got 0\.7 and 0\.3"):
        match_boxes(torch.zeros(1, 3), 0.3, 0.7)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(
    st.lists(st.sampled_from([-2, -1, 0, 1]), max_size=30),
    st.integers(0, 12),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    st.one_of(st.none(), st.integers(0, 99)),
)
def test_samples_are_balanced(
    matches: list[int], count: int, fraction: float, seed: int | None
) -> None:
    generator = None if seed is None else seeded(seed)
    positive, negative = sample_balanced(torch.tensor(matches), count, fraction, generator)
    chosen, others = positive.tolist(), negative.tolist()
    objects = sum(match >= 0 for match in matches)
    assert len(chosen) == min(int(count * fraction), objects)
    assert len(others) == min(count - len(chosen), matches.count(-1))
    assert all(matches[i] >= 0 for i in chosen)
    assert all(matches[i] == -1 for i in others)
    assert chosen == sorted(set(chosen))
    assert others == sorted(set(others))
    assert positive.dtype == negative.dtype == torch.int64


def test_without_a_generator_the_first_are_taken() -> None:
    matches = torch.tensor([-1, 3, -2, -1, 0, -1, 5, -1])
    positive, negative = sample_balanced(matches, 4, 0.5)
    assert (positive.tolist(), negative.tolist()) == ([1, 4], [0, 3])


def test_the_generator_decides_and_everything_is_reached() -> None:
    matches = torch.tensor([0] * 6 + [-1] * 6)
    drawn = [sample_balanced(matches, 4, 0.5, seeded(seed)) for seed in range(60)]
    again = sample_balanced(matches, 4, 0.5, seeded(7))
    assert all(torch.equal(a, b) for a, b in zip(drawn[7], again, strict=True))
    assert {i for positive, _ in drawn for i in positive.tolist()} == set(range(6))
    assert {i for _, negative in drawn for i in negative.tolist()} == set(range(6, 12))
