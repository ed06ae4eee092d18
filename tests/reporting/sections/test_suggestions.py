"""What a run suggests: from the log, from the counts of its data, from its errors."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from tapetum.evaluation import evaluate_classes
from tapetum.reporting import Suggestion
from tapetum.reporting.sections.commands import command, longer, train_again
from tapetum.reporting.sections.run import Run
from tapetum.reporting.sections.suggestions import (
    MOST,
    classification_steps,
    localization_steps,
    next_steps,
)
from tapetum.runs.record import RunRecord
from tapetum.runs.settings import Settings
from tapetum.structures import Prediction
from tapetum.tasks.classification import ClassificationEvaluation

ASKED = {"model": "retinanet", "data": "photos", "minutes": None}


def run(folder: Path, history: Sequence[Mapping[str, Any]] = (), **changes: Any) -> Run:
    values: dict[str, Any] = {
        "model": "retinanet",
        "arguments": {},
        "classes": ("cat", "dog", "owl"),
        "class_ids": (1, 2, 3),
        "data": "scenes",
        "data_format": "auto",
        "val": None,
        "augment": "default",
        "validate": True,
        "image_size": 320,
        "settings": Settings(epochs=10),
        "device": "cpu",
        "precision": "fp32",
        "options": ASKED,
    }
    return Run(
        record=RunRecord(**(values | changes)),
        history=history,
        dataset=None,
        model=nn.Linear(1, 1),
        predict=lambda image: Prediction(),
        explain=None,
        checkpoint="step-1",
        resources={},
        folder=folder,
    )


def log(*points: float, wait: float = 0.0) -> list[dict[str, Any]]:
    steps = [{"event": "step", "seconds": 1.0, "data_wait": wait}] * 2
    return steps + [{"event": "evaluation", "AP": value} for value in points]


def texts(steps: Sequence[Suggestion]) -> str:
    return " ".join(step.text for step in steps)


def test_a_training_that_was_still_rising_is_made_longer(tmp_path: Path) -> None:
    first = next_steps(run(tmp_path / "a", log(0.1, 0.2, 0.3)), "AP", [])[0]
    assert first.text == "AP was still rising at the end, from 0.200 to 0.300: train longer."
    assert shlex.split(first.command)[-4:] == ["--epochs", "20", "--out", str(tmp_path / "a-2")]
    for flat in (log(0.1, 0.3), log(0.1, 0.3, 0.305), log()):
        assert "rising" not in texts(next_steps(run(tmp_path / "a", flat), "AP", []))


def test_what_was_learnt_by_heart(tmp_path: Path) -> None:
    fell = log(0.5, 0.6, 0.5)
    usual = next_steps(run(tmp_path / "a", fell), "AP", [])[0]
    assert "by heart" in usual.text
    assert usual.command == ""
    weak = next_steps(run(tmp_path / "a", fell, augment="none"), "AP", [])[0]
    assert "--augment default" in weak.command


def test_waiting_for_images(tmp_path: Path) -> None:
    first = next_steps(run(tmp_path / "a", log(wait=0.4)), "AP", [])[0]
    assert first.text.startswith("40% of the time went into waiting")
    assert "--workers 2" in first.command
    assert "waiting" not in texts(next_steps(run(tmp_path / "a", log(wait=0.2)), "AP", []))


def test_commands_are_in_the_users_paths_and_beside_the_run(tmp_path: Path) -> None:
    folder = tmp_path / "my run"
    again = train_again(run(folder), image_size=480)
    assert shlex.split(again) == [
        *("tapetum", "train", "--from", str(folder), "--image-size", "480"),
        *("--out", str(tmp_path / "my run-2")),
    ]
    (tmp_path / "my run-2").mkdir()
    assert train_again(run(folder), ["a=1"]).endswith(f"--set a=1 --out '{tmp_path}/my run-3'")
    assert train_again(run(folder, options={}), image_size=480) == ""


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"settings": Settings(epochs=7)}, "--epochs 14"),
        ({"settings": Settings(max_steps=60)}, "--max-steps 120"),
        ({"settings": Settings(max_steps=60), "options": {**ASKED, "minutes": 2.5}}, "--minutes 5"),
    ],
)
def test_longer_by_the_option_that_said_how_long(
    tmp_path: Path, changes: dict[str, Any], option: str
) -> None:
    assert f" {option} --out" in longer(run(tmp_path / "a", **changes))


def test_no_more_than_five_and_a_command_once(tmp_path: Path) -> None:
    own = [Suggestion("one", "tapetum x"), Suggestion("two", "tapetum x")]
    steps = next_steps(run(tmp_path / "a"), "AP", own)
    assert [(step.text, step.command) for step in steps[:2]] == [("one", "tapetum x"), ("two", "")]
    assert 3 <= len(steps) <= MOST
    shown = command("predict", run(tmp_path / "a"), "PHOTO.jpg", "--out", "answers")
    steps = next_steps(run(tmp_path / "a"), "AP", [Suggestion("see", shown)])
    assert [step.command for step in steps].count(shown) == 1
    assert "Try it" not in texts(steps)
    many = [Suggestion(str(i), str(i)) for i in range(9)]
    assert len(next_steps(run(tmp_path / "a"), "AP", many)) == MOST


def test_classes_that_are_mixed_up_or_rare(tmp_path: Path) -> None:
    """Two of ten cats are taken for dogs; owls are few and found half of the time."""
    ground_truth = np.array([0] * 10 + [1] * 10 + [2] * 2)
    said = np.array([1, 1] + [0] * 8 + [1] * 10 + [2, 0])
    names = ("cat", "dog", "owl")
    result = evaluate_classes(np.eye(3)[said], ground_truth, names)
    evaluation = ClassificationEvaluation(("x",) * 22, names, np.eye(3)[said], ground_truth, result)
    counts = {"objects": {"train": [100, 100, 9]}}
    steps = classification_steps(run(tmp_path / "a", counts=counts), evaluation)
    assert texts(steps).startswith("20% of the images of cat are taken for dog.")
    assert "owl (9, recall 0.50)" in texts(steps)
    assert "owl" not in texts(classification_steps(run(tmp_path / "a"), evaluation))


def test_localization_says_which_of_two_is_wrong(tmp_path: Path) -> None:
    class Evaluation:
        def __init__(self, named: float, both: float) -> None:
            self.stats = {"class_accuracy": named, "both_right": both}

    here = run(tmp_path / "a", model="localizer", arguments={"box_weight": 5.0})
    (boxes,) = localization_steps(here, Evaluation(0.95, 0.5))
    assert "--set box_weight=10" in boxes.command
    (names,) = localization_steps(here, Evaluation(0.6, 0.55))
    assert "--image-size 480" in names.command
    assert localization_steps(here, Evaluation(0.95, 0.9)) == []
