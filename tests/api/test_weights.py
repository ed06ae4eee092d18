"""Runs that start from weights, and networks that answer without a run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tapetum import api
from tapetum.base.errors import DownloadError, UsageError
from tapetum.models import MODELS
from tapetum.models.published import PUBLISHED
from tapetum.training.run import read_run

NARROW = {"backbone_width": 8}
HEADS = {"fpn_channels": 8, "head_convs": 1}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Empty caches, and nobody at the other end of the network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("TAPETUM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tapetum.models.published._HOST", "http://127.0.0.1:9/")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The weights of a narrow classifier."""
    torch.manual_seed(1)
    path = tmp_path / "made.safetensors"
    save_file(MODELS["resnet10"](**NARROW, classes=5).state_dict(), path)
    return path


def train(model: str, out: Path, weights: str, said: list[str], **more: object) -> Path:
    values = {
        "backbone": "resnet10",
        "arguments": {**NARROW, **HEADS},
        "image_size": 64,
        "batch_size": 2,
        "max_steps": 1,
        "lr": 1e-9,
        "ema_decay": 0.0,
        "validate": False,
        "observers": (),
        **more,
    }
    return api.train(model, "scenes:count=4", out=out, weights=weights, say=said.append, **values)


def test_a_detector_starts_from_the_body_of_a_file(tmp_path: Path, file: Path) -> None:
    said: list[str] = []
    run = train("retinanet", tmp_path / "run", str(file), said)
    record = read_run(run)
    assert record.weights == str(file)
    assert record.arguments["norm"] == "frozen"
    assert f"weights of {file}:" in said
    assert any(line.startswith("  reused") for line in said)
    (checkpoint,) = (run / "checkpoints").glob("step-*/model.safetensors")
    ours, theirs = load_file(checkpoint), load_file(file)
    conv = "backbone.stage3.0.conv1.conv.weight"
    torch.testing.assert_close(ours[conv], theirs[conv])  # after a step that moves nothing


def test_a_run_is_weights_for_another(tmp_path: Path, file: Path) -> None:
    first = train("retinanet", tmp_path / "first", str(file), [])
    said: list[str] = []
    other = train("localizer", tmp_path / "second", str(first), said, arguments=NARROW)
    assert read_run(other).weights == str(first)
    assert "norm" not in read_run(other).arguments  # localizers see enough pictures a step
    assert any(line.startswith("  reused") for line in said)


def test_a_chosen_norm_stays(tmp_path: Path, file: Path) -> None:
    arguments = {**NARROW, **HEADS, "norm": "batch"}
    run = train("retinanet", tmp_path / "run", str(file), [], arguments=arguments)
    assert read_run(run).arguments["norm"] == "batch"


def test_norms_without_statistics_stay(tmp_path: Path) -> None:
    """Frozen norms would take their scales for those of statistics that nobody ever had."""
    arguments = {**NARROW, **HEADS, "norm": "group"}
    first = train("retinanet", tmp_path / "first", "none", [], arguments=arguments)
    second = train("retinanet", tmp_path / "second", str(first), [])
    assert read_run(second).arguments["norm"] == "group"


@pytest.mark.parametrize("weights", ["none", "auto"])
def test_scratch_is_said_aloud(tmp_path: Path, weights: str) -> None:
    said: list[str] = []
    run = train("retinanet", tmp_path / "run", weights, said)
    assert "it starts from scratch" in said
    assert read_run(run).weights == "none"


def test_without_a_network_nothing_starts_silently(tmp_path: Path) -> None:
    wide = {"fpn_channels": 8, "head_convs": 1}
    with pytest.raises(DownloadError, match="--weights none starts from scratch") as caught:
        train("retinanet", tmp_path / "run", "auto", [], backbone="resnet18", arguments=wide)
    assert str(tmp_path / "cache" / "weights" / PUBLISHED[0].file) in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_run_has_its_own_weights(tmp_path: Path, file: Path) -> None:
    run = train("retinanet", tmp_path / "run", "none", [])
    with pytest.raises(UsageError, match="--weights is for networks by name"):
        api.load(run, weights=str(file))


def test_a_network_by_name_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the real ResNet-18, its random weights under the name of the published file."""
    torch.manual_seed(2)
    path = tmp_path / "mine.safetensors"
    save_file(MODELS["resnet18"](classes=1000).state_dict(), path)
    loaded = api.load("resnet18", weights=str(path))
    scores = loaded.predict(torch.rand(3, 70, 50)).class_scores
    assert scores is not None
    assert scores.shape == (1000,)
    assert loaded.classes[1] == "goldfish"
    assert loaded.task.name == "classification"
