"""One dataset, whatever a task needs of it; and what cannot be served is said in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tapetum.base.errors import UsageError
from tapetum.data.formats import read_annotations
from tapetum.data.reading.files import FileDataset, open_dataset
from tapetum.data.records.annotation_types import carried
from tapetum.data.records.image_record import ImageRecord, bare_record
from tapetum.structures import TASKS

CARRIED = {
    "classification": {"labels"},
    "localization": {"objects"},
    "detection": {"objects"},
    "instance_segmentation": {"objects"},
    "keypoint_detection": {"objects"},
    "semantic_segmentation": {"semantic"},
}


def filled(target: Any) -> set[str]:
    return {name for name in ("labels", "objects", "semantic") if getattr(target, name) is not None}


@pytest.mark.parametrize("task", TASKS)
def test_a_sample_of_real_images_carries_what_is_needed_and_nothing_else(shared_data, task):
    dataset = open_dataset(shared_data / "coco_mini", "val", task=task)
    target = dataset[0].target
    assert filled(target) == CARRIED[task]
    assert dataset.multilabel
    assert bool(dataset.keypoint_names) == bool(dataset.skeleton) == (task == "keypoint_detection")
    if target.objects is not None:
        assert (target.objects.masks is not None) == (task == "instance_segmentation")
        assert (target.objects.keypoints is not None) == (task == "keypoint_detection")
    assert len(dataset.classes) == {"keypoint_detection": 1, "semantic_segmentation": 81}.get(
        task, 80
    )
    assert len(dataset.class_ids) == len(dataset.class_counts()) == len(dataset.classes)


def test_labels_of_objects_are_sorted_and_without_crowds(coco_folder):
    def plant(content: dict[str, Any]) -> None:
        content["annotations"][2] |= {"image_id": 7, "category_id": 3}

    dataset = open_dataset(coco_folder(plant), "all", task="classification")
    assert [dataset[i].target.labels.tolist() for i in range(2)] == [[1], []]  # the cat is a crowd
    assert dataset[1].target.labels.dtype == torch.int64
    assert dataset.class_counts() == [0, 1]
    assert dataset.multilabel


def test_labels_of_real_images_are_those_of_the_file(shared_data):
    root = shared_data / "coco_mini"
    content = json.loads((root / "annotations" / "instances_val2017.json").read_text())
    names = {c["id"]: c["name"] for c in content["categories"]}
    files = {i["id"]: i["file_name"] for i in content["images"]}
    dataset = open_dataset(root, "val", task="classification")
    theirs: dict[str, set[str]] = {name: set() for name in files.values()}
    for entry in content["annotations"]:
        if not entry["iscrowd"]:
            theirs[files[entry["image_id"]]].add(names[entry["category_id"]])
    for index in range(0, len(dataset), 5):
        sample = dataset[index]
        ours = {dataset.classes[label] for label in sample.target.labels.tolist()}
        assert ours == theirs[sample.name]


def square(x: float, y: float, side: float) -> list[list[float]]:
    return [[x, y, x + side, y, x + side, y + side, x, y + side]]


def test_maps_are_painted_from_outlines_small_objects_on_top(coco_folder):
    """Three squares and a crowd by hand: the file's order does not matter, the areas do."""

    def plant(content: dict[str, Any]) -> None:
        small = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [4, 4, 2, 2], "area": 4}
        large = {"id": 2, "image_id": 7, "category_id": 1, "bbox": [2, 2, 10, 10], "area": 100}
        boxed = {"id": 3, "image_id": 7, "category_id": 3, "bbox": [8, 8, 9, 9], "area": 81}
        crowd = {"id": 4, "image_id": 7, "category_id": 3, "bbox": [0, 30, 1, 3], "area": 3}
        small["segmentation"], large["segmentation"] = square(4, 4, 2), square(2, 2, 10)
        crowd |= {"iscrowd": 1, "segmentation": {"size": [40, 60], "counts": [30, 3, 2367]}}
        content["annotations"] = [small, large, boxed, crowd]

    dataset = open_dataset(coco_folder(plant), "all", task="semantic_segmentation")
    assert dataset.classes == ("background", "cat", "dog")
    assert dataset.class_ids == (0, 1, 3)
    assert dataset.class_counts() == [0, 1, 3]
    expected = np.zeros((40, 60), dtype=np.uint8)
    expected[2:12, 2:12] = 1
    expected[8:17, 8:17] = 255  # a box alone does not tell which pixels
    expected[4:6, 4:6] = 2
    expected[30:33, 0] = 2
    found = dataset[0].target.semantic
    assert found.dtype == torch.uint8
    np.testing.assert_array_equal(found.numpy(), expected)
    assert not dataset[1].target.semantic.any()


@pytest.mark.parametrize("orientation", range(2, 9))
def test_painted_maps_turn_with_their_images(coco_folder, make, orientation):
    def plant(content: dict[str, Any]) -> None:
        content["annotations"] = content["annotations"][:1]
        content["annotations"][0]["segmentation"] = square(5, 2, 20)
        content["annotations"][0]["bbox"] = [5, 2, 20, 20]

    root = coco_folder(plant)
    exif = Image.Exif()
    exif[0x0112] = orientation
    make.save(root / "train" / "a.png", make.noise(40, 60), exif=exif)
    sample = open_dataset(root, "all", task="semantic_segmentation")[0]
    objects = open_dataset(root, "all", task="instance_segmentation")[0].target.objects
    assert torch.equal(sample.target.semantic > 0, objects.masks[0])
    assert sample.size == tuple(sample.target.semantic.shape)


@pytest.mark.parametrize(
    ("build", "task", "words"),
    [
        ("voc_folder", "keypoint_detection", "these annotations have boxes; keypoints are needed"),
        ("voc_folder", "instance_segmentation", "these annotations have boxes; masks are needed"),
        (
            "yolo_folder",
            "semantic_segmentation",
            "these annotations have boxes; class maps are needed",
        ),
        (
            "coco_folder",
            "keypoint_detection",
            "these annotations have boxes and masks; keypoints are",
        ),
        ("voc_folder", "nonsense", "unknown task 'nonsense'.*classification, localization"),
    ],
)
def test_what_cannot_be_served_is_refused(request, build, task, words):
    root: Path = request.getfixturevalue(build)()
    with pytest.raises(UsageError, match=words) as caught:
        open_dataset(root, "train", task=task)
    assert "\n" not in str(caught.value)


def test_what_annotations_carry(coco_folder, voc_folder, shared_data):
    assert carried(read_annotations(coco_folder())) == ("boxes", "masks")
    assert carried(read_annotations(voc_folder())) == ("boxes",)
    found = read_annotations(shared_data / "coco_mini", task="keypoint_detection")
    assert carried(found) == ("boxes", "masks", "keypoints")


def test_too_many_classes_for_a_map_of_bytes(coco_folder: Callable[..., Path]):
    def plant(content: dict[str, Any]) -> None:
        content["categories"] += [{"id": 10 + i, "name": f"c{i}"} for i in range(253)]

    root = coco_folder(plant)
    with pytest.raises(UsageError, match="255 classes and a background are too many"):
        FileDataset(read_annotations(root), "all", task="semantic_segmentation")


def test_records_check_their_shapes():
    bare = bare_record("a", None, 1, image_labels=(3,))
    assert (len(bare), bare.has_pixels, bare.image_labels) == (0, False, (3,))
    assert bare_record("b", None, 2, pixels=np.zeros((2, 2), np.uint8)).has_pixels
    with pytest.raises(ValueError, match="read-only"):
        bare.xywh[:] = 0
    fields = {name: getattr(bare, name) for name in ImageRecord.__slots__}
    for name, wrong in (("xywh", np.zeros((1, 4))), ("keypoints", np.zeros((1, 2, 3)))):
        with pytest.raises(ValueError, match=f"{name}: expected shape"):
            ImageRecord(**(fields | {name: wrong}))
