"""From the findings of a run to suggestions with their commands."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from tapetum.diagnosis import TRAINING_IMAGES, Finding, Remedy, train_longer
from tapetum.evaluation import evaluate_classes
from tapetum.reporting import Suggestion
from tapetum.reporting.sections.commands import command_of, train_again
from tapetum.reporting.sections.run import Run
from tapetum.reporting.sections.suggestions import MAX_SUGGESTIONS, next_steps
from tapetum.reporting.tasks.classification import advice
from tapetum.runs.record import RunRecord
from tapetum.runs.settings import Settings
from tapetum.runs.train_options import TrainOptions
from tapetum.structures import Prediction
from tapetum.tasks.classification import ClassificationEvaluation

ASKED = TrainOptions("retinanet", "scenes")


def run(folder: Path, history: Sequence[Mapping[str, Any]] = (), **changes: Any) -> Run:
    values: dict[str, Any] = {
        "model": "retinanet",
        "arguments": {},
        "classes": ("cat", "dog", "owl"),
        "class_ids": (1, 2, 3),
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
    assert first.text == "AP was still rising at the end, from 0.200 to 0.300. Train longer."
    assert shlex.split(first.command)[-4:] == ["--epochs", "20", "--out", str(tmp_path / "a-2")]
    for flat in (log(0.1, 0.3), log(0.1, 0.3, 0.305), log()):
        assert "rising" not in texts(next_steps(run(tmp_path / "a", flat), "AP", []))


def test_weak_augmentation_is_made_stronger(tmp_path: Path) -> None:
    fell = log(0.5, 0.6, 0.5)
    usual = next_steps(run(tmp_path / "a", fell), "AP", [])[0]
    assert "overfits" in usual.text
    assert usual.command == ""
    weak = next_steps(run(tmp_path / "a", fell, options=replace(ASKED, augment="none")), "AP", [])[
        0
    ]
    assert "--augment default" in weak.command


def test_commands_are_in_the_users_paths_and_beside_the_run(tmp_path: Path) -> None:
    folder = tmp_path / "my run"
    again = train_again(run(folder), {"image_size": 480})
    assert shlex.split(again) == [
        *("tapetum", "train", "--from", str(folder), "--image-size", "480"),
        *("--out", str(tmp_path / "my run-2")),
    ]
    (tmp_path / "my run-2").mkdir()
    assert train_again(run(folder), {}, {"a": 1}).endswith(f"--set a=1 --out '{tmp_path}/my run-3'")


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"settings": Settings(epochs=7)}, "--epochs 14"),
        ({"settings": Settings(max_steps=60)}, "--max-steps 120"),
        (
            {"settings": Settings(max_steps=60), "options": replace(ASKED, minutes=2.5)},
            "--minutes 5",
        ),
    ],
)
def test_longer_by_the_option_that_said_how_long(
    tmp_path: Path, changes: dict[str, Any], option: str
) -> None:
    trained = run(tmp_path / "a", **changes)
    remedy = train_longer(trained.setup(), "Train longer.")
    assert f" {option} --out" in command_of(trained, remedy)


def finding(text: str, remedy: Remedy) -> Finding:
    return Finding(text, remedy=remedy)


def test_no_more_than_five_and_a_command_once(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    same = Remedy("", "evaluate", {"split": "val"})
    steps = next_steps(run(folder), "AP", [finding("One.", same), finding("Two.", same)])
    given = f"tapetum evaluate {folder} OTHER_PHOTOS/ --split val"
    assert [(s.text, s.command) for s in steps[:2]] == [("One.", given), ("Two.", "")]
    assert 3 <= len(steps) <= MAX_SUGGESTIONS
    shown = Remedy("", "predict", {"out": "answers"})
    steps = next_steps(run(folder), "AP", [finding("See.", shown)])
    command = command_of(run(folder), shown)
    assert command == f"tapetum predict {folder} PHOTO.jpg --out answers"
    assert [step.command for step in steps].count(command) == 1
    assert "Predict on new images" not in texts(steps)
    many = [finding(str(i), Remedy("", "predict", {"nms_iou": i})) for i in range(9)]
    assert len(next_steps(run(folder), "AP", many)) == MAX_SUGGESTIONS


def test_the_images_of_the_training_are_named_where_they_are_a_folder(tmp_path: Path) -> None:
    remedy = Remedy("", "predict", {"out": "labels"}, inputs=(TRAINING_IMAGES,))
    assert command_of(run(tmp_path / "a"), remedy) == ""
    (tmp_path / "photos").mkdir()
    there = run(tmp_path / "a", options=replace(ASKED, data=str(tmp_path / "photos")))
    assert command_of(there, remedy).endswith(f"a {tmp_path}/photos --out labels")


def test_a_classifier_names_confused_and_rare_classes(tmp_path: Path) -> None:
    """Two of ten cats are predicted as dogs; owls are few, and half of them are right."""
    ground_truth = np.array([0] * 10 + [1] * 10 + [2] * 2)
    predicted = np.array([1, 1] + [0] * 8 + [1] * 10 + [2, 0])
    names = ("cat", "dog", "owl")
    result = evaluate_classes(np.eye(3)[predicted], ground_truth, names)
    evaluation = ClassificationEvaluation(
        ("x",) * 22, names, np.eye(3)[predicted], ground_truth, result
    )
    counts = {"objects": {"train": [100, 100, 9]}}
    first, second = advice(evaluation, run(tmp_path / "a", counts=counts).setup())
    assert first.text == "20% of the images of cat are predicted as dog."
    assert "owl (9, recall 0.50)" in second.text
    assert len(advice(evaluation, run(tmp_path / "a").setup())) == 1


def test_classes_without_training_images_are_the_first_step(tmp_path: Path) -> None:
    counts = {"objects": {"train": [9, 0]}, "untrained": ["dog"]}
    first, *_ = next_steps(run(tmp_path / "a", [], counts=counts), "AP", [])
    assert first.text == "No training image has the class dog. Add images of it to the training."
