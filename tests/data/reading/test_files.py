"""Datasets in files: samples agree with records, in the frame of the decoded pixels."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tapetum.base.errors import AnnotationError, ImageError, UsageError
from tapetum.base.limits import Limits
from tapetum.data.formats import convert, read_annotations
from tapetum.data.images.orientation import turn_array
from tapetum.data.reading.files import FileDataset, open_dataset

FILE = Path("annotations", "instances_train.json")


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def test_a_sample_is_its_image_and_its_record(coco_folder, make):
    dataset = open_dataset(coco_folder(), "all")
    assert (len(dataset), dataset.name, dataset.classes) == (2, "coco/all", ("cat", "dog"))
    sample, record = dataset[0], dataset.record(0)
    assert (sample.image.permute(1, 2, 0).numpy() == make.noise(40, 60, 0)).all()
    assert sample.name == record.name == "a.png"
    objects = sample.target.objects
    assert objects.boxes.dtype == torch.float32
    expected = np.array([[1.5, 2.25, 1.5 + 10.1, 2.25 + 20.2], [0, 2, 1, 5]])
    assert (objects.boxes.numpy() == expected.astype(np.float32)).all()
    assert record.xywh.tolist() == [[1.5, 2.25, 10.1, 20.2], [0, 2, 1, 3]]
    assert objects.labels.tolist() == record.labels.tolist() == [1, 0]
    assert objects.crowd.tolist() == [False, True]
    assert objects.area.tolist() == [100.5, 3]
    assert objects.ids == record.ids == (11, 12)
    assert objects.masks is None


def test_masks_on_request(coco_folder):
    dataset = FileDataset(read_annotations(coco_folder()), "all", task="instance_segmentation")
    masks = dataset[0].target.objects.masks
    assert masks.shape == (2, 40, 60)
    assert masks[1].nonzero().tolist() == [[2, 0], [3, 0], [4, 0]]
    assert dataset[1].target.objects.masks[0].sum() == 64  # no outline: its box


def test_boxes_are_clipped_and_records_are_not(coco_folder):
    def plant(content: dict[str, Any]) -> None:
        content["annotations"][2]["bbox"] = [-5, 30, 100, 20.5]

    dataset = open_dataset(coco_folder(plant), "all")
    assert dataset[1].target.objects.boxes.tolist() == [[0, 30, 60, 40]]
    assert dataset.record(1).xywh.tolist() == [[-5, 30, 100, 20.5]]


def test_images_without_objects(coco_folder):
    def plant(content: dict[str, Any]) -> None:
        content["annotations"].clear()

    dataset = FileDataset(read_annotations(coco_folder(plant)), "all", task="instance_segmentation")
    objects = dataset[0].target.objects
    assert objects.boxes.shape == (0, 4)
    assert objects.labels.dtype == torch.int64
    assert objects.masks.shape == (0, 40, 60)


@pytest.mark.parametrize("orientation", range(5, 9))
def test_boxes_recorded_before_the_turn_turn_along(tmp_path, make, orientation):
    """The box holds the same pixels in the decoded image as in the stored one."""
    stored = make.noise(40, 60)
    make.save(tmp_path / "a.png", stored, exif=exif(orientation))
    content = make.coco_content()
    content["images"].pop()
    content["annotations"][0] |= {
        "bbox": [5, 2, 20, 10],
        "segmentation": [[5, 2, 25, 2, 25, 12, 5, 12]],
    }
    content["annotations"][1] |= {"bbox": [0, 2, 1, 3]}
    content["annotations"].pop()
    (tmp_path / "gt.json").write_text(json.dumps(content))
    dataset = FileDataset(read_annotations(tmp_path), "all", task="instance_segmentation")
    sample, record = dataset[0], dataset.record(0)
    assert sample.size == record.size == (60, 40)
    for row, (x, y, w, h) in enumerate([(5, 2, 20, 10), (0, 2, 1, 3)]):
        left, top, right, bottom = sample.target.objects.boxes[row].int().tolist()
        found = sample.image[:, top:bottom, left:right].permute(1, 2, 0).numpy()
        assert (found == turn_array(stored[y : y + h, x : x + w], orientation)).all()
        inside = np.zeros((60, 40), dtype=bool)
        inside[top:bottom, left:right] = True
        assert (sample.target.objects.masks[row].numpy() == inside).all()
    corners = sample.target.objects.boxes.double().numpy()
    assert (record.xywh[:, :2] == corners[:, :2]).all()
    assert (record.xywh[:, 2:] == corners[:, 2:] - corners[:, :2]).all()
    convert(tmp_path / "gt.json", tmp_path / "out")
    again = FileDataset(read_annotations(tmp_path / "out"), "all", task="instance_segmentation")
    assert (again.record(0).xywh == record.xywh).all()
    assert again.record(0).size == (60, 40)
    assert (again[0].target.objects.masks == sample.target.objects.masks).all()


def test_boxes_recorded_after_the_turn_stay(tmp_path, make):
    make.save(tmp_path / "a.png", make.noise(60, 40), exif=exif(6))
    content = make.coco_content()
    content["images"].pop()
    (tmp_path / "gt.json").write_text(json.dumps(content))
    dataset = open_dataset(tmp_path, "all")
    assert dataset[0].size == (40, 60)
    assert dataset.record(0).xywh.tolist() == [[1.5, 2.25, 10.1, 20.2], [0, 2, 1, 3]]


def test_another_size_than_recorded_is_refused_by_name(coco_folder, make):
    root = coco_folder()
    make.save(root / "train" / "b.png", make.noise(41, 60))
    dataset = open_dataset(root, "all")
    for ask in (dataset.__getitem__, dataset.record):
        with pytest.raises(
            AnnotationError, match="recorded as 60 x 40 pixels, but it has 60 x 41"
        ) as e:
            ask(1)
        assert "b.png" in str(e.value)
    assert len(dataset[0].target.objects) == 2


def test_without_a_recorded_size_the_pixels_decide(coco_folder):
    def plant(content: dict[str, Any]) -> None:
        for image in content["images"]:
            del image["height"]
        content["annotations"][0]["bbox"] = [60, 2, 5, 5]  # outside, which only the pixels tell

    dataset = open_dataset(coco_folder(plant), "all")
    assert dataset[0].target.objects.ids == dataset.record(0).ids == (12,)
    assert dataset.record(0).size == (40, 60)


def test_damaged_and_large_images_are_named(coco_folder):
    root = coco_folder()
    path = root / "train" / "a.png"
    dataset = open_dataset(root, "all", limits=Limits(image_side=59))
    with pytest.raises(ImageError, match="limit"):
        dataset[0]
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ImageError) as caught:
        open_dataset(root, "all")[0]
    assert str(path) in str(caught.value)


def test_missing_images_are_left_out_and_counted(coco_folder):
    root = coco_folder()
    (root / "train" / "a.png").unlink()
    dataset = FileDataset(read_annotations(root), "all")
    assert (len(dataset), dataset.left_out) == (1, 1)
    assert [f.code for f in dataset.findings if f.severity == "error"] == ["image-missing"]
    (root / "train" / "b.png").unlink()
    with pytest.raises(AnnotationError, match="no image with a file"):
        open_dataset(root, "all")


def test_splits_of_a_dataset_with_none(coco_folder):
    root = coco_folder()
    train, val = open_dataset(root, "train"), open_dataset(root, "val")
    assert {train[0].name, val[0].name} == {"a.png", "b.png"}
    assert (len(train), len(val)) == (1, 1)
    assert "held out" in val.description
    with pytest.raises(UsageError, match="no split 'test'"):
        open_dataset(root, "test")


def test_formats_can_be_named_and_must_be_where_two_fit(voc_folder, make):
    root = voc_folder()
    assert open_dataset(root, "all", "voc").classes == ("cat", "dog")
    with pytest.raises(AnnotationError, match="no COCO detection ground truth"):
        open_dataset(root, "all", "coco")
    with pytest.raises(UsageError, match=r"unknown format 'kitti'.*auto, coco, voc, yolo"):
        open_dataset(root, "all", "kitti")
    for format in ("auto", "voc"):
        with pytest.raises(UsageError, match="no such file or folder"):
            open_dataset(root / "absent", "all", format)
    (root / "data.yaml").write_text("names: [cat]")
    with pytest.raises(AnnotationError, match="could be voc or yolo"):
        open_dataset(root, "all")


def test_real_samples_and_records_agree(shared_data):
    """Every tenth image of the three real sets: float32 corners are those of the record."""
    for name in ("bccd", "voc2007", "coco_mini"):
        dataset = open_dataset(shared_data / name, "all")
        for index in range(0, len(dataset), 20):
            sample, record = dataset[index], dataset.record(index)
            assert sample.size == record.size
            corners = record.xywh.copy()
            corners[:, 2:] += corners[:, :2]
            assert (sample.target.objects.boxes.numpy() == corners.astype(np.float32)).all()
            assert sample.target.objects.labels.tolist() == record.labels.tolist()


def test_datasets_travel_to_worker_processes(coco_folder):
    dataset = open_dataset(coco_folder(), "all")
    copy = pickle.loads(pickle.dumps(dataset))
    assert (copy[0].image == dataset[0].image).all()
    assert copy.record(0).segments is not None


def test_indexing_is_pure(coco_folder):
    dataset = open_dataset(coco_folder(), "all")
    first = dataset[0]
    first.target.objects.boxes.zero_()
    first.target.objects.labels.zero_()
    first.image.zero_()
    again = dataset[0]
    assert again.target.objects.boxes.sum() > 0
    assert again.target.objects.labels.tolist() == [1, 0]
    assert again.image.sum() > 0


def test_the_built_in_scenes():
    pytest.importorskip("tapetum.data.scenes")
    dataset = open_dataset("scenes", "val")
    assert len(dataset) > 0
    assert dataset[0].image.shape[0] == 3
