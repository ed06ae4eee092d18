"""Folders and lists that spell a split in two ways: one word, and no other split's images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tapetum.data.formats import read_annotations
from tests.data.formats.test_dialects import HEIGHT, WIDTH, coco, codes, image, write

SPELLINGS = [("val", "valid"), ("valid", "validation"), ("validation", "Val"), ("test", "testing")]


def word_of(spelling: str) -> str:
    return "test" if "test" in spelling else "val"


def shade(path: Path | None) -> int:
    assert path is not None
    with Image.open(path) as image:
        return round(np.asarray(image)[..., 0].mean())


@pytest.mark.parametrize(("said", "spelt"), SPELLINGS)
def test_coco_labels_belong_to_their_split_however_it_is_spelt(
    tmp_path: Path, said: str, spelt: str
) -> None:
    others = ["train", "trainings", *({"val", "test"} - {word_of(said)})]
    for value, folder in enumerate([*others, spelt, "zz"], start=1):
        image(tmp_path / "images" / folder / "0.png", 20 * value)
    coco(tmp_path / "annotations" / f"instances_{said}.json", ["0.png"], [{"id": 1, "name": "a"}])
    found = read_annotations(tmp_path)
    assert [shade(p.path) for p in found.splits[word_of(said)]] == [80]
    assert codes(found) == set()


def test_coco_labels_never_land_on_images_of_another_split(tmp_path: Path) -> None:
    image(tmp_path / "test" / "0.png")
    image(tmp_path / "images" / "train" / "0.png")
    coco(tmp_path / "annotations" / "instances_val.json", ["0.png"], [{"id": 1, "name": "a"}])
    found = read_annotations(tmp_path)
    assert [own.path for own in found.splits["val"]] == [None]
    assert codes(found) == {"image-missing"}


@pytest.mark.parametrize("name", ["instances_trainval.json", "instances_default.json"])
def test_a_name_in_several_folders_is_a_finding_unless_it_is_one_image(
    tmp_path: Path, name: str
) -> None:
    for folder in ("train", "val"):
        image(tmp_path / folder / "same.png")
        image(tmp_path / folder / "other.png", 60 if folder == "train" else 90)
    names = ["same.png", "other.png"]
    coco(tmp_path / "annotations" / name, names, [{"id": 1, "name": "a"}])
    found = read_annotations(tmp_path)
    assert [(f.code, f.severity, f.where) for f in found.findings] == [
        ("image-ambiguous", "error", "image 1")
    ]
    assert "train/, val/" in found.findings[0].message
    assert [[p.name for p in own] for own in found.splits.values()] == [["same.png"]]


@pytest.mark.parametrize(("said", "spelt"), SPELLINGS)
def test_yolo_labels_belong_to_their_split_however_it_is_spelt(
    tmp_path: Path, said: str, spelt: str
) -> None:
    image(tmp_path / "images" / "train" / "0.png")
    image(tmp_path / "images" / spelt / "0.png")
    write(tmp_path / "labels" / "train" / "0.txt", "0 0.5 0.5 0.2 0.2\n")
    write(tmp_path / "labels" / said / "0.txt", "0 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.4 0.4\n")
    for text in ("", f"train: images/train\n{said.lower()}: images/{said}\n"):
        write(tmp_path / "data.yaml", f"{text}names: [a]\n")
        found = read_annotations(tmp_path, "yolo")
        counts = {split: [len(p) for p in own] for split, own in found.splits.items()}
        assert counts == {"train": [1], word_of(said): [2]}
        assert codes(found) == set()


def test_yolo_labels_of_another_folder_of_the_split_are_its_own(tmp_path: Path) -> None:
    for folder in ("val", "valid"):
        image(tmp_path / "images" / folder / "0.png")
    write(tmp_path / "labels" / "valid" / "0.txt", "0 0.5 0.5 0.2 0.2\n")
    found = read_annotations(tmp_path, "yolo")
    assert {p.path.parent.name: len(p) for p in found.splits["val"]} == {
        "val": 0,
        "valid": 1,
    }


def voc(path: Path, count: int) -> Path:
    box = "<bndbox><xmin>2</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
    objects = f"<object><name>a</name>{box}</object>" * count
    return write(path, f"<annotation>{size}{objects}</annotation>")


def test_voc_folders_of_one_split_are_all_read(tmp_path: Path) -> None:
    for folder in ("train", "val", "validation"):
        image(tmp_path / folder / f"{folder}.png")
        voc(tmp_path / folder / f"{folder}.xml", 1)
    found = read_annotations(tmp_path, "voc")
    assert {split: len(own) for split, own in found.splits.items()} == {"train": 1, "val": 2}


def test_voc_lists_of_one_split_are_all_read(tmp_path: Path) -> None:
    for name in "abc":
        image(tmp_path / "JPEGImages" / f"{name}.png")
        voc(tmp_path / "Annotations" / f"{name}.xml", 1)
    for list_name, text in (("train", "a\n"), ("val", "b\n"), ("valid", "b\nc\n")):
        write(tmp_path / "ImageSets" / "Main" / f"{list_name}.txt", text)
    found = read_annotations(tmp_path, "voc")
    assert {split: len(own) for split, own in found.splits.items()} == {"train": 1, "val": 2}
    assert "image-unlisted" not in codes(found)


def test_voc_images_are_found_however_their_folder_spells_the_split(tmp_path: Path) -> None:
    for folder, value in (("test", 20), ("valid", 100)):
        image(tmp_path / "JPEGImages" / folder / "0.png", value)
    voc(tmp_path / "Annotations" / "val" / "0.xml", 1)
    found = read_annotations(tmp_path, "voc")
    assert [shade(p.path) for own in found.splits.values() for p in own] == [100]


@pytest.mark.parametrize("above", ["images/", ""])
def test_cvat_images_are_found_however_their_folder_spells_the_subset(
    tmp_path: Path, above: str
) -> None:
    for folder, value in (("test", 20), ("valid", 100)):
        image(tmp_path / f"{above}{folder}" / "0.png", value)
    pixels = f'<image id="0" name="0.png" subset="val" width="{WIDTH}" height="{HEIGHT}"/>'
    write(tmp_path / "annotations.xml", f"<annotations>{pixels}</annotations>")
    found = read_annotations(tmp_path, "cvat")
    assert [shade(p.path) for p in found.splits["val"]] == [100]


def test_lists_of_maps_of_one_split_are_all_read(tmp_path: Path) -> None:
    for name in "abc":
        image(tmp_path / "images" / f"{name}.png")
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.new("L", (WIDTH, HEIGHT), 1).save(tmp_path / "masks" / f"{name}.png")
    for list_name, text in (("train", "a\n"), ("val", "b\n"), ("valid", "c\n")):
        write(tmp_path / f"{list_name}.txt", text)
    found = read_annotations(tmp_path, "label_maps", task="semantic_segmentation")
    assert {split: len(own) for split, own in found.splits.items()} == {"train": 1, "val": 2}
