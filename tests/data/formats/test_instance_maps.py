"""Instance maps read and written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tapetum.base.errors import AnnotationError, UsageError
from tapetum.data.checking.check import check_dataset
from tapetum.data.formats import convert, read_annotations, recognize
from tapetum.data.reading.files import open_dataset
from tapetum.data.records.segments import segment_to_mask


def scene() -> np.ndarray:
    """Two of class 2, one of class 1, a region without objects (7) and background."""
    values = np.zeros((10, 12), dtype=np.uint16)
    values[0:3, 0:4] = 2000
    values[5:9, 6:7] = 2001
    values[4, 0] = values[9, 11] = 1005  # one object of two parts
    values[7, 7:] = 7
    return values


@pytest.fixture
def instances_folder(tmp_path, make):
    def build(names: str = "cat\ndog\n", values: np.ndarray | None = None) -> Path:
        root = tmp_path / "objects"
        for number, split in enumerate(("train", "val")):
            make.save(root / "images" / split / "a.png", make.noise(10, 12, number))
            own = scene() if values is None else values
            make.save(root / "instances" / split / "a.png", own)
        if names:
            (root / "classes.txt").write_text(names)
        return root

    return build


def test_objects_become_outlines_and_boxes(instances_folder):
    root = instances_folder()
    assert recognize(root) == recognize(root, "instance_segmentation") == "instance_maps"
    found = read_annotations(root)
    assert (list(found.splits), found.classes, found.class_ids) == (
        ["train", "val"],
        ("cat", "dog"),
        (1, 2),
    )
    image = found.splits["train"][0]
    assert image.ids == (1005, 2000, 2001)
    assert image.labels.tolist() == [0, 1, 1]
    assert image.xywh.tolist() == [[0, 4, 12, 6], [0, 0, 4, 3], [6, 5, 1, 4]]
    assert image.area.tolist() == [2, 12, 4]
    masks = open_dataset(root, "train", task="instance_segmentation")[
        0
    ].target.objects.masks.numpy()
    for mask, value in zip(masks, image.ids, strict=True):
        np.testing.assert_array_equal(mask, scene() == value)
    assert [f for f in check_dataset(root) if f.severity != "info"] == []
    semantic = open_dataset(root, "train", task="semantic_segmentation")
    assert semantic.classes == ("background", "cat", "dog")
    assert semantic[0].target.semantic.flatten().bincount().tolist() == [102, 2, 16]
    assert open_dataset(root, "val", task="classification")[0].target.labels.tolist() == [0, 1]


def test_classes_without_names_and_unknown_ones(instances_folder):
    found = read_annotations(instances_folder(names=""))
    assert (found.classes, found.class_ids) == (("class 1", "class 2"), (1, 2))
    assert [f.code for f in found.findings] == ["class-names-missing"]
    faults = [f for f in check_dataset(instances_folder("cat\n")) if f.severity == "error"]
    assert [(f.code, f.file, f.where) for f in faults] == [
        ("class-unknown", f"instances/{split}/a.png", f"value {value}")
        for split in ("train", "val")
        for value in (2000, 2001)
    ]
    (instances_folder().parent / "d.yaml").write_text(
        "format: instance_maps\nroot: objects\nclasses: {1: ant, 2: bee}\n"
    )
    described = read_annotations(instances_folder().parent / "d.yaml")
    assert described.classes == ("ant", "bee")


def test_faults(instances_folder, make):
    root = instances_folder()
    make.save(root / "instances" / "val" / "a.png", make.noise(10, 12))  # colors
    make.save(root / "instances" / "train" / "a.png", scene()[:9])
    found = [(f.code, f.file) for f in check_dataset(root) if f.severity == "error"]
    assert found == [
        ("map-unreadable", "instances/val/a.png"),
        ("size-mismatch", "images/train/a.png"),
    ]


def test_images_without_objects(instances_folder):
    root = instances_folder(values=np.zeros((10, 12), dtype=np.uint16))
    objects = open_dataset(root, "train", task="instance_segmentation")[0].target.objects
    assert objects.masks.shape == (0, 10, 12)


def test_they_come_back_as_they_were(instances_folder, tmp_path):
    root = instances_folder()
    done = convert(root, tmp_path / "out", "instance_maps")
    assert (done.objects, done.lost) == (6, ("ids and stated areas",))
    first, second = (
        open_dataset(r, "val", task="instance_segmentation") for r in (root, tmp_path / "out")
    )
    assert torch.equal(first[0].target.objects.masks, second[0].target.objects.masks)
    assert torch.equal(first[0].target.objects.labels, second[0].target.objects.labels)
    written = np.asarray(Image.open(tmp_path / "out/instances/val/a.png"))
    assert written.dtype == np.uint16
    assert np.unique(written).tolist() == [0, 1000, 2000, 2001]
    convert(tmp_path / "out", tmp_path / "coco", "coco")
    third = open_dataset(tmp_path / "coco", "val", task="instance_segmentation")
    assert torch.equal(first[0].target.objects.masks, third[0].target.objects.masks)


def test_later_objects_lie_on_top_and_the_loss_is_said(coco_folder, tmp_path):
    def square(x: int, y: int, side: int) -> list[list[int]]:
        return [[x, y, x + side, y, x + side, y + side, x, y + side]]

    def plant(content: dict[str, Any]) -> None:
        common = {"image_id": 7, "category_id": 1}
        content["annotations"] = [
            common | {"id": 1, "bbox": [5, 5, 4, 4], "segmentation": square(5, 5, 4)},
            common | {"id": 2, "bbox": [0, 0, 8, 8], "segmentation": square(0, 0, 8)},
            common | {"id": 3, "bbox": [30, 9, 5, 5], "segmentation": square(30, 9, 5)},
            common | {"id": 4, "bbox": [29, 8, 9, 9], "iscrowd": 1},
        ]

    done = convert(coco_folder(plant), tmp_path / "out", "instance_maps")
    assert done.lost == (
        "ids and stated areas",
        "1 marks of crowds and difficult objects",
        "1 objects hidden by later ones",
        "1 parts of objects below later ones",
        "1 boxes without an outline, drawn as filled boxes",
    )
    image = read_annotations(tmp_path / "out").splits["train"][0]
    assert image.ids == (1000, 1001, 1003)
    assert image.area.tolist() == [16 - 9, 64, 81]
    whole = segment_to_mask(image.segments[1], (40, 60))
    assert whole[:8, :8].all()


def test_what_16_bits_cannot_hold(coco_folder, tmp_path):
    def many(content: dict[str, Any]) -> None:
        content["categories"] += [{"id": 100 + n, "name": f"c{n}"} for n in range(64)]

    with pytest.raises(AnnotationError, match="66 classes; instance maps of 16 bits hold 65"):
        convert(coco_folder(many), tmp_path / "out", "instance_maps")

    def crowded(content: dict[str, Any]) -> None:
        obj = content["annotations"][2]
        content["annotations"] = [
            obj | {"id": n + 1, "bbox": [n % 50, n / 40, 2, 2], "area": 4} for n in range(1001)
        ]

    with pytest.raises(AnnotationError, match="more than 1000 objects of one class") as caught:
        convert(coco_folder(crowded), tmp_path / "other", "instance_maps")
    assert caught.value.file.endswith("b.png")


def test_keypoints_are_not_served(instances_folder):
    with pytest.raises(UsageError, match="have boxes and masks; keypoints are needed"):
        open_dataset(instances_folder(), "all", task="keypoint_detection")
