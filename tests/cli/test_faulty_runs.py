"""The same fault of a run is the same line and the same exit code, whichever command meets it.

2: something else was named than a run. 1: the run is damaged.
"""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tapetum.cli.main import main

COMMANDS = {
    "evaluate": (),
    "evaluate on other data": ("scenes",),
    "predict": ("IMAGE",),
    "explain": ("IMAGE",),
    "export": ("--to", "onnx"),
    "report": (),
    "train": ("--resume",),
}


def _no_folder(run: Path) -> None:
    shutil.rmtree(run)


def _no_record(run: Path) -> None:
    (run / "run.json").unlink()


def _cut_record(run: Path) -> None:
    file = run / "run.json"
    file.write_bytes(file.read_bytes()[:100])


def _no_json(run: Path) -> None:
    (run / "run.json").write_text("hello\n")


def _bare_record(run: Path) -> None:
    (run / "run.json").write_text('{"format_version": 1, "settings": {}, "skeleton": [3]}')


def _changed(**values):
    def change(run: Path) -> None:
        file = run / "run.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | values))

    return change


def _other_argument(run: Path) -> None:
    file = run / "run.json"
    record = json.loads(file.read_text())
    record["arguments"]["fpn_channels"] = 32
    file.write_text(json.dumps(record))


def _weights(run: Path) -> list[Path]:
    return sorted((run / "checkpoints").glob("step-*/model.safetensors"))


def _no_weights(run: Path) -> None:
    for file in _weights(run):
        file.unlink()


def _cut_weights(run: Path) -> None:
    for file in _weights(run):
        file.write_bytes(file.read_bytes()[:1000])


def _no_checkpoints(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")


FAULTS = {
    "no such folder": (_no_folder, 2, "run: no such run folder"),
    "no run.json": (_no_record, 2, "run: not a run folder: it holds no run.json"),
    "run.json cut short": (_cut_record, 1, "run.json: damaged, not JSON"),
    "run.json of no JSON": (_no_json, 1, "run.json: damaged, not JSON"),
    "run.json without its keys": (_bare_record, 1, "run.json: damaged"),
    "run.json of a newer version": (_changed(format_version=9), 1, "format version 9"),
    "another model": (_changed(model="unet"), 1, "run.json: model: unet, but retinanet"),
    "other classes": (_changed(classes=["a", "b"]), 1, "run.json: classes: ['a', 'b'], but"),
    "another argument": (_other_argument, 1, "run.json: arguments.fpn_channels: 32, but 16"),
    "no weights": (_no_weights, 1, "model.safetensors: missing"),
    "weights cut short": (_cut_weights, 1, "model.safetensors: damaged"),
    "no checkpoint": (_no_checkpoints, 1, "run: holds no checkpoint"),
}


@pytest.mark.parametrize(("damage", "code", "complaint"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_the_same_line_for_all_commands(
    damage, code, complaint, run, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run, tmp_path / "run")
    damage(tmp_path / "run")
    Image.new("RGB", (32, 32)).save(tmp_path / "image.png")
    said = {}
    for name, words in COMMANDS.items():
        if name == "train" and damage is _no_checkpoints:
            continue  # which begins anew
        more = ["image.png" if word == "IMAGE" else word for word in words]
        paths = [*more, "run"] if name == "train" else ["run", *more]
        assert main([name.partition(" ")[0], *paths]) == code, name
        said[name] = capsys.readouterr().err
    assert len(set(said.values())) == 1, said
    (line,) = said["predict"].splitlines()
    assert complaint in line
    assert "(hint: " in line


def test_a_checkpoint_alone_needs_no_run_record(run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "run")
    _no_json(tmp_path / "run")
    Image.new("RGB", (32, 32)).save(tmp_path / "image.png")
    (step,) = (tmp_path / "run" / "checkpoints").glob("step-*")
    assert main(["predict", str(step), str(tmp_path / "image.png")]) == 0


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("retinanet_resnet50_fpm", "did you mean retinanet_resnet50_fpn"),
        ("unet", "no weights are published for this model"),
    ],
)
def test_a_name_that_is_no_network_says_what_was_meant(name, hint, capsys):
    assert main(["predict", name, "x.jpg"]) == 2
    assert hint in capsys.readouterr().err
