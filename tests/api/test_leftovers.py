"""A training that fails before its first step leaves no run folder; a later one keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tapetum import api
from tapetum.base.errors import TapetumError, TrainingError, UsageError
from tapetum.runs.history import read_history

STEP = "tapetum.training.step.compute_losses"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "first"


def train(out: Path, model: str = "resnet10", **more: Any) -> Path:
    arguments = more.pop("arguments", {})
    steps = {} if model == "knn" else {"batch_size": 2, "max_steps": 2}
    return api.train(
        model,
        "scenes:count=4",
        out=out,
        arguments={"backbone_width": 4, **arguments} if model == "resnet10" else arguments,
        **{"image_size": 16, "precision": "fp32", **steps, **more},
    )


def out_of_memory(*_: Any, **__: Any) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize(
    "wrong",
    [
        {"arguments": {"norm": "layer"}},
        {"weights": "nowhere.pth"},
        {"arguments": {"image_std": [1e-39] * 3}},  # pixels are infinite, and the loss is no number
        {"freeze": 9},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_cannot_begin_leaves_no_folder(out: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(TapetumError):
        train(out, **wrong, observers=())
    assert not out.parent.exists()


@pytest.mark.parametrize("tensorboard", [False, True])
def test_out_of_memory_at_the_first_step_leaves_no_folder(
    out: Path, monkeypatch: pytest.MonkeyPatch, tensorboard: bool
) -> None:
    monkeypatch.setattr(STEP, out_of_memory)
    with pytest.raises(TrainingError, match="out of memory with one image"):
        train(out, observers=(), tensorboard=tensorboard)
    assert not out.parent.exists()


def test_a_folder_that_was_there_stays_and_is_as_empty(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out.mkdir(parents=True)
    beside = out.with_name("notes.txt")
    beside.write_text("mine")
    monkeypatch.setattr(STEP, out_of_memory)
    with pytest.raises(TrainingError):
        train(out, observers=())
    assert list(out.iterdir()) == []
    assert beside.read_text() == "mine"


def test_what_appears_meanwhile_belongs_to_somebody_else(out: Path) -> None:
    def elsewhere(words: str) -> None:
        if words.startswith("no pretrained weights"):
            out.mkdir(parents=True)
            (out / "run.json").write_text("of another training")

    with pytest.raises(UsageError, match="exists already"):
        train(out, observers=(), log=elsewhere)
    assert (out / "run.json").read_text() == "of another training"


def test_what_fails_later_keeps_what_it_has(out: Path) -> None:
    def fail(row: dict[str, Any]) -> None:
        raise RuntimeError("the fault of an observer")

    with pytest.raises(RuntimeError, match="the fault of an observer"):
        train(out, observers=(), on_step=fail)
    assert [row["step"] for row in read_history(out)] == [1]
    assert (out / "run.json").is_file()


def test_a_fit_that_is_stopped_leaves_no_folder(out: Path) -> None:
    def stop(words: str) -> None:
        if words.startswith("fitted on"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(out, "knn", log=stop)
    assert not out.parent.exists()
    assert (train(out, "knn") / "checkpoints" / "step-00000001").is_dir()
