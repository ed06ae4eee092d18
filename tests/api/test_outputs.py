"""No command writes over a file of the user's, or among the data that it reads: said at once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tapetum import api
from tapetum.api.answers import refuse_answers
from tapetum.base.errors import UsageError
from tapetum.base.outputs import free_name
from tapetum.recipes import demo_all
from tapetum.runs.record import RunRecord
from tapetum.runs.settings import Settings
from tapetum.runs.train_options import TrainOptions


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two images in a folder of images, and their COCO annotations."""
    folder = tmp_path / "data"
    (folder / "images" / "deep").mkdir(parents=True)
    for name in ("a.png", "deep/b.jpg"):
        Image.fromarray(np.zeros((24, 32, 3), np.uint8)).save(folder / "images" / name)
    images = [
        {"id": i, "file_name": name, "width": 32, "height": 24}
        for i, name in enumerate(("a.png", "deep/b.jpg"))
    ]
    objects = [
        {"id": 1, "image_id": 0, "category_id": 1, "bbox": [2, 2, 9, 9], "area": 81, "iscrowd": 0}
    ]
    content = {"images": images, "annotations": objects, "categories": [{"id": 1, "name": "cat"}]}
    (folder / "annotations").mkdir()
    (folder / "annotations" / "instances_train.json").write_text(json.dumps(content))
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def predict_into(folder: str) -> Callable[[Path], object]:
    return lambda data: refuse_answers([data / "images"], data / folder)


REFUSED: dict[str, Callable[[Path], object]] = {
    "predict onto its images": predict_into("images"),
    "predict below its images": predict_into("images/out"),
    "predict labels into its images": lambda data: refuse_answers(
        [data / "images"], data / "images", ["yolo", "csv"]
    ),
    "predict beside single images": lambda data: refuse_answers(
        [data / "images" / "a.png"], data / "images"
    ),
    "predict through a link": lambda data: refuse_answers(
        [data / "images"], data.parent / "another way"
    ),
    "predict over a hard link": lambda data: refuse_answers(
        [data / "images" / "a.png"], data.parent / "hard"
    ),
    "explain onto its image": lambda data: api.explain_file(
        None, data / "images" / "a.png", data / "images" / "a.png"
    ),
    "evaluate onto the truth": lambda data: api.evaluate(
        data.parent / "run", save=data / "annotations" / "instances_train.json"
    ),
    "evaluate into the data": lambda data: api.evaluate(
        data.parent / "run", data, save=data / "annotations" / "found.json"
    ),
    "evaluate into the data of the run": lambda data: api.evaluate(
        data.parent / "run", save=data / "annotations" / "found.json"
    ),
    "check onto the annotations": lambda data: api.check(
        data, html=data / "annotations" / "instances_train.json"
    ),
    "check into the annotations": lambda data: api.check(
        data, html=data / "annotations" / "x.json"
    ),
    "check a file into its folder": lambda data: api.check(
        data / "annotations" / "instances_train.json", html=data / "annotations" / "x.json"
    ),
    "convert onto the data": lambda data: api.convert(data, data, to="yolo"),
    "convert into the data": lambda data: api.convert(data, data / "images" / "yolo", to="yolo"),
    "export onto the data": lambda data: api.export(data.parent / "run", out=data),
    "demo over a page": lambda data: demo_all.run_all(data.parent / "site"),
    "demo over an image": lambda data: demo_all.run_all(data.parent / "images"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_output_over_or_among_what_is_there_is_refused(data: Path, case: str) -> None:
    root = data.parent
    (root / "another way").symlink_to(data / "images")
    for name, content in (("site/index.html", "<p>mine"), ("images/side-by-side.png", "mine")):
        (root / name).parent.mkdir()
        (root / name).write_text(content)
    (root / "hard").mkdir()
    os.link(data / "images" / "a.png", root / "hard" / "a.png")
    record = RunRecord(
        *("retinanet", TrainOptions("retinanet", str(data)), {}, ("cat",), (1,), 320),
        *(Settings(), "cpu", "fp32"),
    )
    record.write(root / "run")
    before = digests(root)
    with pytest.raises(UsageError) as caught:
        REFUSED[case](data)
    assert "\n" not in str(caught.value)
    assert digests(root) == before


def test_places_that_are_free_are_not_refused(data: Path) -> None:
    refuse_answers([data / "images"], data / "answers", ["images", "yolo", "coco", "csv", "crops"])
    refuse_answers([data / "images" / "a.png"], data / "images" / "answers")
    page = data / "faults.html"
    for _ in range(2):
        api.check(data, html=page)
    assert page.read_text("utf-8").startswith("<!doctype html>")
    shutil.rmtree(data / "images" / "deep")
    api.convert(data, data.parent / "yolo", to="yolo")


def test_explanations_that_nobody_names_get_the_next_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = []
    for _ in range(3):
        names.append(free_name("explanation.png").name)
        Path(names[-1]).write_bytes(b"x")
    assert names == ["explanation.png", "explanation-2.png", "explanation-3.png"]
