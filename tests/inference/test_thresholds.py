"""The score from which an object counts: chosen by a run's report, kept, and used by predict."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tapetum import api
from tapetum.base.errors import AnnotationError, UsageError
from tapetum.inference.predictor import Predictor
from tapetum.inference.results import above_thresholds
from tapetum.inference.thresholds import (
    FILE,
    SCHEMA,
    Thresholds,
    chosen_thresholds,
    run_of,
    write_thresholds,
)
from tapetum.runs.record import read_run
from tapetum.structures import Objects, Prediction
from tapetum.tasks import TASKS
from tapetum.weights.checkpoint import FOLDER

DATA = "scenes:count=4"
TINY = {"backbone_width": 8, "fpn_channels": 16, "head_convs": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps, validated on its way."""
    return api.train(
        "retinanet",
        DATA,
        out=tmp_path_factory.mktemp("thresholds") / "run",
        backbone="resnet10",
        weights="none",
        image_size=96,
        arguments=dict(TINY),
        augment="flip",
        precision="fp32",
        batch_size=2,
        max_steps=3,
        observers=(),
    )


@pytest.fixture(autouse=True)
def without_heat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapetum.api.reporting.explainable", lambda model: False)  # heat takes time


@pytest.fixture
def predictor(run: Path) -> Predictor:
    (run / FILE).unlink(missing_ok=True)
    return api.load(run)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.new("RGB", (40, 30)).save(path)
    return path


class Answers:
    """In place of a model's own answers: an object of each class with these scores."""

    def __init__(self, *scores: float) -> None:
        self.scores = scores

    def __call__(self, images: Sequence[Any], options: Any = None) -> list[Prediction]:
        return [self.one()] * len(images)

    def one(self) -> Prediction:
        count = len(self.scores)
        boxes = torch.tensor([[2.0, 2.0, 20.0, 20.0]]).repeat(count, 1)
        objects = Objects(boxes, torch.arange(count), scores=torch.tensor(self.scores))
        return Prediction(objects=objects)


def keep(run: Path, predictor: Predictor, first: float, others: float = 0.5) -> tuple[float, ...]:
    values = (first, *[others] * (len(predictor.classes) - 1))
    write_thresholds(run, predictor, values, f"{DATA}/val")
    return values


def test_the_report_chooses_on_validation_whatever_it_shows(run: Path) -> None:
    said: list[str] = []
    page = api.report(run, log=said.append).read_text()
    kept = json.loads((run / FILE).read_text())
    assert set(kept) == {"schema", "split", "checkpoint", "classes"}
    assert (kept["schema"], kept["split"]) == (SCHEMA, f"{DATA}/val")
    assert f"choosing thresholds: {DATA}/val, 4 images" in said
    assert f"Chosen on {DATA}/val" in page
    assert (run / FOLDER / kept["checkpoint"]).is_dir()
    evaluation = api.evaluate(run, split="val")
    assert tuple(kept["classes"].values()) == chosen_thresholds(evaluation)
    assert tuple(kept["classes"]) == api.load(run).classes
    said.clear()
    api.report(run, split="val", log=said.append)  # these images are measured already
    assert not [words for words in said if "choosing" in words]
    assert json.loads((run / FILE).read_text()) == kept


def test_where_nothing_was_held_out_the_images_shown_choose(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = read_run(run)
    blind = replace(record, options=replace(record.options, validate=False))
    monkeypatch.setattr("tapetum.reporting.measured.read_run", lambda folder: blind)
    api.report(run)
    assert json.loads((run / FILE).read_text())["split"] == f"{DATA}/test"


def test_predict_goes_by_the_thresholds_of_its_run(
    run: Path, predictor: Predictor, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = keep(run, predictor, first=0.3, others=0.8)
    monkeypatch.setattr(Predictor, "predictions", Answers(0.4, 0.7))
    said: list[str] = []
    answers = api.predict_files(predictor, [photo], log=said.append)
    assert [obj["class"] for obj in answers["images"][0]["objects"]] == [predictor.classes[0]]
    assert answers["threshold"] == dict(zip(predictor.classes, values, strict=True))
    assert json.loads(json.dumps(answers)) == answers
    (words,) = said
    assert f"{run / FILE}" in words
    assert f"best F1 on {DATA}/val: {predictor.classes[0]} 0.30" in words
    told = api.predict_files(predictor, [photo], threshold=0.5, log=said.append)
    assert [obj["class"] for obj in told["images"][0]["objects"]] == [predictor.classes[1]]
    assert told["threshold"] == 0.5
    assert len(said) == 1  # nobody is told what he has asked for


def test_python_lists_what_the_command_line_does(
    run: Path, predictor: Predictor, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(run, predictor, first=0.3, others=0.8)
    monkeypatch.setattr(Predictor, "predictions", Answers(0.4, 0.7))
    found = predictor.predict(photo)
    assert [row["class"] for row in found] == [predictor.classes[0]]
    assert found.answer() == {
        k: v for k, v in told(predictor, photo).items() if k in found.answer()
    }
    assert [row["class"] for row in found.rows(0.5)] == [predictor.classes[1]]
    assert found.objects is not None
    assert len(found.objects) == 2  # all are there for those who want them
    (run / FILE).write_text("{}")
    assert len(predictor.predict(photo)) == 1  # they were read once
    with pytest.raises(AnnotationError, match="expected the schema"):
        api.load(run).predict(photo)


def told(predictor: Predictor, photo: Path) -> dict[str, Any]:
    return api.predict_files(predictor, [photo])["images"][0]


def test_the_best_of_those_that_count_are_kept(
    run: Path, predictor: Predictor, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The strongest object does not reach the threshold of its class: the next one is the best."""
    keep(run, predictor, first=0.95)
    monkeypatch.setattr(Predictor, "predictions", Answers(0.9, 0.7))
    (image,) = api.predict_files(predictor, [photo], max_detections=1)["images"]
    assert [obj["class"] for obj in image["objects"]] == [predictor.classes[1]]


def test_without_a_file_one_half_counts(predictor: Predictor) -> None:
    chosen = Thresholds.of(predictor, None)
    assert (set(chosen.values), chosen.given) == ({0.5}, 0.5)
    assert chosen.origin == "threshold 0.5 (`threshold` changes it)"
    elsewhere = replace(predictor, folder=Path("/somewhere/retinanet_resnet50_fpn.pth"))
    assert Thresholds.of(elsewhere, None).given == 0.5


def test_thresholds_of_another_checkpoint_are_not_used(run: Path, predictor: Predictor) -> None:
    keep(run, predictor, first=0.3)
    other = replace(predictor, folder=predictor.folder.with_name("step-99999999"))
    chosen = Thresholds.of(other, None)
    assert chosen.given == 0.5
    assert "is not of step-99999999" in chosen.origin


def test_a_threshold_itself_belongs_to_what_counts() -> None:
    score = torch.tensor(0.1234567)
    chosen = (float(score), 0.0)
    those = above_thresholds(Answers(float(score), 0.0).one(), chosen).objects
    assert those is not None
    assert len(those) == 2
    above = (float(torch.nextafter(score, torch.tensor(1.0))), 0.1)
    none = above_thresholds(Answers(float(score), 0.0).one(), above).objects
    assert none is not None
    assert len(none) == 0


@pytest.mark.parametrize("name", ["localization", "classification", "semantic_segmentation"])
def test_other_tasks_leave_out_no_answer(
    name: str, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Predictor, "task", TASKS[name])
    other = replace(predictor)  # it has not looked up its task yet
    chosen = Thresholds.of(other, None)
    assert set(chosen.values) == {0.0}
    assert (chosen.given, chosen.origin) == (0.5, "")
    with pytest.raises(UsageError, match=f"threshold: has no effect on {name}"):
        Thresholds.of(other, 0.9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "other"}, "expected the schema"),
        ({"classes": {}}, "expected a number in"),
        ({"classes": None}, "expected a number in"),
        ({"classes": {"all": 2}}, "expected a number in"),
        ({"classes": {"all": True}}, "expected a number in"),
        ({"classes": {"all": "0.5"}}, "expected a number in"),
    ],
)
def test_a_broken_file_is_named(
    run: Path, predictor: Predictor, change: dict[str, Any], message: str
) -> None:
    keep(run, predictor, first=0.3)
    kept = json.loads((run / FILE).read_text()) | change
    if kept["classes"] and "all" in kept["classes"]:
        kept["classes"] = dict.fromkeys(predictor.classes, kept["classes"]["all"])
    (run / FILE).write_text(json.dumps(kept))
    with pytest.raises(AnnotationError, match=message) as caught:
        Thresholds.of(predictor, None)
    assert FILE in str(caught.value)
    assert Thresholds.of(predictor, 0.4).given == 0.4  # the file is not even looked at


@pytest.mark.parametrize("asked", [-0.1, 1.1, float("nan")])
def test_thresholds_that_cannot_be(predictor: Predictor, asked: float) -> None:
    with pytest.raises(UsageError, match="threshold: must lie in"):
        Thresholds.of(predictor, asked)


def test_the_run_of_a_checkpoint_that_is_named_from_beside(
    tmp_path: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run" / "checkpoints" / "step-00000001"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder.parent)
    assert run_of(replace(predictor, folder=Path(folder.name))) == tmp_path / "run"
