"""One more metric: a file with its function, and a line of METRICS."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tapetum.evaluation import (
    METRICS,
    Metric,
    MultilabelResult,
    evaluate_classes,
    with_metrics,
)
from tapetum.runs.history import read_history
from tests.extending.tools import export, look, train


def hamming_loss(result: MultilabelResult) -> float:
    """The fraction of wrong decisions, at a score of 0.5."""
    return float(np.mean((result.scores >= 0.5) != result.targets))


ENTRY = Metric("fraction of wrong yes or no decisions; 0 is best", MultilabelResult, hamming_loss)


def test_a_metric_is_a_line_of_metrics(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, photo: Path
) -> None:
    monkeypatch.setitem(METRICS, "hamming_loss", ENTRY)
    run = train("linear", tmp_path / "run")
    stats = look(run, photo)
    assert 0 <= stats["hamming_loss"] <= 1
    assert (
        json.loads((run / "evaluation.json").read_text())["hamming_loss"] == stats["hamming_loss"]
    )
    assert ENTRY.meaning in (run / "report.html").read_text()
    assert any("hamming_loss" in row for row in read_history(run) if row["event"] != "step")
    export(run)


def test_metrics_of_other_results_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    result = evaluate_classes(np.eye(2), np.array([0, 1]), ("a", "b"))
    before = dict(result.stats)
    monkeypatch.setitem(METRICS, "hamming_loss", ENTRY)
    assert with_metrics(result).stats == before
