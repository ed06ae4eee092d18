"""What the options of a training decide, and those that could decide nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tapetum import api
from tapetum.base.errors import TapetumError, UsageError
from tapetum.runs.record import read_run

OWN = """
import torch
from tapetum.models.classification.classifier import ImageClassifier
from tapetum.models.classification.linear import linear
from tapetum.models.segmentation.segmenter import SemanticSegmenter
from tapetum.models.segmentation.unet import unet


def fixed(classes: int = 2, l2: float = 0.0) -> ImageClassifier:
    return linear(num_classes=8, image_size=16)


def maps(num_classes: int = 2) -> SemanticSegmenter:
    return unet(num_classes=num_classes, encoder="resnet10", width=8)


class Duck(torch.nn.Module):
    task = "classification"


def ducks(num_classes: int = 2):
    return torch.nn.Linear(2, num_classes)


ducks.task = "classification"
"""
QUICK = {"weights": "none", "max_steps": 1, "batch_size": 2, "observers": ()}


IDLE = {
    "lr": 0.1,
    "optimizer": "sgd",
    "epochs": 3,
    "batch_size": 8,
    "ema_decay": 0.9,
    "augment": "none",
}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "own.py"
    file.write_text(OWN)
    return file


def refused(model: str, out: Path, data: str = "scenes:count=4", **options: object) -> str:
    with pytest.raises(UsageError) as caught:
        api.train(model, data, out=out / "run", **{**QUICK, **options})
    assert not (out / "run").exists()
    return str(caught.value)


def test_a_size_that_the_model_does_not_take_is_refused(own: Path) -> None:
    says = refused(f"{own}:fixed", own.parent, image_size=32)
    assert says.startswith("image_size: ")
    assert "own.py:fixed has neither an argument image_size nor min_size" in says
    assert says.endswith("(hint: it takes classes, l2)")


def test_a_size_of_windows_is_refused_where_none_are_cut(own: Path) -> None:
    says = refused(f"{own}:maps", own.parent, image_size=32, augment="flip")
    assert says.startswith("image_size: has no effect with augment flip")


def test_a_size_among_the_arguments_is_that_of_the_whole_training(tmp_path: Path) -> None:
    """The model, its augmentation and the record must not differ."""
    run = api.train(
        "resnet10", "scenes:count=4", out=tmp_path / "run", arguments={"image_size": 48}, **QUICK
    )
    record = read_run(run)
    assert record.image_size == record.arguments["image_size"] == 48
    says = refused("resnet10", tmp_path / "b", image_size=64, arguments={"image_size": 48})
    assert "image_size and the argument image_size both say the size" in says


def test_a_model_without_size_and_number_of_classes_says_so(own: Path) -> None:
    told: list[str] = []
    run = api.train(
        f"{own}:fixed", "scenes:count=4", out=own.parent / "run", log=told.append, **QUICK
    )
    assert (run / "run.json").is_file()
    assert (
        "own.py:fixed has no argument num_classes: it is not told that there are 8 classes" in told
    )


@pytest.mark.parametrize("option", IDLE)
def test_a_setting_of_descent_is_refused_for_a_model_that_is_fitted(
    option: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        api.train("knn", "scenes:count=4", out=tmp_path / "run", **{option: IDLE[option]})
    assert str(caught.value).startswith(f"{option}: has no effect: knn is fitted in one step")
    assert not (tmp_path / "run").exists()


def test_a_model_that_is_fitted_takes_seed_and_workers(tmp_path: Path) -> None:
    told: list[str] = []
    options = {"seed": 3, "workers": 0, "image_size": 16, "log": told.append}
    api.train("knn", "scenes:count=4", out=tmp_path / "run", **options)
    assert any(line.endswith("fitted in one step") for line in told)


@pytest.fixture
def no_data(monkeypatch: pytest.MonkeyPatch) -> str:
    """Data that must not be read."""
    monkeypatch.setattr("tapetum.data.reading.training_data._of_files", never)
    return "nowhere"


def never(*_: object, **__: object) -> None:
    raise AssertionError("too late")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"group_by": "(("}, "group_by: '((': missing ), unterminated subpattern"),
        ({"group_by": "nowhere.csv:patient"}, "nowhere.csv: group_by: no such file"),
        ({"group_by": "groups.csv:patient"}, "groups.csv: group_by: no column 'patient'"),
        ({"weights": "photo.jpg"}, "photo.jpg: a file .jpg; weights are read from"),
        ({"weights": "photo.pth"}, "photo.pth: not a file of weights"),
        ({"weights": "photo.safetensors"}, "photo.safetensors: not a safetensors file"),
        ({"weights": "empty"}, "empty: not a run folder"),
        ({"arguments": {"paths": 5}}, "resnet10 has no argument 'paths'"),
        ({"model": "own.py:Duck"}, "own.py:Duck: builds a Duck, not a Model"),
    ],
    ids=str,
)
def test_what_is_wrong_without_data_is_refused_before_they_are_read(
    own: Path, no_data: str, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], says: str
) -> None:
    monkeypatch.chdir(own.parent)
    for name in ("photo.jpg", "photo.pth", "photo.safetensors"):
        Path(name).write_bytes(b"\xff\xd8\xff\xe0" * 8)
    Path("groups.csv").write_text("file,clip\na.jpg,1\n")
    Path("empty").mkdir()
    with pytest.raises(TapetumError) as caught:
        api.train(**{"model": "resnet10", "data": no_data, "out": "run", **options})
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"model": "vit_b_16", "arguments": {"patch": 5}}, "patch: expected a divisor"),
        ({"model": "own.py:ducks"}, "builds a Linear, not a Model"),
        ({"model": "knn", "lr": 0.1}, "lr: has no effect"),
        ({"augment": "cutout"}, "unknown augmentation 'cutout'"),
    ],
    ids=str,
)
def test_what_is_wrong_with_the_model_is_refused_before_near_duplicates_are_searched(
    own: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], says: str
) -> None:
    monkeypatch.chdir(own.parent)
    monkeypatch.setattr("tapetum.data.reading.training_data.near_duplicates", never)
    for name in ("cat", "dog"):
        (own.parent / "photos" / name).mkdir(parents=True)
        for index in range(8):
            place = own.parent / "photos" / name / f"{index}.png"
            Image.new("RGB", (32, 32), (8 * index, 0, 0)).save(place)
    with pytest.raises(UsageError) as caught:
        api.train(**{"model": "resnet10", "data": "photos", "out": "run", **options})
    assert says in str(caught.value)
