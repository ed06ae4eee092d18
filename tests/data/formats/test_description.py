"""Datasets described in YAML: classes, what is ignored, splits; and what is not understood."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tapetum.base.errors import AnnotationError, TapetumError, UsageError
from tapetum.data.formats import convert, read_annotations, recognize
from tapetum.data.reading.files import open_dataset
from tapetum.data.splits.assign import available

CAMVID = """
format: label_maps
root: {root}
classes: [Sky, Building, Pole, Road, Pavement, Tree, Sign, Fence, Car, Pedestrian, Bicyclist]
ignore: [11]
"""
ISBI = """
format: label_maps
root: {root}
classes: {{0: membrane, 255: interior}}
splits:
  train: "00-19"
  val: ["20", "21", "22-24"]
  test: rest
"""
COCO_MINI = """
format: coco
root: {root}
splits:
  train: rest
  val: "train/{first}-999999999999"
  test: ["val/*"]
"""


def describe(folder: Path, text: str, name: str = "data.yaml", **values: object) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    (folder / name).write_text(text.format(**values))
    return folder / name


# --- real sets ----------------------------------------------------------------------------------


def test_road_scenes_with_names_and_without_void(shared_data, tmp_path):
    file = describe(tmp_path, CAMVID, root=shared_data / "camvid")
    assert recognize(file) == "described"
    dataset = open_dataset(file, "val", task="semantic_segmentation")
    assert (len(dataset), len(dataset.classes), dataset.classes[3]) == (51, 11, "Road")
    assert dataset.name == "camvid/val"
    raw = np.asarray(Image.open(shared_data / "camvid/labels/val/0016E5_07959.png"))
    assert (raw == 11).any()
    expected = np.where(raw == 11, 255, raw)
    np.testing.assert_array_equal(dataset[0].target.semantic.numpy(), expected)
    assert [f for f in dataset.findings if f.severity != "info"] == []


def test_membranes_with_splits(shared_data, tmp_path):
    file = describe(tmp_path, ISBI, root=shared_data / "isbi2012_em")
    counts = {}
    for split in ("train", "val", "test"):
        dataset = open_dataset(file, split, task="semantic_segmentation")
        counts[split] = [dataset[i].name for i in range(len(dataset))]
    assert {split: (names[0], len(names)) for split, names in counts.items()} == {
        "train": ("00.png", 20),
        "val": ("20.png", 5),
        "test": ("25.png", 5),
    }
    assert dataset.classes == ("membrane", "interior")
    share = dataset[0].target.semantic.float().mean().item()
    assert 0.7 < share < 0.85  # interior is most of it


def test_the_last_ten_images_of_a_split(shared_data, tmp_path):
    root = shared_data / "coco_mini"
    names = sorted(path.stem for path in (root / "train2017").glob("*.jpg"))
    file = describe(tmp_path, COCO_MINI, root=root, first=names[-10])
    found = read_annotations(file)
    assert {split: len(own) for split, own in found.splits.items()} == {
        "train": 40,
        "val": 10,
        "test": 51,
    }
    assert sorted(Path(p.name).stem for p in found.splits["val"]) == names[-10:]
    assert available(found) == ["train", "val", "test", "all"]
    posed = open_dataset(file, "val", task="keypoint_detection")
    assert (len(posed), posed.classes) == (10, ("person",))


def test_names_and_ranges_of_packed_images(shared_data, tmp_path):
    text = """
    format: idx
    root: {root}
    classes: [T-shirt, Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, Boot]
    splits: {{train: "train-00000-54999", val: "train-55000-59999", test: "test/*"}}
    """.replace("\n    ", "\n")
    file = describe(tmp_path, text, root=shared_data / "fashion_mnist")
    dataset = open_dataset(file, "val", task="classification")
    assert (len(dataset), dataset[0].name) == (5000, "train-55000.png")
    assert dataset.classes[-1] == "Boot"
    assert not dataset.multilabel


# --- classes ------------------------------------------------------------------------------------


@pytest.fixture
def boxes(coco_folder):
    root = coco_folder()

    def build(text: str) -> Path:
        file = root.parent / "my.yaml"
        own = "" if text.startswith("root") else "root: coco\n"
        file.write_text(f"format: coco\n{own}{text}")
        return file

    return build


def test_classes_in_another_order(boxes):
    dataset = open_dataset(boxes("classes: [dog, cat]\n"), "all")
    assert (dataset.classes, dataset.class_ids) == (("dog", "cat"), (3, 1))
    assert dataset[0].target.objects.labels.tolist() == [0, 1]
    assert dataset.record(1).labels.tolist() == [1]


def test_classes_renamed(boxes, tmp_path):
    file = boxes("classes: {cat: Katze}\n")
    dataset = open_dataset(file, "all")
    assert (dataset.classes, dataset.class_ids) == (("Katze", "dog"), (1, 3))
    convert(file, tmp_path / "out")
    assert open_dataset(tmp_path / "out", "all").classes == ("Katze", "dog")


def test_ignored_classes_by_name_in_the_middle(tmp_path, make):
    values = np.array([[0, 1, 2], [2, 255, 0]], dtype=np.uint8)
    make.save(tmp_path / "in" / "frames" / "a.png", make.noise(2, 3))
    make.save(tmp_path / "in" / "truth" / "a.png", values)
    text = (
        "format: label_maps\nroot: in\nimages: frames\nmaps: truth\n"
        "classes: [a, b, c]\nignore: [b]\n"
    )
    dataset = open_dataset(describe(tmp_path, text), "all", task="semantic_segmentation")
    assert (dataset.classes, dataset.class_ids) == (("a", "c"), (0, 2))
    assert dataset[0].target.semantic.tolist() == [[0, 255, 1], [1, 255, 0]]


def test_a_folder_with_its_description(coco_folder):
    root = coco_folder()
    (root / "mine.tapetum.yaml").write_text("format: coco\nclasses: [dog, cat]\n")
    assert recognize(root) == "described"
    assert open_dataset(root, "all").classes == ("dog", "cat")
    assert open_dataset(root, "all", "coco").classes == ("cat", "dog")


def test_the_yaml_of_yolo_stays_with_yolo(yolo_folder):
    root = yolo_folder()
    assert recognize(root / "data.yaml") == "yolo"
    (root / "a.yaml").write_text("format: yolo\nsplits: {train: rest}\n# names of nothing\n")
    assert recognize(root) == "yolo"
    found = read_annotations(root / "a.yaml")
    assert {split: len(own) for split, own in found.splits.items()} == {"train": 2}


# --- what is not understood ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("color: red\n", "unknown key 'color'.*there are format, root"),
        ("classes: dog\n", "classes: expected names"),
        ("classes: {1: yes}\n", "classes: expected names"),
        ("classes: {1: a, b: c}\n", "classes: expected names"),
        ("classes: [dog]\n", "classes: 1 names, but the dataset has 2.*it has cat, dog"),
        ("classes: [dog, cow]\n", "classes: 2 names, but the dataset has 2 classes of its own"),
        ("classes: {cow: Kuh}\n", "classes: there is no class 'cow'"),
        ("classes: {cat: dog}\n", "classes: two classes have one name"),
        ("ignore: [cat]\n", "ignore: is for the format label_maps"),
        ("images: here\n", "images: is for the format label_maps or instance_maps"),
        ("splits: {train: [07]}\n", "splits: expected .*in quotes"),
        ("splits: {}\n", "splits: expected"),
        ("splits: {train: cow}\n", "splits train: no image is named 'cow'"),
        ("splits: {train: a, val: '*'}\n", "splits: a.png is in train and in val"),
        ("splits: {train: rest, val: rest}\n", "splits: both train and val are 'rest'"),
        ("root: 5\n", "root: expected a text, got 5"),
        ("ignore: {a: b}\n", "ignore: expected a list"),
    ],
)
def test_what_is_not_understood_is_one_line(boxes, text, words):
    file = boxes(text)
    with pytest.raises(AnnotationError, match=words) as caught:
        read_annotations(file)
    assert caught.value.file == str(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("format: kitti\n", "unknown format 'kitti'.*one of coco"),
        ("format: described\n", "unknown format 'described'"),
        ("format: [coco]\n", "not a description"),
        ("format: coco\nroot: absent\n", "no such file or folder"),
        (
            "format: label_maps\nclasses: [a]\nignore: [b]\nroot: maps\n",
            "there is no class 'b'.*it has a",
        ),
        ("format: label_maps\nclasses: {300: a}\nroot: maps\n", "numbers of classes are 0 to 255"),
        ("format: label_maps\nroot: maps\nmaps: absent\n", "no images with maps"),
        ("format: label_maps\n<<: *x\n", "merge keys"),
    ],
)
def test_what_leads_nowhere(tmp_path, make, text, words):
    make.save(tmp_path / "maps" / "images" / "a.png", make.noise(2, 3))
    make.save(tmp_path / "maps" / "labels" / "a.png", np.zeros((2, 3), dtype=np.uint8))
    file = tmp_path / "d.yaml"
    file.write_text(text)
    with pytest.raises(TapetumError, match=words):
        read_annotations(file, task="semantic_segmentation")


def test_descriptions_are_read_not_written(coco_folder, tmp_path):
    with pytest.raises(
        UsageError, match=r"'label_maps' is read, not written.*coco, voc, yolo, instance_maps"
    ):
        convert(coco_folder(), tmp_path / "out", "label_maps")
    with pytest.raises(UsageError, match="'kitti' is unknown"):
        convert(coco_folder(), tmp_path / "out", "kitti")
