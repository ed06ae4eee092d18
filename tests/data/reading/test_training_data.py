"""What a training takes from a folder of files, and says of it beforehand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tapetum import api
from tapetum.base.errors import CheckpointError, UsageError
from tapetum.data.reading.files import open_dataset
from tapetum.data.reading.training_data import DataSpec, TrainingData
from tapetum.data.splits.hold_out import HoldOut
from tapetum.data.splits.split_file import FILE, read_parts
from tapetum.inference.evaluation_data import evaluation_dataset
from tapetum.runs.record import read_run

QUICK: dict[str, Any] = {
    "image_size": 32,
    "weights": "none",
    "precision": "fp32",
    "batch_size": 2,
    "max_steps": 1,
    "observers": (),
    "arguments": {"backbone_width": 4, "fpn_channels": 8, "head_convs": 1},
    "backbone": "resnet10",
}


def make_photos(folder: Path, count: int = 20, first: int = 0) -> Path:
    """COCO without splits: each person has two photos, and every fifth photo shows nothing."""
    folder.mkdir(exist_ok=True)
    images: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    for number in range(first, first + count):
        name = f"person{number // 2:02d}_{number % 2}.png"
        noise = np.random.default_rng(number).integers(0, 255, (32, 40, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / name)
        images.append({"id": number, "file_name": name, "width": 40, "height": 32})
        if number % 5:
            box = [2 + number % 7, 3, 20, 18]
            about = {"id": number, "image_id": number, "bbox": box, "area": 360, "iscrowd": 0}
            objects.append(about | {"category_id": 1 + number % 2})
    classes = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    content = {"images": images, "annotations": objects, "categories": classes}
    (folder / "labels.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "photos")


def names(dataset: Any) -> set[str]:
    return {dataset.record(index).name for index in range(len(dataset))}


def test_it_says_what_it_took(photos: Path) -> None:
    images = TrainingData.open(DataSpec(str(photos)), "detection")
    assert images.describe() == [
        f"{photos}: coco, 20 images",
        "4 of them have no labels and count as images without objects "
        "(`unlabeled` skip leaves them out)",
        "images: train 18, val 2; 2 for val held out of the 20 images in 'all'",
        "2 classes: cat 7, dog 7",
    ]


def test_faults_are_counted_aloud(photos: Path) -> None:
    labels = json.loads((photos / "labels.json").read_text())
    labels["annotations"][0]["bbox"] = [500, 500, 9, 9]
    labels["annotations"][1]["bbox"] = [1, 2, 3]
    (photos / "labels.json").write_text(json.dumps(labels))
    lines = TrainingData.open(DataSpec(str(photos)), "detection").describe()
    assert "left out: box-malformed 1, box-outside 1; tapetum check shows each" in lines


def test_images_without_labels_can_be_left_out(photos: Path) -> None:
    images = TrainingData.open(DataSpec(str(photos), unlabeled="skip"), "detection")
    assert len(images.training) + len(images.validation or ()) == 16
    assert "4 of them have no labels and are left out" in images.describe()[1]


def test_people_come_to_one_side(photos: Path) -> None:
    options = HoldOut(val=0.3, group_by=r"person(\d+)_")
    images = TrainingData.open(DataSpec(str(photos)), "detection", options)
    assert images.validation is not None
    held = {name[:8] for name in names(images.validation)}
    assert len(held) == 3
    assert not held & {name[:8] for name in names(images.training)}


def test_near_duplicates_come_to_one_side(tmp_path: Path) -> None:
    """Each photo again as a JPEG of half the size, under another name: never on the other side."""
    folder, images = tmp_path / "photos", []
    folder.mkdir()
    for number in range(20):
        coarse = np.random.default_rng(number).integers(0, 255, (6, 8, 3), dtype=np.uint8)
        photo = Image.fromarray(coarse).resize((160, 120), Image.Resampling.BICUBIC)
        photo.save(folder / f"a{number:02d}.png")
        photo.resize((80, 60)).save(folder / f"{(number * 7) % 20:02d}b.jpg", quality=70)
        for name in (f"a{number:02d}.png", f"{(number * 7) % 20:02d}b.jpg"):
            images.append({"id": len(images) + 1, "file_name": name, "of": number})
    content = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "cat"}]}
    (folder / "labels.json").write_text(json.dumps(content))
    lines: list[str] = []
    inputs = TrainingData.open(
        DataSpec(str(folder)), "detection", HoldOut(val=0.4), log=lines.append
    )
    assert lines == [
        "looking for near-duplicates among 40 images",
        "40 images are near-duplicates of another",
    ]
    of = {image["file_name"]: image["of"] for image in images}
    held = names(inputs.validation)
    assert len(held) == 16
    assert len({of[name] for name in held}) == 8


def test_a_wish_without_use_is_refused(photos: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing is held out of it, so split_ratio"):
        TrainingData.open(DataSpec(str(photos), validate=False), "detection", HoldOut())


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"split_ratio": "0.2"}, "split_ratio: is for images in files"),
        ({"format": "coco"}, "format: is for images in files"),
        ({"unlabeled": "skip"}, "unlabeled: is for images in files"),
    ],
)
def test_what_is_for_files_is_refused_of_others(asked: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=f"scenes: {words}"):
        api.train("retinanet", "scenes", weights="none", **asked)
    with pytest.raises(UsageError, match=f"samples in Python: {words}"):
        api.train("retinanet", open_dataset("scenes", "train"), weights="none", **asked)


def test_a_run_that_recorded_such_words_still_opens() -> None:
    """It was made before they were refused, and they never had any effect."""
    images = TrainingData.open(DataSpec("scenes", format="coco", unlabeled="skip"), "detection")
    assert len(images.training) > 0


def test_validation_data_of_its_own_leaves_all_others_for_training(
    photos: Path, tmp_path: Path
) -> None:
    other = make_photos(tmp_path / "other", 6, 40)
    images = TrainingData.open(DataSpec(str(photos), val=str(other)), "detection")
    assert (len(images.training), len(images.validation or ())) == (20, 6)


def test_a_run_keeps_its_splits(photos: Path, tmp_path: Path) -> None:
    """The same images are held out when it is measured, resumed or reported, and images that
    came later count as training ones; the user's folder is as it was."""
    before = {path: path.read_bytes() for path in photos.iterdir()}
    lines: list[str] = []
    run = api.train(
        "retinanet", photos, out=tmp_path / "run", split_ratio="50/25/25", log=lines.append, **QUICK
    )
    assert {path: path.read_bytes() for path in photos.iterdir()} == before
    kept = read_parts(run)
    assert kept is not None
    assert {name: len(own) for name, own in kept.items()} == {"train": 10, "val": 5, "test": 5}
    assert names(evaluation_dataset(run, None, None, "detection")) == set(kept["test"])
    assert names(evaluation_dataset(run, None, "val", "detection")) == set(kept["val"])

    make_photos(photos, 30)
    (photos / kept["val"][0]).unlink()
    words: list[str] = []
    assert names(evaluation_dataset(run, None, "test", "detection", words.append)) == set(
        kept["test"]
    )
    assert words == ["10 images are new since the run was made"]
    assert len(evaluation_dataset(run, None, "train", "detection")) == 20
    assert len(evaluation_dataset(run, None, "val", "detection")) == 4


def with_classes(photos: Path, *more: str) -> None:
    """More classes, of which there is no object; and all boxes as outlines."""
    file = photos / "labels.json"
    content = json.loads(file.read_text())
    content["categories"] += [
        {"id": 7 + n, "name": name} for n, name in enumerate(more, len(content["categories"]))
    ]
    for one in content["annotations"]:
        x, y, w, h = one["bbox"]
        one["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    file.write_text(json.dumps(content))


@pytest.mark.parametrize("task", ["detection", "classification", "semantic_segmentation"])
def test_classes_without_training_images_are_named(photos: Path, task: str) -> None:
    """Those of the validation split do not count; background is no class of the file."""
    with_classes(photos)
    images = TrainingData.open(DataSpec(str(photos)), task)
    assert not any("warning" in line for line in images.describe())
    with_classes(photos, "cow")
    one = "warning: no training image has the class cow: add images of it"
    assert one in TrainingData.open(DataSpec(str(photos)), task).describe()
    with_classes(photos, "fox")
    two = "warning: no training image has the classes cow, fox: add images of them"
    assert two in TrainingData.open(DataSpec(str(photos)), task).describe()


def test_what_it_will_see_is_drawn(photos: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    run = api.train("retinanet", photos, out=tmp_path / "run", log=lines.append, **QUICK)
    assert f"training images after augmentation: {run / 'data.jpg'}" in lines
    with Image.open(run / "data.jpg") as sheet:
        assert sheet.width == 4 * 400 + 5 * 10
        assert np.asarray(sheet).std() > 20


@pytest.mark.parametrize("kind", ["ram", "disk"])
def test_a_cache_changes_nothing_of_small_images(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Photos no larger than the training needs are kept as they are: the same weights; and the run
    knows of it, for its resume sees the same pixels."""
    monkeypatch.setenv("TAPETUM_CACHE", str(tmp_path / "cache"))
    words: list[str] = []
    runs = [
        api.train("retinanet", photos, out=tmp_path / name, cache=name, log=words.append, **QUICK)
        for name in ("off", kind)
    ]
    weights = [next(run.rglob("model.safetensors")).read_bytes() for run in runs]
    assert weights[0] == weights[1]
    assert read_run(runs[1]).options.cache == kind
    assert bool(list((tmp_path / "cache").rglob("*"))) == (kind == "disk")
    assert any("cache" in line for line in words)


def test_a_damaged_list_of_splits_is_one_line(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"schema": "other"}')
    with pytest.raises(CheckpointError, match=r"expected schema tapetum.splits/1"):
        read_parts(tmp_path)
    (tmp_path / FILE).write_text('{"schema": "tapetum.splits/1", "val": ["a.png"]}')
    with pytest.raises(CheckpointError, match=r"splits.json: train: expected a list of names"):
        read_parts(tmp_path)


def test_bare_images_are_skipped_in_validation_data_too(photos: Path, tmp_path: Path) -> None:
    other = make_photos(tmp_path / "other", 10, 40)  # every fifth shows nothing
    reading = DataSpec(str(photos), val=str(other), unlabeled="skip")
    images = TrainingData.open(reading, "detection")
    assert images.validation is not None
    assert len(images.validation) == 8
    assert "2 of them have no labels and are left out (`unlabeled` is skip)" in images.log_lines


def test_the_runs_own_data_by_name_is_what_it_held_out(photos: Path, tmp_path: Path) -> None:
    run = api.train("retinanet", photos, out=tmp_path / "run", group_by="^(.+)_", **QUICK)
    own, named, every = (
        evaluation_dataset(run, data, split, "detection")
        for data, split in ((None, None), (photos, None), (photos, "all"))
    )
    assert names(named) == names(own)
    assert names(own) < names(every)
