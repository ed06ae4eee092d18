"""Runs that earlier versions wrote still open, answer as they did, and go on.

tests/stored/retinanet-1 was trained by the first version for two of three steps, on four scenes;
answers.json is what that version said of an image of noise.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tapetum import api
from tapetum.runs.history import read_history

STORED = Path(__file__).parents[1] / "stored"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tapetum.data.scenes.LENGTHS", dict.fromkeys(("train", "val", "test"), 4))
    return Path(shutil.copytree(STORED / "retinanet-1", tmp_path / "run"))


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
