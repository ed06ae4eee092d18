"""Functions of the user's own hear of every step and every epoch."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapetum.training.callbacks import Calls
from tapetum.training.loop import fit
from tests.training.toy import accuracy, make_job


def test_steps_and_epochs_are_told(tmp_path: Path) -> None:
    steps: list[dict] = []
    epochs: list[dict] = []
    fit(make_job(tmp_path, validate=accuracy, epochs=3), [Calls(steps.append, epochs.append)])
    assert [row["step"] for row in steps] == list(range(1, 10))
    assert [row["epoch"] for row in epochs] == [1, 2, 3]
    assert [row["epoch"] for row in steps] == [step / 3 for step in range(1, 10)]
    assert [row["step"] for row in epochs] == [3, 6, 9]
    for row in epochs:
        own = [s["loss"] for s in steps[row["step"] - 3 : row["step"]]]
        assert row["loss"] == pytest.approx(sum(own) / 3)
    assert "accuracy" in epochs[-1]


def test_what_a_function_raises_ends_the_training(tmp_path: Path) -> None:
    def enough(row: dict) -> None:
        if row["step"] == 2:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        fit(make_job(tmp_path, epochs=3), [Calls(on_step=enough)])


def test_an_epoch_ends_where_it_ends_however_long() -> None:
    """Rounded to a few digits, its first and its last but one step would look whole."""
    ended: list[dict] = []
    calls, count = Calls(on_epoch=ended.append), 29_571
    for step in (1, 2, count - 1, count, count + 1):
        calls.on_step({"step": step, "epoch": step / count, "loss": 1.0}, None)
    assert [row["step"] for row in ended] == [count]
