"""TensorBoard's own reader finds every number once, also after a resume."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tapetum.base.errors import UsageError
from tapetum.runs.history import read_history
from tapetum.training.loop import fit
from tapetum.training.tensorboard import TensorBoardObserver
from tapetum.weights.checkpoint import find_checkpoint
from tests.training.toy import StopAt, accuracy, make_job, same_state


def scalars(run: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(run / "tensorboard"), {"scalars": 0})
    found.Reload()
    return {t: [(e.step, e.value) for e in found.Scalars(t)] for t in found.Tags()["scalars"]}


def test_every_number_is_there_once_after_a_crash_and_a_resume(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")

    class Crash(StopAt):
        def on_step(self, row, state):
            if row["step"] == self.step:
                raise OSError("power cut")

    job = make_job(tmp_path, validate=accuracy, evaluate_every=2, epochs=4)
    with pytest.raises(OSError, match="power cut"):  # steps 7, 8 are written, and done again
        fit(job, [TensorBoardObserver(tmp_path), Crash(8)])
    job = make_job(tmp_path, validate=accuracy, evaluate_every=2, epochs=4)
    last, _ = find_checkpoint(tmp_path, "last")
    assert last.name == "step-00000006"
    fit(job, [TensorBoardObserver(tmp_path)], resume=last)
    rows = read_history(tmp_path)
    steps = [row for row in rows if row["event"] == "step"]
    evaluations = [row for row in rows if row["event"] == "evaluation"]
    assert len(steps) == 12
    found = scalars(tmp_path)
    for name in ("loss", "lr", "gradient_norm", "seconds", "data_wait"):
        written = [(row["step"], pytest.approx(row[name], rel=1e-6)) for row in steps]
        assert found.pop(name) == written
    assert found.pop("loss/class") == [
        (row["step"], pytest.approx(row["losses"]["class"], rel=1e-6)) for row in steps
    ]
    assert [step for step, _ in found.pop("evaluation_seconds")] == [6, 12]
    measured = [(row["step"], pytest.approx(row["accuracy"])) for row in evaluations]
    assert found.pop("evaluation/accuracy") == measured
    assert not found


def test_watching_changes_nothing_and_a_skipped_step_has_no_norm(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    seen, no_progress = tmp_path / "seen", tmp_path / "unseen"
    for folder in (seen, no_progress):
        folder.mkdir()
    fit(make_job(no_progress, epochs=2))
    fit(make_job(seen, epochs=2), [TensorBoardObserver(seen)])
    same_state(seen, no_progress)
    observer = TensorBoardObserver(tmp_path)
    observer.on_start(3, 0)
    row = {"step": 1, "loss": 1.0, "losses": {}, "lr": 0.1, "seconds": 1.0, "data_wait": 0.0}
    observer.on_step(row | {"gradient_norm": None, "skipped": True}, None)
    observer.on_end()
    assert set(scalars(tmp_path)) == {"loss", "lr", "seconds", "data_wait"}


def test_without_the_extra_one_line_says_how_to_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match="tensorboard is not installed") as caught:
        TensorBoardObserver(tmp_path)
    assert "pip install 'tapetum[tensorboard]'" in str(caught.value)
