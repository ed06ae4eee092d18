"""COCO read and written: real files, exact round trips, hostile content."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapetum.base.errors import AnnotationError, TapetumError
from tapetum.base.limits import Limits
from tapetum.data.formats import coco, convert, read_annotations
from tapetum.data.formats.coco import category_ids, coco_dict, image_ids
from tapetum.data.records.image_record import ImageRecord


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


# --- finding ------------------------------------------------------------------------------------


def test_a_real_folder_and_its_splits(shared_data):
    found = read_annotations(shared_data / "coco_mini")
    assert found.format == "coco"
    assert {name: len(images) for name, images in found.splits.items()} == {
        "train": 50,
        "val": 51,
    }
    assert sum(len(p) for p in found.splits["train"]) == 560
    assert sum(int(p.crowd.sum()) for p in found.splits["val"]) == 4
    assert len(found.classes) == 80
    assert (found.classes[0], found.classes[79]) == ("person", "toothbrush")
    assert found.class_ids[11] == 13  # stop sign: COCO leaves 12 out
    assert all(p.path is not None and p.path.is_file() for s in found.splits.values() for p in s)


@pytest.mark.parametrize("name", ["val2014_100", "keypoints_1img", "shapes_3img"])
def test_real_files_without_images(shared_data, name):
    file = shared_data / "coco_eval" / name / "gt.json"
    source = json.loads(file.read_text())
    found = read_annotations(file)
    assert list(found.splits) == ["all"]
    written = coco_dict(found.splits["all"], found.classes, found.class_ids)
    theirs = {a["id"]: a for a in source["annotations"]}
    assert len(written["annotations"]) == len(theirs)
    for entry in written["annotations"]:
        source_entry = theirs[entry["id"]]
        for key in ("image_id", "category_id", "bbox", "area", "iscrowd"):
            assert entry[key] == source_entry[key]


@pytest.mark.parametrize(
    ("files", "splits"),
    [
        (
            ["annotations/instances_train2017.json", "annotations/instances_val2017.json"],
            "train val",
        ),
        (["annotations/a.json"], "all"),
        (["annotations/person_train.json", "annotations/captions_val.json"], "train"),
        (["train.json", "test.json"], "train test"),
        (["result.json"], "all"),
        (["train/_annotations.coco.json", "valid/_annotations.coco.json"], "train val"),
        (["instances_train2014.json", "instances_train2017.json"], "train2014 train2017"),
        (["annotations/red.json", "annotations/blue.json"], "blue red"),
    ],
)
def test_layouts(tmp_path, make, files, splits):
    for name in files:
        write(tmp_path / name, make.coco_content())
    assert list(read_annotations(tmp_path).splits) == splits.split()


def test_other_json_is_not_coco(tmp_path):
    write(tmp_path / "package.json", {"name": "x"})
    assert not coco.recognize(tmp_path)
    with pytest.raises(AnnotationError, match="looked for coco: annotations"):
        read_annotations(tmp_path)
    with pytest.raises(AnnotationError, match="no COCO detection ground truth"):
        read_annotations(tmp_path, "coco")


@pytest.mark.parametrize(
    "place", ["train2017", "images/train2017", "train", "images/train", "images", "annotations", ""]
)
def test_images_are_found_in_order(tmp_path, make, place):
    """An image in the place asked about wins over the same name in any other folder."""
    write(tmp_path / "annotations" / "instances_train2017.json", make.coco_content())
    make.save(tmp_path / "zebra" / "a.png", make.noise(40, 60))
    assert read_annotations(tmp_path).splits["train"][0].path == tmp_path / "zebra" / "a.png"
    make.save(tmp_path / place / "a.png", make.noise(40, 60))
    assert read_annotations(tmp_path).splits["train"][0].path == tmp_path / place / "a.png"


def test_names_with_folders_backslashes_and_other_unicode_forms(tmp_path, make):
    content = make.coco_content()
    content["images"][0]["file_name"] = "deep\\er\\a.png"
    content["images"][1]["file_name"] = "caf\u00e9.png"
    write(tmp_path / "all.json", content)
    make.save(tmp_path / "deep" / "er" / "a.png", make.noise(40, 60))
    make.save(tmp_path / "cafe\u0301.png", make.noise(40, 60))
    images = read_annotations(tmp_path).splits["all"]
    assert [p.path is not None and p.path.is_file() for p in images] == [True, True]


def test_classes_of_two_files_go_by_name(tmp_path, make):
    write(tmp_path / "train.json", make.coco_content())
    other = make.coco_content()
    other["categories"] = [
        {"id": 3, "name": "dog"},
        {"id": 2, "name": "ant"},
        {"id": 1, "name": "cat"},
    ]
    write(tmp_path / "val.json", other)
    found = read_annotations(tmp_path)
    assert found.classes == ("cat", "ant", "dog")
    assert found.class_ids == (1, 2, 3)
    for split in found.splits.values():
        assert [p.labels.tolist() for p in split] == [[2, 0], [0]]


# --- writing ------------------------------------------------------------------------------------


def entries(content: dict[str, Any]) -> dict[str, dict[Any, Any]]:
    keys = ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation")
    return {
        "images": {i["id"]: (i["file_name"], i["height"], i["width"]) for i in content["images"]},
        "annotations": {a["id"]: {k: a[k] for k in keys} for a in content["annotations"]},
        "categories": {c["id"]: c["name"] for c in content["categories"]},
    }


def test_coco_to_coco_is_exact(coco_part, tmp_path):
    """Polygons, run lengths, crowds, ids, areas: equal as JSON values, images byte for byte."""
    root = coco_part
    done = convert(root, tmp_path / "out", "coco")
    assert (done.images, done.lost) == (24, ())
    crowds = 0
    for split in ("train", "val"):
        source = json.loads((root / "annotations" / f"instances_{split}2017.json").read_text())
        copy = json.loads(
            (tmp_path / "out" / "annotations" / f"instances_{split}.json").read_text()
        )
        assert entries(copy) == entries(source)
        crowds += sum(entry["iscrowd"] for entry in source["annotations"])
        for image in source["images"]:
            name = image["file_name"]
            bytes_ = (tmp_path / "out" / split / name).read_bytes()
            assert bytes_ == (root / f"{split}2017" / name).read_bytes()
    assert crowds > 0


def test_a_second_trip_changes_nothing(coco_folder, tmp_path):
    convert(coco_folder(), tmp_path / "one")
    convert(tmp_path / "one", tmp_path / "two")
    name = "annotations/instances_train.json"
    assert (tmp_path / "one" / name).read_text() == (tmp_path / "two" / name).read_text()


def test_compressed_run_lengths_come_back(coco_folder, shared_data, tmp_path):
    results = json.loads(
        (shared_data / "coco_eval" / "coco_mini_val_synthetic" / "dt_segm.json").read_text()
    )
    segment = results[0]["segmentation"]
    assert isinstance(segment["counts"], str)

    def plant(content: dict[str, Any]) -> None:
        content["images"][0] |= dict(zip(("height", "width"), segment["size"], strict=True))
        content["annotations"][0]["segmentation"] = segment
        content["annotations"].pop(1)

    annotations = read_annotations(coco_folder(plant))
    assert [f for f in annotations.findings if f.severity != "info"] == []
    written = coco_dict(annotations.splits["train"], annotations.classes, annotations.class_ids)
    assert written["annotations"][0]["segmentation"] == segment


def image(id: int | str = 1, count: int = 2, ids: Any = None, **changes: Any) -> ImageRecord:
    fields: dict[str, Any] = {
        "name": f"{id}.png",
        "path": None,
        "id": id,
        "size": (40, 60),
        "xywh": np.arange(count * 4, dtype=np.float64).reshape(count, 4) + 0.1,
        "labels": np.arange(count, dtype=np.int64),
        "crowd": np.zeros(count, dtype=bool),
        "difficult": np.zeros(count, dtype=bool),
        "area": np.full(count, 5.5),
        "ids": tuple(range(1, count + 1)) if ids is None else ids,
    }
    return ImageRecord(**(fields | changes))


def test_ids_are_kept_where_they_can_be():
    kept = coco_dict([image(8, ids=(5, 3)), image(4, ids=(9, 0))], ["a", "b"], [7, 2])
    assert [a["id"] for a in kept["annotations"]] == [5, 3, 9, 0]
    assert [a["image_id"] for a in kept["annotations"]] == [8, 8, 4, 4]
    assert [c["id"] for c in kept["categories"]] == [7, 2]
    numbered = coco_dict([image("x"), image("y")], ["a", "b"], ["a", "b"])
    assert [a["id"] for a in numbered["annotations"]] == [1, 2, 3, 4]
    assert [i["id"] for i in numbered["images"]] == [1, 2]
    assert [c["id"] for c in numbered["categories"]] == [1, 2]
    assert image_ids([image(3), image(3)]) == [1, 2]
    assert category_ids(None, 3) == [1, 2, 3]


def test_difficult_objects_are_ignored_by_evaluation_and_kept_in_files():
    flags = {"difficult": np.array([True, False]), "crowd": np.array([False, True])}
    ground_truth = coco_dict([image(**flags)], ["a", "b"])
    assert [a["iscrowd"] for a in ground_truth["annotations"]] == [1, 1]
    file = coco_dict([image(**flags)], ["a", "b"], ignore_difficult=False)
    assert [a["iscrowd"] for a in file["annotations"]] == [0, 1]
    assert [a.get("difficult") for a in file["annotations"]] == [1, None]


def test_pycocotools_accepts_the_truth_and_ignores_what_it_must(capsys):
    pycocotools = pytest.importorskip("pycocotools.coco")
    from pycocotools.cocoeval import COCOeval

    ground_truth = pycocotools.COCO()
    ground_truth.dataset = coco_dict(
        [image(difficult=np.array([True, False]), labels=np.zeros(2, dtype=np.int64))], ["a"]
    )
    ground_truth.createIndex()
    box = ground_truth.dataset["annotations"][1]["bbox"]
    found = ground_truth.loadRes([{"image_id": 1, "category_id": 1, "bbox": box, "score": 0.5}])
    evaluation = COCOeval(ground_truth, found, "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)  # the difficult one is not missed
    capsys.readouterr()


def test_convert_refuses_to_overwrite(coco_folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    for out in (tmp_path / "out", tmp_path / "out" / "mine.txt"):
        with pytest.raises(TapetumError, match="not an empty folder") as caught:
            convert(coco_folder(), out)
        assert caught.value.exit_code == 2
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"


# --- hostile content ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "3",
        "null",
        "{",
        '{"images": [], "annotations": [], "categories": {}}',
        '{"images": [], "annotations": 5, "categories": []}',
        '{"annotations": [], "categories": []}',
        '{"images": [NaN], "annotations": [], "categories": []}',
        '{"images": [' + "1" * 10**6 + '], "annotations": [], "categories": []}',
        '{"images": ' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
)
def test_files_that_cannot_be_read_at_all(tmp_path, text):
    file = write(tmp_path / "gt.json", text)
    with pytest.raises(AnnotationError) as caught:
        read_annotations(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_utf16_is_refused_and_a_byte_order_mark_is_not(tmp_path, make):
    text = json.dumps(make.coco_content())
    (tmp_path / "a.json").write_bytes(text.encode("utf-16"))
    with pytest.raises(AnnotationError, match="not UTF-8"):
        read_annotations(tmp_path / "a.json")
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert len(read_annotations(tmp_path / "a.json").splits["all"]) == 2


def test_duplicate_keys_take_the_last(tmp_path, make):
    text = json.dumps(make.coco_content()).replace('"id": 11,', '"id": 10, "id": 11,')
    assert read_annotations(write(tmp_path / "a.json", text)).splits["all"][0].ids == (11, 12)


def test_the_number_of_annotations_is_limited(coco_folder):
    with pytest.raises(AnnotationError, match="3 annotations, over the limit of 2"):
        read_annotations(coco_folder(), limits=Limits(annotations=2))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["id", "name", "size", "counts"]), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = [
    *(("images", 0, key) for key in ("id", "file_name", "height", "width")),
    *(("categories", 0, key) for key in ("id", "name")),
    *(
        ("annotations", 0, key)
        for key in ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation")
    ),
]
PLACES = [("images",), ("annotations",), ("categories",)]
PLACES += [*((place, 0) for (place,) in PLACES), *KEYS]


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(PLACES), JSON), min_size=1, max_size=3))
def test_any_value_anywhere_gives_findings_or_one_error(tmp_path, make, changes):
    content: Any = make.coco_content()
    for place, value in changes:
        target = content
        try:
            for key in place[:-1]:
                target = target[key]
            target[place[-1]] = value
        except (TypeError, IndexError, KeyError):
            continue  # an earlier change has taken the place away
    file = write(tmp_path / "gt.json", content)
    try:
        found = read_annotations(file)
    except AnnotationError:
        return
    for image in found.splits["all"]:
        assert np.isfinite(image.xywh).all()
        assert (image.xywh[:, 2:] > 0).all()
        assert np.isfinite(image.area).all()
    json.dumps(coco_dict(found.splits["all"], found.classes, found.class_ids), allow_nan=False)


def test_a_large_file_is_read_in_flat_arrays(tmp_path):
    rng = np.random.default_rng(0)
    images, count = 2_000, 20_000
    content = {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "height": 500, "width": 500} for i in range(images)
        ],
        "annotations": [
            {
                "id": i,
                "image_id": int(p),
                "category_id": 1,
                "bbox": [1 + i % 97, 2, 3, 4],
                "area": 12,
            }
            for i, p in enumerate(rng.integers(0, images, count))
        ],
        "categories": [{"id": 1, "name": "a"}],
    }
    file = write(tmp_path / "gt.json", content)
    start = time.perf_counter()
    found = read_annotations(file).splits["all"]
    assert time.perf_counter() - start < 5
    assert sum(map(len, found)) == count
    assert len({id(image.xywh.base) for image in found}) == 1  # views of one array
