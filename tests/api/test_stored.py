"""Runs that earlier versions wrote still open, answer as they did, and go on.

tests/stored/retinanet-1 was trained by the first version for two of three steps, on four scenes;
answers.json is what it said of an image of noise, and uninterrupted.jsonl what the last version
with the old names logged of the third step. tests/stored/faster_rcnn-1 was trained by that version
for two of four steps. Many names in both have changed since; of Faster R-CNN also which anchors and
regions a step samples, so its next losses are others.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tapetum import api
from tapetum.runs.aliases import current_rows, current_state
from tapetum.runs.history import read_history
from tapetum.runs.record import read_run
from tapetum.runs.repeat import merge_options
from tapetum.training.ema import MovingAverage
from tapetum.training.job import build_model
from tapetum.training.optim import make_optimizer
from tapetum.training.state import STATE, TrainingState
from tapetum.weights.sources import Source
from tapetum.weights.tensors_file import read_tensors

STORED = Path(__file__).parents[1] / "stored"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tapetum.data.scenes.LENGTHS", dict.fromkeys(("train", "val", "test"), 4))
    return Path(shutil.copytree(STORED / "retinanet-1", tmp_path / "run"))


@pytest.fixture
def renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tapetum.data.scenes.LENGTHS", dict.fromkeys(("train", "val", "test"), 4))
    return Path(shutil.copytree(STORED / "faster_rcnn-1", tmp_path / "renamed"))


def test_it_answers_as_it_did(run: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (3, 64, 80), dtype=np.uint8)
    model = api.load(run).model
    with torch.inference_mode():
        batch = model.preprocess([torch.from_numpy(noise)])
        logits = model(batch.pixels, batch.sizes).logits[0, ::97, 0]
    known = json.loads((run / "answers.json").read_text())["logits"]
    torch.testing.assert_close(logits, torch.tensor(known), rtol=1e-5, atol=1e-6)


def test_it_is_measured_and_reported(run: Path) -> None:
    assert api.evaluate(run).stats.keys() >= {"AP", "AP50", "AR100"}
    assert api.report(run).is_file()


def test_it_goes_on_as_the_version_that_wrote_it_would(run: Path) -> None:
    """Weights, their average and what the optimizer remembers of each are taken over."""
    api.resume(run, observers=())
    rows = [row for row in read_history(run) if row["event"] == "step"]
    assert [row["step"] for row in rows] == [1, 2, 3]
    lines = (run / "uninterrupted.jsonl").read_text().splitlines()
    (known,) = current_rows(map(json.loads, lines), "retinanet")
    # Equal to the last bit on one machine; other processors sum in another order.
    assert rows[-1]["loss"] == pytest.approx(known["loss"], rel=1e-6)
    assert rows[-1]["losses"] == pytest.approx(known["losses"], rel=1e-6)
    assert rows[-1]["gradient_norm"] == pytest.approx(known["gradient_norm"], rel=1e-5)


def test_a_run_with_old_names_answers_as_it_did(renamed: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (3, 64, 80), dtype=np.uint8)
    model = api.load(renamed).model
    with torch.inference_mode():
        batch = model.preprocess([torch.from_numpy(noise)])
        logits = model(batch.pixels, batch.sizes).class_logits[:8].flatten()
    known = json.loads((renamed / "answers.json").read_text())["class_logits"]
    torch.testing.assert_close(logits, torch.tensor(known), rtol=1e-5, atol=1e-6)


def test_a_run_with_old_names_is_measured_and_reported(renamed: Path) -> None:
    assert api.evaluate(renamed).stats.keys() >= {"AP", "AP50", "AR100"}
    assert api.report(renamed).is_file()


def test_a_run_with_old_names_goes_on_from_its_bits(renamed: Path, tmp_path: Path) -> None:
    """Weights, their average and what the optimizer remembers have other names now; nothing is
    lost, and nothing changes on the way."""
    folder = renamed / "checkpoints" / "step-00000002"
    record = read_run(renamed)
    model = build_model(record)
    average = MovingAverage(model, record.settings.ema_decay)
    state = TrainingState(model, make_optimizer(model, record.settings), average)
    state.restore(folder)
    saved = state.save(tmp_path / "again", record.model_info(), None, 0)
    old = current_state(prefixed(read_tensors(folder / STATE)), "faster_rcnn")
    new = prefixed(read_tensors(saved / STATE))
    assert old.keys() == new.keys()
    assert all(torch.equal(new[name], value) for name, value in old.items())


def prefixed(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors with their part ("weights.", "average.", "optimizer.") behind the name."""
    parted = ((name.partition("."), value) for name, value in tensors.items())
    return {f"{name}-{part}": value for (part, _, name), value in parted}


def test_a_run_with_old_names_is_resumed(renamed: Path) -> None:
    api.resume(renamed, observers=())
    assert [row["step"] for row in read_history(renamed) if row["event"] == "step"] == [1, 2, 3, 4]


def test_a_training_repeats_what_a_run_with_old_names_was_asked(renamed: Path) -> None:
    record = read_run(renamed)
    assert record.options.unlabeled == "negative"
    assert record.counts["images"] == {"train": 4, "val": 4}
    assert merge_options(renamed, {}).data == "scenes"


def test_a_training_starts_from_the_weights_of_a_run_with_old_names(renamed: Path) -> None:
    model = api.load(renamed).model
    folder = renamed / "checkpoints" / "step-00000002"
    for place in (renamed, folder / "model.safetensors"):
        result, _ = Source(str(place)).into(model)
        assert not result.missing
        assert not result.unused
