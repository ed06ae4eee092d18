"""Every task from the images to the report, through the same few functions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tapetum import api
from tapetum.base.errors import UsageError
from tapetum.data.reading.files import open_dataset
from tapetum.models import CATALOG
from tapetum.models.catalog import fitting_arguments
from tapetum.tasks import TASKS

PYRAMID = {"backbone_width": 8, "fpn_channels": 16, "head_width": 32, "head_convs": 1}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "classification": ("resnet10", {"backbone_width": 8}),
    "localization": ("localizer", {"backbone_width": 8}),
    "semantic_segmentation": (
        "unet",
        {"backbone_width": 8, "decoder_channels": [16, 16, 16, 8, 8]},
    ),
    "detection": ("retinanet", PYRAMID),
    "instance_segmentation": (
        "mask_rcnn",
        {
            **PYRAMID,
            "rpn_pre_nms_top_n_test": 20,
            "rpn_post_nms_top_n_test": 20,
            "rpn_pre_nms_top_n_train": 40,
            "rpn_post_nms_top_n_train": 40,
        },
    ),
    "keypoint_detection": (
        "keypoint_rcnn",
        {
            **PYRAMID,
            "rpn_pre_nms_top_n_test": 20,
            "rpn_post_nms_top_n_test": 20,
            "rpn_pre_nms_top_n_train": 40,
            "rpn_post_nms_top_n_train": 40,
        },
    ),
}
DATA = "scenes:count=4"
"""Enough to see that everything is connected."""


@pytest.fixture(scope="module", params=tuple(TASKS))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps that was measured once."""
    task = request.param
    model, arguments = MODELS[task]
    return api.train(
        model,
        DATA,
        out=tmp_path_factory.mktemp(task) / "run",
        backbone=None if task == "classification" else "resnet10",
        image_size=None if task == "semantic_segmentation" else 96,
        arguments=fitting_arguments(model, {}, arguments),
        augment="flip",
        precision="fp32",
        batch_size=2,
        max_steps=3,
        observers=(),
    )


@pytest.fixture
def task(run: Path) -> Any:
    return api.load(run).task


@pytest.fixture
def photo(tmp_path: Path, task: Any) -> Path:
    path = tmp_path / "photo.png"
    scene = open_dataset("scenes", "test", task=task.name)[0].image
    Image.fromarray(scene.permute(1, 2, 0).numpy()).save(path)
    return path


def test_every_task_has_a_model() -> None:
    assert {entry.task for entry in CATALOG.values()} == set(TASKS) == set(MODELS)


def test_it_is_measured_while_it_trains(run: Path, task: Any) -> None:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["event"] for row in rows].count("step") == 3
    metric = "mAP" if task.name == "classification" else task.metric
    assert metric in rows[-1]


def test_evaluation_is_the_same_again_and_can_be_saved(run: Path, tmp_path: Path) -> None:
    saved = [tmp_path / "first.json", tmp_path / "second.json"]
    first, second = (api.evaluate(run, save=path).stats for path in saved)
    assert first == second
    assert saved[0].read_text() == saved[1].read_text()
    assert isinstance(json.loads(saved[0].read_text()), list)
    with pytest.raises(UsageError, match="exists already and is left as it is"):
        api.evaluate(run, save=saved[0])


def test_answers_are_json_and_images(run: Path, photo: Path, tmp_path: Path) -> None:
    predictor, out = api.load(run), tmp_path / "drawn"
    threshold = 0.0 if predictor.task.has_thresholds else None
    answers = api.predict_files(predictor, [photo], threshold=threshold, out=out)
    assert json.loads(json.dumps(answers, allow_nan=False)) == answers
    assert answers["task"] == predictor.task.name
    assert predictor.task.describe(answers["images"][0])
    with Image.open(out / "photo.png") as drawn:
        assert drawn.width >= 256


def test_an_answer_can_be_explained(run: Path, photo: Path, tmp_path: Path) -> None:
    predictor = api.load(run)
    if not predictor.task.objects(predictor.predict(photo), predictor.model_info):
        pytest.skip("nothing was found after three steps")
    out = api.explain_file(predictor, photo, tmp_path / "why.png")
    with Image.open(out) as drawn:
        assert drawn.width >= 256


def test_the_report_is_one_page_about_this_run(run: Path, task: Any) -> None:
    page = api.report(run).read_text()
    assert run.parent.name or task.name
    assert page.startswith("<!doctype html>")
    numbers = json.loads((run / "evaluation.json").read_text())
    assert numbers.keys() >= {"data", "checkpoint"}
    assert "Images" in page


def test_a_stopped_training_goes_on(run: Path) -> None:
    predictor = api.load(run, checkpoint="last")
    assert api.resume(run, observers=()) == run  # nothing is left to do, and nothing changes
    again = api.load(run, checkpoint="last")
    for name, value in predictor.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name
