"""Exports as tools write them: each made here, small, with the oddities of its tool."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tapetum.base.errors import AnnotationError, FileAccessError
from tapetum.base.limits import DEFAULT_LIMITS
from tapetum.data.formats import read_annotations, recognize
from tapetum.data.reading.files import open_dataset

WIDTH, HEIGHT = 40, 30


def image(path: Path, shade: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (WIDTH, HEIGHT), (shade, 80, 70)).save(path)
    return path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def coco(path: Path, names: list[str], categories: list[dict], **obj: object) -> Path:
    """A COCO file with one object on each image."""
    images = [
        {"id": i, "file_name": name, "width": WIDTH, "height": HEIGHT}
        for i, name in enumerate(names)
    ]
    objects = [
        {
            "id": i,
            "image_id": i,
            "category_id": categories[-1]["id"],
            "bbox": [4, 5, 10, 8],
            "area": 80,
            "iscrowd": 0,
            "segmentation": [],
            **obj,
        }
        for i in range(len(names))
    ]
    content = {"images": images, "annotations": objects, "categories": categories}
    return write(path, json.dumps(content))


def codes(annotations) -> set[str]:
    return {finding.code for finding in annotations.findings}


# --- Roboflow -----------------------------------------------------------------------------------

ROBOFLOW = [
    {"id": 0, "name": "cells", "supercategory": "none"},
    {"id": 1, "name": "RBC", "supercategory": "cells"},
    {"id": 2, "name": "WBC", "supercategory": "cells"},
]


def test_roboflow_coco(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        name = f"a_jpg.rf.0123456789abcdef{split}.jpg"
        image(tmp_path / split / name)
        coco(tmp_path / split / "_annotations.coco.json", [name], ROBOFLOW)
    found = read_annotations(tmp_path)
    assert found.classes == ("RBC", "WBC")
    assert found.class_ids == (1, 2)
    assert {split: len(own) for split, own in found.splits.items()} == {
        "train": 1,
        "val": 1,
        "test": 1,
    }
    assert found.splits["train"][0].labels.tolist() == [1]
    assert "class-root" in codes(found)


def test_a_root_that_has_objects_is_a_class(tmp_path: Path) -> None:
    image(tmp_path / "a.jpg")
    coco(tmp_path / "x.json", ["a.jpg"], ROBOFLOW, category_id=0)
    assert read_annotations(tmp_path / "x.json").classes == ("cells", "RBC", "WBC")


def test_real_groups_are_no_roots(tmp_path: Path) -> None:
    """In COCO itself no class is the supercategory of all the others."""
    image(tmp_path / "a.jpg")
    categories = [
        {"id": 1, "name": "person", "supercategory": "person"},
        {"id": 2, "name": "car", "supercategory": "vehicle"},
    ]
    coco(tmp_path / "x.json", ["a.jpg"], categories)
    assert read_annotations(tmp_path / "x.json").classes == ("person", "car")


def test_roboflow_yolo_names_folders_beside_itself(tmp_path: Path) -> None:
    names = "names: ['RBC', 'WBC']\nnc: 2\n"
    write(
        tmp_path / "data.yaml",
        f"train: ../train/images\nval: ../valid/images\ntest: ../test/images\n{names}",
    )
    for split in ("train", "valid"):
        image(tmp_path / split / "images" / "a.jpg")
        write(tmp_path / split / "labels" / "a.txt", "1 0.5 0.5 0.5 0.5\n")
    found = read_annotations(tmp_path)
    assert {split: len(own) for split, own in found.splits.items()} == {"train": 1, "val": 1}
    assert found.splits["val"][0].xywh.tolist() == [[10, 7.5, 20, 15]]


# --- CVAT ---------------------------------------------------------------------------------------


def test_cvat_coco_marks_brushed_masks_as_crowds(tmp_path: Path) -> None:
    image(tmp_path / "images" / "a.jpg")
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[5:13, 4:14] = True
    runs = {"size": [HEIGHT, WIDTH], "counts": _column_runs(mask)}
    file = tmp_path / "annotations" / "instances_default.json"
    cat = [{"id": 1, "name": "cell", "supercategory": ""}]
    coco(file, ["a.jpg"], cat, iscrowd=1, segmentation=runs, attributes={"occluded": False})
    found = read_annotations(tmp_path)
    (record,) = found.splits["all"]
    assert record.crowd.tolist() == [False]
    assert "crowd-by-tool" in codes(found)
    sample = open_dataset(str(tmp_path), "all", task="instance_segmentation")[0]
    assert sample.target.objects.masks[0].numpy().tolist() == mask.tolist()


def test_crowds_of_others_stay_crowds(tmp_path: Path) -> None:
    image(tmp_path / "a.jpg")
    runs = {"size": [HEIGHT, WIDTH], "counts": [0, HEIGHT * WIDTH]}
    cat = [{"id": 1, "name": "cell"}]
    coco(tmp_path / "x.json", ["a.jpg"], cat, iscrowd=1, segmentation=runs)
    (record,) = read_annotations(tmp_path / "x.json").splits["all"]
    assert record.crowd.tolist() == [True]


def test_cvat_yolo(tmp_path: Path) -> None:
    write(
        tmp_path / "obj.data",
        "classes = 2\ntrain = data/train.txt\nvalid = data/Validation.txt\n"
        "names = data/obj.names\nbackup = backup/\n",
    )
    write(tmp_path / "obj.names", "RBC\nWBC\n")
    for name, folder in (("train.txt", "obj_train_data"), ("Validation.txt", "obj_val_data")):
        write(tmp_path / name, f"data/{folder}/a.jpg\n")
        image(tmp_path / folder / "a.jpg")
        write(tmp_path / folder / "a.txt", "1 0.5 0.5 0.5 0.5\n")
    assert recognize(tmp_path) == "yolo"
    found = read_annotations(tmp_path)
    assert found.classes == ("RBC", "WBC")
    assert {split: len(own) for split, own in found.splits.items()} == {"train": 1, "val": 1}
    assert found.splits["train"][0].labels.tolist() == [1]


def test_cvat_voc_calls_its_split_default(tmp_path: Path) -> None:
    image(tmp_path / "JPEGImages" / "a.jpg")
    write(tmp_path / "ImageSets" / "Main" / "default.txt", "a\n")
    write(
        tmp_path / "Annotations" / "a.xml",
        f"<annotation><filename>a.jpg</filename><size><width>{WIDTH}</width><height>{HEIGHT}"
        "</height><depth>3</depth></size><object><name>cell</name><bndbox><xmin>5</xmin>"
        "<ymin>6</ymin><xmax>14</xmax><ymax>13</ymax></bndbox></object></annotation>",
    )
    found = read_annotations(tmp_path)
    assert [len(own) for own in found.splits.values()] == [1]
    assert len(open_dataset(str(tmp_path), "all")) == 1


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><name>cells</name></task></meta>
  <image id="0" name="a.jpg" subset="Train" width="40" height="30">
    <box label="RBC" occluded="0" xtl="4" ytl="5" xbr="14" ybr="13" z_order="0">
      <attribute name="round">yes</attribute>
    </box>
    <box label="WBC" occluded="0" xtl="10" ytl="10" xbr="20" ybr="20" rotation="90"/>
    <polygon label="RBC" points="1.0,2.0;9.0,2.0;5.0,8.0"/>
    <ellipse label="WBC" cx="20" cy="15" rx="6" ry="3"/>
    <mask label="RBC" rle="2, 1, 2, 1" left="3" top="4" width="3" height="2"/>
    <polyline label="RBC" points="1,1;2,2"/>
    <tag label="slide"/>
  </image>
  <image id="1" name="b.jpg" subset="Validation" width="40" height="30"/>
</annotations>
"""


@pytest.fixture
def cvat(tmp_path: Path) -> Path:
    write(tmp_path / "annotations.xml", CVAT)
    image(tmp_path / "images" / "Train" / "a.jpg")
    image(tmp_path / "images" / "Validation" / "b.jpg")
    return tmp_path


def test_cvat_for_images(cvat: Path) -> None:
    assert recognize(cvat) == "cvat"
    found = read_annotations(cvat)
    assert found.classes == ("RBC", "WBC", "slide")
    (a,), (b,) = found.splits["train"], found.splits["val"]
    assert len(b) == 0
    assert [found.classes[label] for label in a.labels] == ["RBC", "WBC", "RBC", "WBC", "RBC"]
    np.testing.assert_allclose(
        a.xywh,
        [[4, 5, 10, 8], [10, 10, 10, 10], [1, 2, 8, 6], [14, 12, 12, 6], [3, 4, 3, 2]],
        atol=1e-9,
    )
    assert a.image_labels == (2,)
    assert "shape-no-object" in codes(found)


def test_the_outlines_of_cvat(cvat: Path) -> None:
    masks = open_dataset(str(cvat), "train", task="instance_segmentation")[
        0
    ].target.objects.masks.numpy()
    brushed = np.zeros((HEIGHT, WIDTH), dtype=bool)
    brushed[4, 5] = brushed[5, 5] = True
    assert masks[4].tolist() == brushed.tolist()
    assert masks[3].sum() == pytest.approx(np.pi * 6 * 3, rel=0.1)
    assert masks[2].sum() == pytest.approx(24, abs=6)


def test_the_tags_of_cvat_are_labels(cvat: Path) -> None:
    dataset = open_dataset(str(cvat), "train", task="classification")
    assert dataset[0].target.labels.tolist() == [2]


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ('<box label="RBC" xtl="1" ytl="2" xbr="3"/>', "a box that cannot be read"),
        ('<polygon label="RBC" points="1,2;3,4"/>', "three times or more"),
        ('<mask label="RBC" rle="9" left="0" top="0" width="2" height="2"/>', "do not fill"),
        ('<mask label="RBC" rle="4" left="39" top="0" width="2" height="2"/>', "outside"),
        ('<box xtl="1" ytl="2" xbr="3" ybr="4"/>', "a box without a label"),
    ],
)
def test_bad_shapes_of_cvat(tmp_path: Path, shape: str, words: str) -> None:
    image(tmp_path / "images" / "a.jpg")
    head = '<annotations><image id="0" name="a.jpg" width="40" height="30">'
    write(tmp_path / "annotations.xml", f"{head}\n{shape}</image></annotations>")
    found = read_annotations(tmp_path)
    (finding,) = [f for f in found.findings if f.code == "annotation-malformed"]
    assert words in finding.message
    assert finding.where == "line 2"
    assert len(found.splits["all"][0]) == 0


def test_videos_of_cvat_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "annotations.xml", '<annotations><track id="0" label="x"/></annotations>')
    with pytest.raises(AnnotationError, match=r"tracks of a video.*CVAT for images"):
        read_annotations(tmp_path)


# --- Label Studio -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["images\\7a5e1c2b-cells 1.jpg", "images/7a5e1c2b-cells 1.jpg"])
@pytest.mark.parametrize("stored", ["7a5e1c2b-cells 1.jpg", "cells 1.jpg"])
def test_label_studio_coco(tmp_path: Path, name: str, stored: str) -> None:
    image(tmp_path / "images" / stored)
    coco(tmp_path / "result.json", [name], [{"id": 0, "name": "RBC"}, {"id": 1, "name": "WBC"}])
    found = read_annotations(tmp_path)
    assert found.classes == ("RBC", "WBC")
    (record,) = found.splits["all"]
    assert record.path == tmp_path / "images" / stored
    assert record.labels.tolist() == [1]


def test_label_studio_yolo_has_notes(tmp_path: Path) -> None:
    write(tmp_path / "classes.txt", "RBC\nWBC\n")
    notes = {"categories": [{"id": 0, "name": "RBC"}], "info": {"contributor": "Label Studio"}}
    write(tmp_path / "notes.json", json.dumps(notes))
    image(tmp_path / "images" / "7a5e1c2b-a.jpg")
    write(tmp_path / "labels" / "7a5e1c2b-a.txt", "1 0.5 0.5 0.5 0.5\n0 0.1 0.1 0.4 0.1 0.2 0.5\n")
    assert recognize(tmp_path) == "yolo"
    (record,) = read_annotations(tmp_path).splits["all"]
    assert record.labels.tolist() == [1, 0]
    np.testing.assert_allclose(record.xywh[1], [4, 3, 12, 12])
    assert [segment is None for segment in record.segments] == [True, False]


# --- LabelMe ------------------------------------------------------------------------------------


def labelme(path: Path, shapes: list[dict], image: str = "a.jpg") -> Path:
    content = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": image}
    size = {"imageData": None, "imageHeight": HEIGHT, "imageWidth": WIDTH}
    return write(path, json.dumps(content | size))


def shape(kind: str, points: list, label: str = "cell", **more: object) -> dict:
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, **more}


def test_labelme(tmp_path: Path) -> None:
    inner = np.zeros((4, 6), dtype=np.uint8)
    inner[1:3, 2:5] = 255
    buffer = io.BytesIO()
    Image.fromarray(inner).save(buffer, "PNG")
    shapes = [
        shape("polygon", [[1, 2], [9, 2], [5, 8]], "RBC"),
        shape("rectangle", [[14, 13], [4, 5]], "WBC"),
        shape("circle", [[20, 15], [20, 18]], "WBC"),
        shape(
            "mask", [[10, 10], [15, 13]], "RBC", mask=base64.b64encode(buffer.getvalue()).decode()
        ),
        shape("polygon", [[0, 0], [4, 0], [4, 4]], "WBC", group_id=1),
        shape("polygon", [[6, 6], [8, 6], [8, 8]], "WBC", group_id=1),
        shape("point", [[3, 3]], "RBC"),
    ]
    image(tmp_path / "train" / "a.jpg")
    labelme(tmp_path / "train" / "a.json", shapes)
    image(tmp_path / "val" / "b.png")
    labelme(tmp_path / "val" / "b.json", [], "..\\elsewhere\\b.png")
    assert recognize(tmp_path) == "labelme"
    found = read_annotations(tmp_path)
    assert found.classes == ("RBC", "WBC")
    (a,), (b,) = found.splits["train"], found.splits["val"]
    assert b.path == tmp_path / "val" / "b.png"
    boxes = {tuple(np.round(row, 6)) for row in a.xywh.tolist()}
    assert boxes == {
        (1, 2, 8, 6),
        (4, 5, 10, 8),
        (17, 12, 6, 6),
        (12, 11, 3, 2),
        (0, 0, 8, 8),
    }
    assert "shape-no-object" in codes(found)
    masks = open_dataset(str(tmp_path), "train", task="instance_segmentation")[
        0
    ].target.objects.masks
    assert {int(m.sum()) for m in masks} >= {6, 80}


CAR = shape("rectangle", [[5, 6], [25, 26]], "car")


@pytest.mark.parametrize("size", [10, 4096, 3 * 2**20])
def test_labelme_is_known_wherever_its_shapes_stand(tmp_path: Path, size: int) -> None:
    for name in "ab":
        image(tmp_path / f"{name}.jpg")
    labelme(tmp_path / "a.json", [CAR])
    data = base64.b64encode(bytes(size)).decode()
    late = {"version": "5", "text": data, "shapes": [CAR], "imagePath": "b.jpg"}
    write(tmp_path / "b.json", json.dumps(late))
    found = read_annotations(tmp_path)
    assert [len(own) for own in found.splits["all"]] == [1, 1]
    (tmp_path / "a.json").unlink()
    assert recognize(tmp_path) == "labelme"


@pytest.mark.parametrize(
    "text", ["", '{"imageData": "AAAA', '{"imagePath": "b.jpg", "version": "5"}', '{"boxes": []}']
)
def test_a_file_beside_its_image_that_is_not_labelme_is_a_finding(
    tmp_path: Path, text: str
) -> None:
    for name in "ab":
        image(tmp_path / f"{name}.jpg")
    labelme(tmp_path / "a.json", [CAR])
    write(tmp_path / "b.json", text)
    found = read_annotations(tmp_path)
    assert [(f.code, f.file) for f in found.findings] == [("file-unreadable", "b.json")]
    assert len(found.splits["all"]) == 1


def test_coco_is_known_wherever_its_keys_stand(tmp_path: Path) -> None:
    """Long lists before and behind the keys: none of them is near an end of the file."""
    for name in "ab":
        image(tmp_path / f"{name}.jpg")
        coco(tmp_path / "annotations" / f"{name}.json", [f"{name}.jpg"], [{"id": 1, "name": "car"}])
    file = tmp_path / "annotations" / "b.json"
    long = {"text": "x" * 2**21}
    write(file, json.dumps({"before": long, **json.loads(file.read_text()), "behind": long}))
    found = read_annotations(tmp_path)
    assert {name: len(own) for name, own in found.splits.items()} == {"a": 1, "b": 1}


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (shape("polygon", [[1, 2], [3, 4]]), "fewer than three points"),
        (shape("rectangle", [[1, 2]]), "a rectangle has two points"),
        (shape("star", [[1, 2], [3, 4]]), "unknown shape_type 'star'"),
        (shape("polygon", [[1], [2]]), "not pairs"),
        (shape("rectangle", [[1, 2], [3, 4]], label=" "), "no label"),
        (shape("mask", [[1, 2], [3, 4]], mask="???"), "not a PNG"),
    ],
)
def test_bad_shapes_of_labelme(tmp_path: Path, bad: dict, words: str) -> None:
    image(tmp_path / "a.jpg")
    labelme(tmp_path / "a.json", [bad])
    found = read_annotations(tmp_path)
    (finding,) = [f for f in found.findings if f.code == "annotation-malformed"]
    assert words in finding.message
    assert finding.where == "shapes[0]"


# --- archives -----------------------------------------------------------------------------------


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An export in a folder in a .zip, with what macOS adds."""
    monkeypatch.setenv("TAPETUM_CACHE", str(tmp_path / "cache"))
    inside = tmp_path / "export"
    image(inside / "train" / "a.jpg")
    coco(inside / "train" / "_annotations.coco.json", ["a.jpg"], ROBOFLOW)
    file = tmp_path / "cells.zip"
    with zipfile.ZipFile(file, "w") as zipped:
        for path in sorted(p for p in inside.rglob("*") if p.is_file()):
            zipped.write(path, f"cells/{path.relative_to(inside)}")
        zipped.writestr("__MACOSX/cells/._a.jpg", b"junk")
    return file


def test_an_export_as_it_was_downloaded(archive: Path) -> None:
    before = archive.read_bytes()
    assert recognize(archive) == "coco"
    found = read_annotations(archive)
    assert found.classes == ("RBC", "WBC")
    assert len(open_dataset(str(archive), "train", hold_out=False)) == 1
    assert archive.read_bytes() == before
    again = read_annotations(archive)
    assert again.root == found.root  # unpacked once


@pytest.mark.parametrize("name", ["../evil.txt", "/tmp/evil.txt", "a/../../evil.txt"])
def test_names_that_lead_out(archive: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / "bad.zip"
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr(name, b"x")
    with pytest.raises(FileAccessError, match="leads out"):
        read_annotations(file)
    assert not list((tmp_path / "cache").rglob("evil.txt"))
    assert not (tmp_path / "evil.txt").exists()


def test_links_and_bombs_and_garbage(archive: Path, tmp_path: Path) -> None:
    file = tmp_path / "bad.zip"
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr(link, "/etc/passwd")
    with pytest.raises(AnnotationError, match="it holds a link"):
        read_annotations(file)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("zeros", bytes(3_000_000))
    small = replace(DEFAULT_LIMITS, archive_bytes=1_000_000)
    with pytest.raises(AnnotationError, match="unpacks to too many bytes"):
        read_annotations(file, limits=small)
    file.write_bytes(b"PK\x03\x04garbage")
    with pytest.raises(AnnotationError, match=r"not a \.zip that can be read"):
        read_annotations(file)
    few = replace(DEFAULT_LIMITS, archive_files=1)
    with pytest.raises(AnnotationError, match="2 files, more than 1"):
        read_annotations(archive, limits=few)
    assert not list((tmp_path / "cache" / "unpacked").glob(".tapetum-*"))


def _column_runs(mask: np.ndarray) -> list[int]:
    """Run lengths in COCO's order, column by column, background first."""
    flat = mask.T.reshape(-1)
    edges = np.flatnonzero(np.diff(flat.astype(int))) + 1
    runs = np.diff([0, *edges.tolist(), flat.size]).tolist()
    return runs if not flat[0] else [0, *runs]
