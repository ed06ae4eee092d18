"""VOC read and written: real sets, its pixel convention, its XML."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tapetum.base.errors import AnnotationError
from tapetum.base.limits import Limits
from tapetum.data.formats import convert, read_annotations, voc


def test_real_sets(shared_data):
    blood = read_annotations(shared_data / "bccd")
    assert blood.classes == ("Platelets", "RBC", "WBC")
    sizes = {name: len(images) for name, images in blood.splits.items()}
    assert sizes == {"train": 205, "val": 87, "trainval": 292, "test": 72}
    counts = np.bincount(
        np.concatenate([p.labels for s in ("trainval", "test") for p in blood.splits[s]])
    )
    assert counts.tolist() == [361, 4155 - 2, 372]  # two boxes without size
    photos = read_annotations(shared_data / "voc2007")
    everything = [p for split in photos.splits.values() for p in split]
    assert len(photos.classes) == 20
    assert sum(map(len, everything)) == 730  # parts (head, hand, foot) are not objects
    assert sum(int(p.difficult.sum()) for p in everything) == 171
    assert all(p.path is not None and p.path.is_file() for p in everything)


def test_corners_count_from_one_and_both_belong_to_the_box(voc_folder, make):
    first = make.voc_xml(
        make.voc_object("cat", (1, 1, 60, 40)) + make.voc_object("dog", (2, 3, 3, 9))
    )
    root = voc_folder(first)
    found = read_annotations(root)
    (image,) = found.splits["train"]
    assert image.xywh.tolist() == [[0, 0, 60, 40], [1, 2, 2, 7]]
    assert [f for f in found.findings if f.severity != "info"] == []
    assert image.area.tolist() == [2400, 14]
    assert (image.name, image.id, image.size) == ("a.png", "a", (40, 60))


def test_parts_are_not_objects(voc_folder, make):
    part = "<part><name>head</name><bndbox><xmin>2</xmin></bndbox></part>"
    root = voc_folder(make.voc_xml(make.voc_object(more=part, difficult=1)))
    found = read_annotations(root)
    assert found.classes == ("cat",)
    assert found.splits["train"][0].difficult.tolist() == [True]


def test_fractions_are_kept(voc_folder, make):
    root = voc_folder(make.voc_xml(make.voc_object("cat", (2.5, 3.25, 12.5, 13.0))))
    assert read_annotations(root).splits["train"][0].xywh.tolist() == [[1.5, 2.25, 11.0, 10.75]]


def test_without_lists_all_is_one_split(voc_folder):
    root = voc_folder()
    for file in (root / "ImageSets" / "Main").iterdir():
        file.unlink()
    assert {k: len(v) for k, v in read_annotations(root).splits.items()} == {"all": 2}


def test_lists_may_carry_a_mark_and_names_may_have_spaces(voc_folder, make):
    root = voc_folder()
    for folder, suffix in (("Annotations", ".xml"), ("JPEGImages", ".png")):
        (root / folder / f"a{suffix}").rename(root / folder / f"my cat{suffix}")
    (root / "ImageSets" / "Main" / "train.txt").write_text("my cat\r\n")
    (root / "ImageSets" / "Main" / "val.txt").write_text("b  -1\n")
    found = read_annotations(root)
    assert [p.name for p in found.splits["train"]] == ["my cat.png"]
    assert [p.name for p in found.splits["val"]] == ["b.png"]


def test_folders_of_splits_with_xml_beside_images(tmp_path, make):
    for split, name in (("train", "a"), ("valid", "b")):
        make.save(tmp_path / split / f"{name}.JPG", make.noise(40, 60))
        (tmp_path / split / f"{name}.xml").write_text(make.voc_xml(make.voc_object()))
    found = read_annotations(tmp_path)
    assert [(k, v[0].path) for k, v in found.splits.items()] == [
        ("train", tmp_path / "train" / "a.JPG"),
        ("val", tmp_path / "valid" / "b.JPG"),
    ]


def test_an_image_of_another_name_is_found_by_what_the_file_states(voc_folder, make):
    root = voc_folder(make.voc_xml(make.voc_object(), "other.png"))
    (root / "JPEGImages" / "a.png").rename(root / "JPEGImages" / "other.png")
    assert read_annotations(root).splits["train"][0].name == "other.png"


def test_entities_are_not_expanded(voc_folder, tmp_path, make):
    """Neither the laughter of a billion nor another file comes in through an entity."""
    (tmp_path / "secret.txt").write_text("secret")
    levels = "".join(
        f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha" * 10}">' for n in range(12)
    )
    for declared, used in (
        (levels, "&l11;"),
        (f'<!ENTITY f SYSTEM "file://{tmp_path}/secret.txt">', "&f;"),
        ("", "cat"),
    ):
        text = make.voc_xml(make.voc_object(used), head=f"<!DOCTYPE a [{declared}]>")
        root = voc_folder(text)
        found = [f for f in read_annotations(root).findings if f.severity == "error"]
        assert [(f.code, f.where) for f in found] == [("file-unreadable", "line 1")]
        assert "document type" in found[0].message
        shutil.rmtree(root)


def test_depth_and_size_of_xml_are_limited(voc_folder):
    root = voc_folder("<annotation>" + "<a>" * 100 + "</a>" * 100 + "</annotation>")
    (finding,) = [f for f in read_annotations(root).findings if f.severity == "error"]
    assert "levels" in finding.message
    small = read_annotations(root, limits=Limits(text_bytes=300))
    assert "limit" in next(f for f in small.findings if f.code == "file-unreadable").message


@pytest.mark.parametrize(
    "head",
    [
        b'<?xml version="1.0" encoding="latin-1"?>',
        b'<?xml version="1.0" encoding="no-such-object"?>',
        b'<?xml version="1.0" encoding="utf-7"?>',
        b"\xff\xfe",
        b"\0",
    ],
)
def test_encodings(voc_folder, make, head):
    root = voc_folder()
    body = make.voc_xml(make.voc_object("caf\u00e9")).encode("latin-1")
    (root / "Annotations" / "a.xml").write_bytes(head + body)
    found = read_annotations(root)
    codes = [f.code for f in found.findings if f.severity == "error"]
    assert codes == ([] if b"latin" in head else ["file-unreadable"])
    assert found.classes == (("caf\u00e9", "cat") if b"latin" in head else ("cat",))


def test_whole_numbers_come_back_exactly(shared_data, tmp_path):
    """VOC to COCO to VOC: boxes, classes, difficult marks, splits."""
    root, lists = tmp_path / "in", Path("ImageSets", "Main")
    for split in ("train", "val", "test"):
        names = (shared_data / "voc2007" / lists / f"{split}.txt").read_text().split()[:8]
        for place in [f"Annotations/{n}.xml" for n in names] + [
            f"JPEGImages/{n}.jpg" for n in names
        ]:
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            (root / place).write_bytes((shared_data / "voc2007" / place).read_bytes())
        (root / lists).mkdir(parents=True, exist_ok=True)
        (root / lists / f"{split}.txt").write_text("\n".join(names))
    source = read_annotations(root)
    convert(root, tmp_path / "coco", "coco")
    convert(tmp_path / "coco", tmp_path / "voc", "voc")
    copy = read_annotations(tmp_path / "voc")
    assert copy.classes == source.classes
    assert list(copy.splits) == list(source.splits) == ["train", "val", "test"]
    assert sum(int(p.difficult.sum()) for p in source.splits["test"]) > 0
    for split, images in source.splits.items():
        assert [p.name for p in copy.splits[split]] == [p.name for p in images]
        for one, two in zip(images, copy.splits[split], strict=True):
            assert one.size == two.size
            whole = one.xywh == np.floor(one.xywh)
            assert (one.xywh[whole] == two.xywh[whole]).all()
            assert np.abs(one.xywh - two.xywh).max(initial=0) < 1e-12
            assert (one.labels == two.labels).all()
            assert (one.difficult == two.difficult).all()


def test_a_split_that_only_repeats_others_is_not_written(voc_folder, tmp_path):
    root = voc_folder()
    lists = root / "ImageSets" / "Main"
    (lists / "trainval.txt").write_text("a\nb\n")
    assert list(read_annotations(root).splits) == ["train", "val", "trainval"]
    convert(root, tmp_path / "out")
    assert list(read_annotations(tmp_path / "out").splits) == ["train", "val"]
    (lists / "train.txt").write_text("")
    convert(root, tmp_path / "whole")
    found = read_annotations(tmp_path / "whole").splits
    assert {name: len(images) for name, images in found.items()} == {
        "train": 0,
        "val": 1,
        "trainval": 2,
    }


def test_what_voc_cannot_hold_is_said(coco_folder, tmp_path):
    done = convert(coco_folder(), tmp_path / "out", "voc")
    assert done.lost == ("ids and stated areas", "1 crowd regions", "2 outlines")
    assert "not kept: ids and stated areas, 1 crowd regions, 2 outlines" in str(done)
    assert sum(map(len, read_annotations(tmp_path / "out").splits["train"])) == 2


def test_two_images_of_one_name_cannot_be_written(tmp_path, make):
    for split in ("train", "val"):
        make.save(tmp_path / "in" / split / "a.png", make.noise(40, 60))
        text = make.voc_xml(make.voc_object())
        (tmp_path / "in" / split / "a.xml").write_text(text)
    with pytest.raises(AnnotationError, match="two images are named a"):
        convert(tmp_path / "in", tmp_path / "out", "voc")


def test_recognised_by_its_folder_only(voc_folder, tmp_path):
    assert voc.recognize(voc_folder())
    (tmp_path / "x.txt").write_text("")
    assert not voc.recognize(tmp_path)
    assert not voc.recognize(tmp_path / "x.txt")
    with pytest.raises(AnnotationError, match="no VOC annotations"):
        read_annotations(tmp_path / "x.txt", "voc")
