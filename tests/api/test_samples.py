"""Samples in Python through train, resume, evaluate and report; and runs of one's own files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import tapetum
from tapetum.base.errors import AnnotationError, CheckpointError, UsageError
from tapetum.inference.custom_code import DIGEST

NAMES = ["dark", "bright"]
QUICK: dict[str, Any] = {
    "arguments": {"image_size": 8},
    "augment": "none",
    "batch_size": 4,
    "device": "cpu",
    "lr": 0.05,
    "observers": [],
}


def patch(index: int) -> tapetum.Sample:
    noise = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(index))
    return tapetum.Sample(noise / 2 + 0.5 * (index % 2), tapetum.Target(torch.tensor([index % 2])))


SAMPLES = [patch(index) for index in range(24)]
HELD = [patch(index) for index in range(100, 108)]


def test_a_list_is_learnt_measured_and_reported(tmp_path: Path) -> None:
    run = tapetum.train(
        "linear", SAMPLES, val=HELD, classes=NAMES, out=tmp_path / "run", epochs=10, **QUICK
    )
    record = json.loads((run / "run.json").read_text())
    assert (record["classes"], record["options"]["data"]) == (NAMES, "samples in Python")
    assert tapetum.evaluate(run, HELD).stats["top1"] == 1.0
    with pytest.raises(UsageError, match="pass them again"):
        tapetum.evaluate(run)
    with pytest.raises(UsageError, match="pass them again"):
        tapetum.report(run)
    with pytest.raises(UsageError, match="pass them again"):
        tapetum.resume(run)
    assert "bright" in tapetum.report(run, HELD).read_text()


def test_a_tenth_is_held_out_of_samples(tmp_path: Path) -> None:
    run = tapetum.train(
        "linear", SAMPLES, classes=NAMES, out=tmp_path / "run", max_steps=2, **QUICK
    )
    counts = json.loads((run / "run.json").read_text())["counts"]["images"]
    assert counts == {"train": 22, "val": 2}


def test_it_is_resumed_to_the_same_bits(tmp_path: Path) -> None:
    options = {**QUICK, "classes": NAMES, "val": HELD, "max_steps": 9, "save_seconds": 0.001}
    whole = tapetum.train("linear", SAMPLES, out=tmp_path / "whole", **options)
    shutil.copytree(whole, tmp_path / "half")
    steps = sorted((tmp_path / "half" / "checkpoints").glob("step-*"))
    for folder in steps[1:]:
        shutil.rmtree(folder)
    half = tapetum.resume(tmp_path / "half", SAMPLES, val=HELD, observers=[])
    ours, theirs = (tapetum.load(r, checkpoint="last").model.state_dict() for r in (half, whole))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"classes": None}, "class names are missing"),
        ({"val": "scenes"}, "expected samples for both"),
        ({"val": []}, "there are no samples"),
        ({"split_ratio": "0.2"}, "samples"),
        ({"classes": ["one"]}, "labels: expected 0 to 0, got 1"),
    ],
)
def test_what_cannot_be_is_a_line(change: dict[str, Any], says: str, tmp_path: Path) -> None:
    options = {**QUICK, "classes": NAMES, "val": HELD, "out": tmp_path / "run", "max_steps": 1}
    with pytest.raises((UsageError, AnnotationError)) as caught:
        tapetum.train("linear", SAMPLES, **{**options, **change})
    assert says in str(caught.value)


def test_classes_are_for_samples(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="classes are for samples"):
        tapetum.train("linear", "scenes", classes=NAMES, out=tmp_path / "run", **QUICK)


FILE = """
from tapetum.models.classification.classifier import ImageClassifier
from tapetum.models.classification.linear import linear


def build(num_classes: int = 2, image_size: int = 8, encoder: str = "mine") -> ImageClassifier:
    assert encoder == "mine"
    return linear(num_classes=num_classes, image_size=image_size)
"""


def test_a_run_of_a_file_remembers_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.py").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    options = {**QUICK, "classes": NAMES, "val": HELD, "max_steps": 2}
    run = tapetum.train("own.py:build", SAMPLES, out=tmp_path / "run", **options)
    record = json.loads((run / "run.json").read_text())
    assert record["model"] == record["options"]["model"] == f"{tmp_path / 'own.py'}:build"
    assert len(record["environment"][DIGEST]) == 64
    assert record["arguments"] == {"num_classes": 2, "image_size": 8}
    (tmp_path / "own.py").write_text(FILE + "# changed\n")
    told: list[str] = []
    acts = (lambda: tapetum.resume(run, SAMPLES, val=HELD), lambda: tapetum.load(run))
    for act in acts:
        with pytest.raises(CheckpointError, match="it has changed since you named it"):
            act()
    tapetum.resume(run, SAMPLES, val=HELD, model="own.py:build", observers=[], log=told.append)
    tapetum.load(run, log=told.append)
    assert told.count(f"{tmp_path / 'own.py'} has changed since the run was trained") == 2
    (tmp_path / "own.py").unlink()
    for act in acts:
        with pytest.raises(CheckpointError, match=r"own\.py:build: no such file"):
            act()


def test_a_run_is_measured_on_what_it_held_out(tmp_path: Path) -> None:
    """Of the samples that it was given, again: not on those that it learnt by heart."""
    run = tapetum.train(
        "linear", SAMPLES, classes=NAMES, out=tmp_path / "run", max_steps=2, **QUICK
    )
    told: list[str] = []
    tapetum.evaluate(run, SAMPLES, log=told.append)
    tapetum.evaluate(run, SAMPLES, split="all", log=told.append)
    tapetum.evaluate(run, HELD, log=told.append)
    assert [line.partition(";")[0] for line in told] == [
        "as many samples as the run was given: the 2 that it held out count",
        "samples/val: 2 images",
        "samples: 24 images",
        "samples: 8 images",
    ]


def test_validation_samples_go_with_training_ones(tmp_path: Path) -> None:
    run = tapetum.train(
        "linear", SAMPLES, classes=NAMES, out=tmp_path / "run", max_steps=2, **QUICK
    )
    with pytest.raises(UsageError, match="need samples to train on"):
        tapetum.resume(run, val=HELD)


def test_what_learns_at_one_blow_has_no_steps_to_watch(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no steps to observe"):
        tapetum.train("knn", SAMPLES, classes=NAMES, out=tmp_path / "run", on_step=print)
    assert not (tmp_path / "run").exists()
