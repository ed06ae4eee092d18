"""Planted faults: each code found, with its file and place; and nothing found in clean sets."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tapetum.base.errors import AnnotationError
from tapetum.data.checking.check import CODES, check_dataset
from tapetum.data.formats import read_annotations
from tapetum.data.records.image_record import Finding

SERIOUS = ("error", "warning")


def serious(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity in SERIOUS]


def of_code(findings: list[Finding], code: str) -> list[Finding]:
    return [finding for finding in findings if finding.code == code]


# --- clean sets ---------------------------------------------------------------------------------


def test_clean_sets_have_no_errors_and_no_warnings(coco_folder, voc_folder, yolo_folder):
    for build in (coco_folder, voc_folder, yolo_folder):
        assert serious(check_dataset(build())) == []


@pytest.mark.parametrize("name", ["voc2007", "coco_mini"])
def test_clean_real_sets(shared_data, name):
    assert serious(check_dataset(shared_data / name, deep=False)) == []


def test_the_two_known_boxes_of_the_blood_cells(shared_data):
    found = serious(check_dataset(shared_data / "bccd", deep=False))
    assert [(f.code, f.file, f.where) for f in found] == [
        ("box-zero-size", "Annotations/BloodImage_00338.xml", "line 163"),
        ("box-zero-size", "Annotations/BloodImage_00343.xml", "line 55"),
    ]


def test_a_real_set_with_its_pixels(shared_data, tree_digest):
    before = tree_digest(shared_data / "coco_mini")
    steps: list[int] = []

    def progress(indices: Any, count: int) -> Any:
        for index in indices:
            steps.append(count)
            yield index

    found = check_dataset(shared_data / "coco_mini", progress=progress)
    assert serious(found) == []
    assert steps == [101] * 101
    assert tree_digest(shared_data / "coco_mini") == before


# --- COCO ---------------------------------------------------------------------------------------

IN_FILE = "annotations/instances_train.json"


def obj(**changes: Any) -> Any:
    return lambda content: content["annotations"][0].update(changes)


def image(**changes: Any) -> Any:
    return lambda content: content["images"][0].update(changes)


def drop(place: str, key: str) -> Any:
    return lambda content: content[place][0].pop(key)


def add(place: str, entry: Any) -> Any:
    return lambda content: content[place].append(entry)


def repeat_object(**changes: Any) -> Any:
    return lambda content: content["annotations"].append(content["annotations"][0] | changes)


FOUND = "annotation 11"
COCO_FAULTS = [
    ("annotation-malformed", "annotations[3]", add("annotations", 5)),
    ("annotation-malformed", FOUND, obj(image_id=[7])),
    ("annotation-malformed", FOUND, obj(category_id=None)),
    ("annotation-malformed", FOUND, obj(iscrowd="yes")),
    ("annotation-malformed", FOUND, drop("annotations", "image_id")),
    ("image-malformed", "images[2]", add("images", {"file_name": "c.png"})),
    ("image-malformed", "image 8", add("images", {"id": 8, "file_name": None})),
    ("class-malformed", "categories[2]", add("categories", {"id": 5})),
    ("class-malformed", "categories[2]", add("categories", {"id": [1], "name": "x"})),
    ("class-unknown", FOUND, obj(category_id=2)),
    ("image-unknown", FOUND, obj(image_id=8)),
    ("box-malformed", FOUND, obj(bbox=[1, 2, 3])),
    ("box-malformed", FOUND, obj(bbox=[1, 2, 3, "4"])),
    ("box-malformed", FOUND, obj(bbox={"x": 1})),
    ("box-malformed", FOUND, obj(bbox=[1, 2, 3, 10**400])),
    ("box-malformed", FOUND, drop("annotations", "bbox")),
    ("box-negative", FOUND, obj(bbox=[1, 2, -3, 4])),
    ("box-zero-size", FOUND, obj(bbox=[1, 2, 0, 4])),
    ("box-zero-size", FOUND, obj(bbox=[30, 2, 1e-7, 4])),
    ("box-outside", FOUND, obj(bbox=[60, 2, 3, 4])),
    ("box-outside", FOUND, obj(bbox=[-5, -5, 5, 5])),
    ("polygon-too-short", FOUND, obj(segmentation=[[1, 2, 3, 4], [1, 1, 9, 1, 9, 9]])),
    ("segment-malformed", FOUND, obj(segmentation=[[1, 2, 3, 4, 5, 6, 7]])),
    ("segment-malformed", FOUND, obj(segmentation=[[1, 2, 3, 4, 5, "6"]])),
    ("segment-malformed", FOUND, obj(segmentation="outline")),
    ("segment-malformed", FOUND, obj(segmentation={"counts": [2400]})),
    ("segment-malformed", FOUND, obj(segmentation={"size": [40, 60], "counts": [1.5, 2398.5]})),
    ("segment-malformed", FOUND, obj(segmentation={"size": [40, 60], "counts": {}})),
    ("rle-bad-counts", FOUND, obj(segmentation={"size": [40, 60], "counts": [1, 2, 2398]})),
    ("rle-bad-counts", FOUND, obj(segmentation={"size": [40, 60], "counts": [-1, 2401]})),
    ("rle-bad-counts", FOUND, obj(segmentation={"size": [60, 40], "counts": [2400]})),
    ("rle-bad-counts", FOUND, obj(segmentation={"size": [40, 60], "counts": [2**40, 1]})),
    (
        "image-missing",
        "image 8",
        add("images", {"id": 8, "file_name": "no.png", "height": 4, "width": 6}),
    ),
    ("id-duplicate-image", "image 7", add("images", {"id": 7, "file_name": "b.png"})),
    ("id-duplicate-class", "category 3", add("categories", {"id": 3, "name": "cow"})),
    ("name-hostile", "image 7", image(file_name="../train/a.png")),
    ("name-hostile", "image 7", image(file_name="x/../../../etc/passwd")),
    ("name-hostile", "image 7", image(file_name="/etc/passwd")),
    ("name-hostile", "image 7", image(file_name="a.png\0.jpg")),
    ("name-hostile", "image 7", image(file_name="\\\\server\\share\\a.png")),
    ("name-hostile", "image 7", image(file_name="C:\\a.png")),
    ("box-partly-outside", FOUND, obj(bbox=[55, 30, 10, 5])),
    ("box-partly-outside", FOUND, obj(bbox=[-1, 30, 10, 5])),
    ("box-duplicate", "annotation 14", repeat_object(id=14)),
    ("area-mismatch", FOUND, obj(area=5000)),
    ("area-mismatch", FOUND, obj(area=-1)),
    ("area-mismatch", FOUND, obj(area="large")),
    ("area-mismatch", "annotation 13", lambda c: c["annotations"][2].update(area=10)),
    ("size-missing", "image 7", drop("images", "width")),
    ("size-missing", "image 7", image(height=-40)),
    ("id-duplicate-annotation", FOUND, repeat_object(bbox=[30, 5, 6, 7])),
    ("class-name-variant", "class Cat", lambda c: c["categories"][1].update(name="Cat")),
    ("class-name-variant", "class c at", lambda c: c["categories"][1].update(name="c at")),
    ("class-name-variant", "category 3", lambda c: c["categories"][1].update(name="cat")),
    ("box-tiny", FOUND, obj(bbox=[1, 2, 0.5, 4])),
    ("area-missing", "annotations", drop("annotations", "area")),
    ("id-missing", "annotations", drop("annotations", "id")),
    ("id-gap", "categories", lambda c: None),
    ("class-without-objects", "class cow", add("categories", {"id": 4, "name": "cow"})),
]


@pytest.mark.parametrize(("code", "where", "plant"), COCO_FAULTS)
def test_faults_in_coco(coco_folder, code, where, plant):
    findings = check_dataset(coco_folder(plant))
    found = of_code(findings, code)
    assert [finding.where for finding in found] == [where]
    assert found[0].file in (IN_FILE, ".")
    assert found[0].severity == CODES[code][0]
    others = [f for f in serious(findings) if f.code not in (code, "box-duplicate")]
    # A class or image that goes takes what hangs on it along; nothing else may be found.
    assert {f.code for f in others} <= {"class-unknown", "area-mismatch"}, others


def test_infinite_numbers_in_coco(coco_folder):
    root = coco_folder()
    file = root / IN_FILE
    file.write_text(file.read_text().replace("[1.5, 2.25, 10.1, 20.2]", "[1.5, 2.25, 1e999, 3]"))
    found = of_code(check_dataset(root), "box-not-finite")
    assert [(f.file, f.where) for f in found] == [(IN_FILE, FOUND)]


LEFT_OUT = (
    *("annotation-malformed", "box-malformed", "box-negative", "box-outside", "box-zero-size"),
    *("class-unknown", "image-unknown"),
)


@pytest.mark.parametrize(("code", "where", "plant"), COCO_FAULTS)
def test_what_is_wrong_is_left_out_and_the_rest_kept(coco_folder, code, where, plant):
    images = read_annotations(coco_folder(plant)).splits["train"]
    ids = [id for image in images for id in image.ids]
    if code == "name-hostile":
        assert ids == [13]
        assert [image.name for image in images] == ["b.png"]
    elif code in LEFT_OUT and where == FOUND:
        assert ids == [12, 13]
    elif code == "id-missing":
        assert ids == ["#0", 12, 13]
    elif code in ("box-duplicate", "id-duplicate-annotation"):
        assert len(ids) == 4
    else:
        assert ids == [11, 12, 13]


# --- VOC ----------------------------------------------------------------------------------------


def voc_faults(make: Any) -> list[tuple[str, str, str]]:
    xml, box = make.voc_xml, make.voc_object
    return [
        ("file-unreadable", "line 2 column 11", "<annotation>\n<object></annotation>"),
        ("file-unreadable", "line 1", "<html></html>"),
        ("file-unreadable", "line 1", xml(box(), head='<!DOCTYPE a [<!ENTITY b "c">]>')),
        ("annotation-malformed", "line 4", xml(box(""))),
        ("annotation-malformed", "line 4", xml(box(difficult=7))),
        ("box-malformed", "line 4", xml("<object><name>cat</name></object>")),
        ("box-malformed", "line 4", xml(box(box=("two", 3, 12, 13)))),
        ("box-not-finite", "line 5", xml(box(box=(2, 3, "inf", 13)))),
        ("box-not-finite", "line 5", xml(box(box=(2, "nan", 12, 13)))),
        ("box-zero-size", "line 5", xml(box(box=(5, 5, 5, 5)))),
        ("box-zero-size", "line 5", xml(box(box=(9, 5, 5, 9)))),
        ("box-outside", "line 5", xml(box(box=(61, 5, 70, 9)))),
        ("box-partly-outside", "line 5", xml(box(box=(0, 5, 10, 9)))),
        ("box-partly-outside", "line 5", xml(box(box=(50, 5, 61, 9)))),
        ("box-duplicate", "line 7", xml(box() + box())),
        ("size-missing", "line 1", xml(box(), size=None)),
        ("size-missing", "line 3", xml(box(), size=(0, 0))),
        ("name-hostile", "line 2", xml(box(), name="../../a.png")),
        ("class-name-variant", "class cat", xml(box("Cat"))),
        ("image-empty", "image a", xml("")),
    ]


@pytest.mark.parametrize("number", range(20))
def test_faults_in_voc(voc_folder, make, number):
    code, where, first = voc_faults(make)[number]
    findings = check_dataset(voc_folder(first))
    found = of_code(findings, code)
    assert [finding.where for finding in found] == [where]
    assert found[0].file in ("Annotations/a.xml", "JPEGImages/a.png", ".")
    assert {f.code for f in serious(findings)} <= {code}


def test_faults_in_the_lists_of_voc(voc_folder, make):
    root = voc_folder()
    lists = root / "ImageSets" / "Main"
    (lists / "train.txt").write_text("a\n\nabsent\na\n../../etc/passwd\n/etc/passwd\n")
    (lists / "cat_train.txt").write_text("not a list of images\n")
    (root / "Annotations" / "c.xml").write_text(make.voc_xml(make.voc_object(), "c.png"))
    found = {(f.code, f.file, f.where) for f in check_dataset(root)}
    listed = "ImageSets/Main/train.txt"
    assert ("split-missing-file", listed, "line 3") in found
    assert ("image-duplicate", listed, "line 4") in found
    assert ("name-hostile", listed, "line 5") in found
    assert ("name-hostile", listed, "line 6") in found
    assert ("image-unlisted", "Annotations/c.xml", "file") in found
    assert ("image-missing", "Annotations/c.xml", "filename") in found
    assert len(found) == 6 + 1  # and the class without objects in a split


# --- YOLO ---------------------------------------------------------------------------------------

YOLO_FAULTS = [
    ("annotation-malformed", "line 2", "0 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2\n"),
    ("annotation-malformed", "line 1", "cat 0.5 0.5 0.2 0.2\n"),
    ("annotation-malformed", "line 1", "0.5 0.5 0.5 0.2 0.2\n"),
    ("annotation-malformed", "line 1", "-1 0.5 0.5 0.2 0.2\n"),
    ("annotation-malformed", "line 1", "nan 0.5 0.5 0.2 0.2\n"),
    ("annotation-malformed", "line 1", "0 0.5 0.5 0.2 0.2 0.9\n"),
    ("class-unknown", "line 1", "2 0.5 0.5 0.2 0.2\n"),
    ("box-not-normalised", "line 1", "0 30 20 10 10\n"),
    ("box-not-finite", "line 1", "0 0.5 nan 0.2 0.2\n"),
    ("box-negative", "line 1", "0 0.5 0.5 -0.2 0.2\n"),
    ("box-zero-size", "line 1", "0 0.5 0.5 0 0.2\n"),
    ("box-zero-size", "line 1", "0 0.1 0.1 0.1 0.5 0.1 0.3\n"),
    ("box-outside", "line 1", "0 1.5 0.5 0.2 0.2\n"),
    ("box-partly-outside", "line 3", "\n\n0 0.95 0.5 0.2 0.2\n"),
    ("box-duplicate", "line 2", "0 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2 0.2\n"),
    ("file-unreadable", "byte 0", b"\xff\xfe0\0"),
    ("box-tiny", "line 1", "0 0.5 0.5 0.2 0.01\n"),
]


@pytest.mark.parametrize(("code", "where", "first"), YOLO_FAULTS)
def test_faults_in_yolo(yolo_folder, code, where, first):
    root = yolo_folder(first if isinstance(first, str) else "")
    if isinstance(first, bytes):
        (root / "labels" / "train" / "a.txt").write_bytes(first)
    findings = check_dataset(root)
    found = of_code(findings, code)
    assert [(f.file, f.where) for f in found] == [("labels/train/a.txt", where)]
    assert {f.code for f in serious(findings)} <= {code}


def test_faults_in_data_yaml(yolo_folder):
    plain = "0 0.5 0.5 0.2 0.2\n"
    text = (
        "train: [images/train, 5]\nval: ../../elsewhere\ntest: images/test\n"
        "nc: 7\nnames: {0: cat, 1: no, x: cow}\n"
    )
    found = check_dataset(yolo_folder(plain, plain, text))
    assert {(f.code, f.file, f.where) for f in serious(found)} == {
        ("annotation-malformed", "data.yaml", "train"),
        ("name-hostile", "data.yaml", "val"),
        ("split-missing-file", "data.yaml", "test"),
        ("class-count", "data.yaml", "nc"),
        ("class-malformed", "data.yaml", "names 1"),
        ("class-malformed", "data.yaml", "names x"),
    }


def test_strays_and_missing_names_in_yolo(yolo_folder, make):
    root = yolo_folder()
    (root / "data.yaml").unlink()
    (root / "labels" / "train" / "stray.txt").write_text("")
    (root / "images" / "val" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    found = {(f.code, f.file, f.where) for f in serious(check_dataset(root))}
    assert found == {
        ("class-names-missing", ".", "data.yaml"),
        ("label-without-image", "labels/train/stray.txt", "file"),
        ("image-unreadable", "images/val/broken.png", "file"),
    }


# --- images -----------------------------------------------------------------------------------


def test_images_that_differ_from_their_records(coco_folder, make):
    root = coco_folder()
    exif = Image.Exif()
    exif[0x0112] = 6
    make.save(root / "train" / "a.png", make.noise(40, 60), exif=exif)
    make.save(root / "train" / "b.png", make.noise(30, 60))
    found = [(f.code, f.file, f.severity) for f in serious(check_dataset(root))]
    assert found == [
        ("size-mismatch", "train/b.png", "error"),
        ("size-swapped", "train/a.png", "warning"),
    ]
    assert serious(check_dataset(root, deep=False)) == []


def test_turned_and_remarkable_images(yolo_folder, make):
    root = yolo_folder()
    exif = Image.Exif()
    exif[0x0112] = 3
    make.save(root / "images" / "train" / "a.png", make.noise(40, 60), exif=exif)
    exif[0x0112] = 77
    make.save(root / "images" / "val" / "b.png", make.noise(40, 60, 1), exif=exif)
    found = {(f.code, f.file) for f in check_dataset(root)}
    assert found == {
        ("exif-turned", "images/train/a.png"),
        ("image-note", "images/val/b.png"),
    }


def test_undecodable_images(coco_folder):
    root = coco_folder()
    whole = (root / "train" / "a.png").read_bytes()
    (root / "train" / "a.png").write_bytes(whole[: len(whole) // 2])
    assert [(f.code, f.file) for f in serious(check_dataset(root))] == [
        ("image-unreadable", "train/a.png")
    ]


def test_twins_within_and_across_splits(yolo_folder, make):
    root = yolo_folder()
    make.save(root / "images" / "train" / "twin.bmp", make.noise(40, 60, 0))
    make.save(root / "images" / "val" / "leak.tif", make.noise(40, 60, 0))
    found = {(f.code, f.file, f.where) for f in serious(check_dataset(root))}
    assert found == {
        ("image-duplicate", "images/train/twin.bmp", "train"),
        ("split-leak", "images/val/leak.tif", "val"),
    }
    turned = make.noise(40, 60, 0).transpose(1, 0, 2)
    make.save(root / "images" / "val" / "leak.tif", turned)
    assert {f.code for f in serious(check_dataset(root))} == {"image-duplicate"}


def test_near_twins_within_and_across_splits(yolo_folder, make):
    """The same image compressed, smaller or brighter, under other names; exact ones are told as
    such only."""
    root = yolo_folder()
    blocks = Image.fromarray(make.noise(6, 8, 3)).resize((240, 180), Image.Resampling.BICUBIC)
    folder = root / "images"
    blocks.save(folder / "train" / "c.png")
    blocks.save(folder / "train" / "d.jpg", quality=60)
    blocks.save(folder / "train" / "e.bmp")
    blocks.resize((120, 90)).save(folder / "val" / "f.png")
    brighter = blocks.point([min(255, level + 8) for level in range(256)] * 3)
    brighter.save(folder / "val" / "g.png")
    found = [(f.code, f.file, f.where, f.duplicate) for f in serious(check_dataset(root))]
    assert set(found) == {
        ("image-duplicate", "images/train/e.bmp", "train", "images/train/c.png"),
        ("image-near-duplicate", "images/train/d.jpg", "train", "images/train/c.png"),
        ("image-near-duplicate", "images/val/g.png", "val", "images/val/f.png"),
        ("split-near-leak", "images/val/f.png", "val", "images/train/c.png"),
        ("split-near-leak", "images/val/g.png", "val", "images/train/c.png"),
    }
    assert len(found) == 5
    assert [f.code for f in check_dataset(root, deep=False) if f.duplicate] == []


def test_findings_say_where_to_look(coco_folder, yolo_folder):
    """The box as the file has it, and the image's name, for whoever wants to draw them."""
    (found,) = of_code(check_dataset(coco_folder(obj(bbox=[55, 30, 10, 5]))), "box-partly-outside")
    assert (found.image, found.box, found.duplicate) == ("a.png", (55, 30, 10, 5), None)
    (found,) = of_code(check_dataset(yolo_folder("0 0.5 nan 0.2 0.2\n")), "box-not-finite")
    assert (found.image, found.box) == ("a.png", None)


def test_splits_that_share_files(coco_folder):
    root = coco_folder()
    content = json.loads((root / IN_FILE).read_text())
    content["categories"][0]["id"] = 77
    for entry in content["annotations"]:
        entry["category_id"] = {1: 77}.get(entry["category_id"], entry["category_id"])
    for entry in content["images"]:
        entry["file_name"] = f"train/{entry['file_name']}"
    content["images"].append(content["images"][0] | {"id": 99})
    (root / "annotations" / "instances_val.json").write_text(json.dumps(content))
    found = [(f.code, f.file, f.where) for f in serious(check_dataset(root))]
    assert found == [
        ("class-id-differs", "annotations/instances_val.json", "category 77"),
        ("split-overlap", "train/a.png", "val"),
        ("split-overlap", "train/b.png", "val"),
        ("image-duplicate", "train/a.png", "val"),
        ("split-overlap", "train/a.png", "val"),
    ]


def test_links_that_lead_out_are_not_opened(coco_folder, tmp_path, make):
    root = coco_folder()
    make.save(tmp_path / "secret" / "a.png", make.noise(40, 60, 5))
    (root / "train" / "a.png").unlink()
    (root / "train" / "a.png").symlink_to(tmp_path / "secret" / "a.png")
    assert [(f.code, f.where) for f in serious(check_dataset(root))] == [
        ("name-hostile", "image 7")
    ]
    (root / "train" / "a.png").unlink()
    (root / "train" / "b.png").rename(root / "inside.png")
    (root / "train" / "b.png").symlink_to(root / "inside.png")
    (root / "train" / "a.png").symlink_to(root / "inside.png")
    codes = [f.code for f in serious(check_dataset(root))]
    assert set(codes) <= {"image-duplicate"}  # links that stay inside are files like others


@pytest.mark.parametrize("name", ["coco", "voc", "yolo"])
def test_nothing_outside_is_ever_opened(request, tmp_path, make, name):
    """Every file of a dataset replaced, in turn, by a link that leads out of it."""
    root: Path = request.getfixturevalue(f"{name}_folder")()
    outside = tmp_path / "outside"
    outside.mkdir()
    opened: list[str] = []
    watching = True

    def watch(event: str, arguments: tuple) -> None:
        if watching and event == "open" and str(arguments[0]).startswith(str(outside)):
            opened.append(str(arguments[0]))
        if watching and event == "open" and Path(str(arguments[0])).is_symlink():
            opened.append(str(arguments[0]))

    sys.addaudithook(watch)
    try:
        for file in [path for path in sorted(root.rglob("*")) if path.is_file()]:
            target = outside / file.name
            file.rename(target)
            file.symlink_to(target)
            with contextlib.suppress(AnnotationError):
                assert "name-hostile" in {f.code for f in check_dataset(root)}
            assert opened == []
            file.unlink()
            target.rename(file)
    finally:
        watching = False
    assert serious(check_dataset(root)) == []


def test_a_folder_that_leads_out_is_not_opened(coco_folder, tmp_path):
    root = coco_folder()
    (root / "train").rename(tmp_path / "elsewhere")
    (root / "train").symlink_to(tmp_path / "elsewhere")
    found = {(f.code, f.file) for f in serious(check_dataset(root))}
    assert found == {("name-hostile", "train"), ("image-missing", IN_FILE)}


def test_names_are_printed_on_one_line(coco_folder):
    bad = "\x1b[31ma\nb.png"
    found = serious(check_dataset(coco_folder(image(file_name=bad))))
    assert [f.code for f in found] == ["image-missing"]
    assert found[0].message.isprintable()
    assert "\\x1b[31ma\\nb.png" in found[0].message


@pytest.mark.parametrize("name", ["coco", "voc", "yolo"])
def test_checking_changes_nothing(request, tree_digest, name):
    root: Path = request.getfixturevalue(f"{name}_folder")()
    before = tree_digest(root)
    check_dataset(root)
    assert tree_digest(root) == before


def test_every_code_is_planted_somewhere(request):
    """The table of codes and the faults planted in the tests of data are the same list."""
    text = "".join(file.read_text("utf-8") for file in Path(__file__).parents[1].rglob("test_*.py"))
    assert [code for code in CODES if f'"{code}"' not in text] == []
    assert {severity for severity, _ in CODES.values()} == {"error", "warning", "info"}
    assert all(meaning for _, meaning in CODES.values())


def test_a_set_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(AnnotationError, match="no annotations recognised"):
        check_dataset(tmp_path)


def test_many_faults_at_once_are_all_counted(coco_folder):
    """A hundred bad boxes among a thousand: exactly those are left out."""

    def plant(content: dict[str, Any]) -> None:
        rng = np.random.default_rng(0)
        bad = set(rng.choice(1000, 100, replace=False).tolist())
        content["annotations"] = [
            {
                "id": number + 1,
                "image_id": 7 if number % 2 else 9,
                "category_id": 1 if number % 3 else 3,
                "bbox": [number % 50, number / 50, 0 if number in bad else 1 + number / 100, 2],
                "area": 2 * (1 + number / 100),
                "iscrowd": 0,
            }
            for number in range(1000)
        ]

    root = coco_folder(plant)
    found = [f for f in check_dataset(root) if f.severity == "error"]
    assert [f.code for f in found] == ["box-zero-size"] * 100
    kept = sum(len(image) for image in read_annotations(root).splits["train"])
    assert kept == 900
