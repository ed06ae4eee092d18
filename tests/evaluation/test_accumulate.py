"""The pieces of the curve against their plain definitions."""

from __future__ import annotations

import numpy as np

from tapetum.evaluation.accumulate import _hits_needed, _suffix_maximum


def test_the_hits_a_recall_needs_are_those_that_search_finds() -> None:
    """For every number of truths up to 3000: the same as searching the rounded recalls."""
    recalls = np.linspace(0, 1, 101)
    totals = np.arange(1, 3001)
    needed = _hits_needed(recalls, totals[None])[0]  # (3000, 101)
    for total, row in zip(totals.tolist(), needed, strict=True):
        reached = np.arange(total + 1) / total
        assert np.array_equal(row, np.searchsorted(reached, recalls, side="left"))


def test_the_suffix_maximum_stays_within_its_run() -> None:
    random = np.random.default_rng(0)
    for longest in (1, 2, 3, 8, 40):
        lengths = random.integers(1, longest + 1, 30)
        cell = np.repeat(np.arange(30) * 2, lengths)
        values = random.random(len(cell))
        expected = [values[i:][cell[i:] == cell[i]].max() for i in range(len(cell))]
        assert _suffix_maximum(values, cell).tolist() == expected
    assert _suffix_maximum(np.zeros(0), np.zeros(0, dtype=np.int64)).shape == (0,)
