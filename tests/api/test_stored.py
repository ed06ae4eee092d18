"""Runs that earlier versions wrote still open, answer as they did, and go on.

tests/stored/retinanet-1 was trained by the first version for two of three steps, on four scenes;
answers.json is what that version said of an image of noise. tests/stored/faster_rcnn-1 was trained
by a later one for two of four steps; uninterrupted.jsonl is what that version logged of the other
two where nothing stopped it. Many names in both have changed since.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tapetum import api
from tapetum.runs.aliases import current_rows
from tapetum.runs.history import read_history
from tapetum.runs.record import read_run
from tapetum.runs.repeat import merge_options
from tapetum.weights.sources import Source

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


def test_it_goes_on(run: Path) -> None:
    api.resume(run, observers=())
    steps = [row["step"] for row in read_history(run) if row["event"] == "step"]
    assert steps == [1, 2, 3]


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


def test_a_run_with_old_names_goes_on_as_if_never_stopped(renamed: Path) -> None:
    """The weights, their average and what the optimizer remembers of each have other names now."""
    api.resume(renamed, observers=())
    rows = [row for row in read_history(renamed) if row["event"] == "step"][2:]
    lines = (renamed / "uninterrupted.jsonl").read_text().splitlines()
    expected = current_rows(map(json.loads, lines), "faster_rcnn")
    assert [row["step"] for row in rows] == [3, 4]
    for row, known in zip(rows, expected, strict=True):
        # Equal to the last bit on one machine; other processors sum in another order.
        assert row["loss"] == pytest.approx(known["loss"], rel=1e-6)
        assert row["losses"] == pytest.approx(known["losses"], rel=1e-6)
        assert row["gradient_norm"] == pytest.approx(known["gradient_norm"], rel=1e-5)


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
