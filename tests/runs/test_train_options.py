"""What somebody asks of a training, and asks again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tapetum import api
from tapetum.base.errors import UsageError
from tapetum.runs.record import LIFTED, command_line, default_folder, read_run
from tapetum.runs.repeat import merge_options
from tapetum.runs.train_options import TrainOptions
from tapetum.training.plan_run import kept

QUICK: dict[str, Any] = {"observers": (), "precision": "fp32", "image_size": 16}


FEW = "scenes:count=4"


def test_what_is_not_said_has_a_default() -> None:
    said = merge_options(None, {"model": "m", "data": "d", "val": None, "lr": None})
    assert said == TrainOptions("m", "d")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"data": "d"}, "train needs model"),
        ({"model": "m"}, "train needs data"),
        ({"learning": 1}, "unknown option 'learning'"),
        ({"settings": {"learning": 1}}, "unknown setting 'learning'"),
        ({"unlabeled": "maybe"}, "unlabeled: cannot be 'maybe'"),
        ({"minutes": 0.0}, "minutes: must be above 0"),
        ({"minutes": float("nan")}, "minutes: must be above 0"),
        ({"minutes": 1.0, "epochs": 3}, "minutes and epochs both"),
        ({"minutes": 1.0, "max_steps": 3}, "minutes and max_steps both"),
        ({"val": "v", "split_ratio": "0.2"}, "val and split_ratio both"),
        ({"val": "v", "group_by": "x"}, "val and group_by both"),
    ],
)
def test_what_cannot_be(given: dict[str, Any], words: str) -> None:
    whole = given if "data" in given or "model" in given else {"model": "m", "data": "d", **given}
    with pytest.raises(UsageError, match=words):
        merge_options(None, whole)


def test_a_run_is_asked_for_again(tmp_path: Path) -> None:
    """The same words give the same run, and what is said now wins."""
    asked = {"model": "linear", "data": FEW, "seed": 5, "lr": 0.01, "max_steps": 2, **QUICK}
    first = api.train(**asked, out=tmp_path / "first")
    again = api.train(from_run=first, out=tmp_path / "again", observers=())
    other = api.train(from_run=first, out=tmp_path / "other", observers=(), lr=0.5, max_steps=1)
    records = [read_run(run) for run in (first, again, other)]
    assert records[1].settings == records[0].settings
    assert records[1].arguments == records[0].arguments
    weights = [next(run.rglob("model.safetensors")).read_bytes() for run in (first, again)]
    assert weights[0] == weights[1]
    assert records[2].settings.lr == 0.5
    assert records[2].settings.seed == 5
    assert records[2].settings.max_steps == 1


def test_another_way_to_say_how_long_wins(tmp_path: Path) -> None:
    run = tmp_path / "run"
    api.train("linear", FEW, out=run, epochs=1, **QUICK)
    assert merge_options(run, {"minutes": 2.0}).settings.get("epochs") is None
    raw = json.loads((run / "run.json").read_text())
    raw["options"] |= {"minutes": 3.0, "settings": {}}
    (run / "run.json").write_text(json.dumps(raw))
    assert merge_options(run, {"epochs": 7}).minutes is None
    assert merge_options(run, {}).minutes == 3.0
    raw["options"] |= {"val": "there"}
    (run / "run.json").write_text(json.dumps(raw))
    assert merge_options(run, {"split_ratio": "0.2"}).val is None


def test_paths_are_kept_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    said = kept(TrainOptions("m", "photos", val="scenes", weights="auto"))
    assert (said.data, said.val) == (str(tmp_path / "photos"), "scenes")
    (tmp_path / "people.csv").write_text("file,patient\n")
    for group_by, stored in (
        ("people.csv:patient", f"{tmp_path}/people.csv:patient"),
        ("^(.+):x", "^(.+):x"),
    ):
        assert kept(TrainOptions("m", "d", group_by=group_by)).group_by == stored


def test_runs_get_a_folder_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_folder("retinanet", "a/photos") == Path("runs/retinanet-photos")
    Path("runs/retinanet-photos").mkdir(parents=True)
    assert default_folder("retinanet", "photos.zip") == Path("runs/retinanet-photos-2")
    assert default_folder("my.py:build", "data.py:make") == Path("runs/my-data")
    run = api.train("linear", "scenes:clutter,count=4", epochs=1, batch_size=4, **QUICK)
    assert run == Path("runs/linear-scenes")


@pytest.mark.parametrize("length", ["epochs", "max_steps"])
def test_a_new_length_is_the_only_one(tmp_path: Path, length: str) -> None:
    run = tmp_path / "run"
    api.train("linear", FEW, out=run, epochs=1, max_steps=1, **QUICK)
    settings = merge_options(run, {length: 9}).settings
    assert {name: settings.get(name) for name in ("epochs", "max_steps")} == {
        "epochs": None,
        "max_steps": None,
        length: 9,
    }
    with pytest.raises(UsageError, match="both say how long"):
        merge_options(run, {"minutes": 2.0, length: 9})


def test_words_of_ours_are_no_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a file or folder of that name lies."""
    monkeypatch.chdir(tmp_path)
    for name in ("scenes", "resnet18", "auto", "mine"):
        Path(name).mkdir()
    for weights, stored in (("resnet18", "resnet18"), ("auto", "auto"), ("mine", "/mine")):
        said = kept(TrainOptions("m", "scenes", weights=weights))
        assert said.data == "scenes"
        assert said.weights.endswith(stored)
        assert Path(said.weights).is_absolute() == (weights == "mine")


def test_a_run_of_the_first_version_is_repeated_as_it_was_trained(tmp_path: Path) -> None:
    """It stored what was used, beside each other, and not what was asked for."""
    run = tmp_path / "run"
    api.train("linear", FEW, out=run, max_steps=1, lr=0.5, augment="none", **QUICK)
    raw = json.loads((run / "run.json").read_text())
    used = raw.pop("options")
    for old, new in LIFTED.items():
        raw[old] = used[new]
    (run / "run.json").write_text(json.dumps(raw))
    options = merge_options(run, {})
    assert (options.data, options.augment, options.image_size) == (FEW, "none", 16)
    assert options.settings["lr"] == 0.5


def test_options_are_one_object_or_keywords(tmp_path: Path) -> None:
    options = TrainOptions("linear", FEW, precision="fp32", image_size=16, settings={"seed": 4})
    api.train(options, out=tmp_path / "a", observers=(), max_steps=1)
    api.train("linear", FEW, out=tmp_path / "b", max_steps=1, seed=4, **QUICK)
    records = [read_run(tmp_path / name) for name in "ab"]
    assert records[0].options == records[1].options
    assert records[0].settings == records[1].settings


def test_options_import_no_torch() -> None:
    code = "import sys, tapetum.runs.train_options; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("program", ["/usr/bin/tapetum", "/home/me/tapetum/__main__.py"])
def test_the_command_is_recorded_as_it_is_typed(
    program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [program, "train", "knn", "photos"])
    assert command_line() == "tapetum train knn photos"


def test_what_is_given_replaces_what_says_the_same_in_the_run(tmp_path: Path) -> None:
    arguments = {"image_size": 32, "backbone_width": 8}
    run = api.train("resnet10", FEW, out=tmp_path / "run", arguments=arguments, **FIRST)
    again = merge_options(run, {"image_size": 48})
    assert (again.image_size, again.arguments) == (48, {"backbone_width": 8})
    windows = merge_options(run, {"image_size": 96, "arguments": {"min_size": 256}})
    assert (windows.image_size, windows.arguments["min_size"]) == (96, 256)
    back = merge_options(run, {"arguments": {"image_size": 64}})
    assert (back.image_size, back.arguments["image_size"]) == (None, 64)


FIRST: dict[str, Any] = {"observers": (), "max_steps": 1, "weights": "none", "batch_size": 2}


def test_numbers_of_numpy_become_plain_and_others_are_refused() -> None:
    given = {"max_steps": np.int64(3), "lr": np.float32(0.5), "batch_size": 2}
    options = merge_options(None, {"model": "m", "data": "d", **given})
    assert json.loads(json.dumps(options.settings)) == {"max_steps": 3, "lr": 0.5, "batch_size": 2}
    for name, value in (("epochs", "3"), ("epochs", 1.5), ("epochs", True), ("lr", float("inf"))):
        with pytest.raises(UsageError, match=f"^{name}: "):
            merge_options(None, {"model": "m", "data": "d", name: value})


def test_a_repeated_unet_keeps_its_short_side_beside_other_windows(tmp_path: Path) -> None:
    arguments = {"min_size": 64, "encoder": "resnet10", "width": 8}
    run = api.train("unet", FEW, out=tmp_path / "run", arguments=arguments, **FIRST)
    again = merge_options(run, {"image_size": 96})
    assert (again.image_size, again.arguments["min_size"]) == (96, 64)
