"""COCO's keypoints read, written back and given as results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tapetum.base.errors import AnnotationError
from tapetum.data.checking.check import check_dataset
from tapetum.data.formats import convert, read_annotations
from tapetum.data.formats.coco import coco_dict
from tapetum.data.images.orientation import turn_points
from tapetum.data.reading.files import FileDataset, open_dataset
from tapetum.evaluation import detections_from_predictions
from tapetum.evaluation.from_predictions import detections_in
from tapetum.evaluation.results import results_from_detections
from tapetum.structures import Prediction
from tapetum.tasks import TASKS
from tapetum.tasks.detection import Detection

NAMES = ["nose", "left_eye", "right_eye"]
POINTS = [10, 20, 2, 3.5, 4.25, 1, 0, 0, 0]


def posed(content: dict[str, Any]) -> None:
    """Give the dog (class 3, annotation 11) keypoints."""
    content["categories"][1] |= {"keypoints": NAMES, "skeleton": [[1, 2], [3, 1]]}
    content["annotations"][0] |= {"keypoints": list(POINTS), "num_keypoints": 2}


def test_keypoints_of_the_classes_that_have_some(coco_folder):
    dataset = open_dataset(coco_folder(posed), "all", task="keypoint_detection")
    assert dataset.classes == ("dog",)
    assert dataset.class_ids == (3,)
    assert dataset.keypoint_names == tuple(NAMES)
    assert dataset.skeleton == ((0, 1), (2, 0))
    objects = dataset[0].target.objects
    assert objects.keypoints.dtype == torch.float32
    assert objects.keypoints.tolist() == [[[10, 20, 2], [3.5, 4.25, 1], [0, 0, 0]]]
    assert (objects.labels.tolist(), objects.ids) == ([0], (11,))
    record = dataset.record(0)
    assert record.keypoints.tolist() == [[[10, 20, 2], [3.5, 4.25, 1], [0, 0, 0]]]
    assert record.keypoints.dtype == np.float64
    assert dataset[1].target.objects.keypoints.shape == (0, 3, 3)
    boxes = open_dataset(coco_folder(posed), "all")
    assert (boxes.classes, boxes.keypoint_names) == (("cat", "dog"), ())
    assert boxes[0].target.objects.keypoints is None


def test_absent_points_have_no_place_in_tensors_and_keep_it_in_records(coco_folder):
    def plant(content: dict[str, Any]) -> None:
        posed(content)
        content["annotations"][0]["keypoints"][6:] = [7, 8, 0]

    dataset = open_dataset(coco_folder(plant), "all", task="keypoint_detection")
    assert dataset[0].target.objects.keypoints[0, 2].tolist() == [0, 0, 0]
    assert dataset.record(0).keypoints[0, 2].tolist() == [7, 8, 0]


def test_real_keypoints(shared_data):
    """Files for keypoints are chosen where they are needed; numbers are the file's own."""
    root = shared_data / "coco_mini"
    dataset = open_dataset(root, "train", task="keypoint_detection")
    content = json.loads((root / "annotations" / "person_keypoints_train2017.json").read_text())
    theirs = {entry["id"]: entry for entry in content["annotations"]}
    assert (dataset.classes, len(dataset.keypoint_names), len(dataset)) == (("person",), 17, 50)
    category = content["categories"][0]
    assert [[a + 1, b + 1] for a, b in dataset.skeleton] == category["skeleton"]
    count = 0
    for index in range(len(dataset)):
        record = dataset.record(index)
        for row, id in enumerate(record.ids):
            assert record.keypoints[row].reshape(-1).tolist() == theirs[id]["keypoints"]
            count += bool((record.keypoints[row, :, 2] > 0).any())
    assert count == 66
    serious = [f for f in dataset.findings if f.severity != "info"]
    assert serious == []


def test_keypoints_come_back_exactly(shared_data, tmp_path):
    convert(shared_data / "coco_mini", tmp_path / "out", task="keypoint_detection")
    for split in ("train", "val"):
        name = f"person_keypoints_{split}2017.json"
        source = json.loads((shared_data / "coco_mini" / "annotations" / name).read_text())
        copy = json.loads(
            (tmp_path / "out" / "annotations" / f"instances_{split}.json").read_text()
        )
        keys = ("image_id", "bbox", "area", "iscrowd", "keypoints", "num_keypoints", "segmentation")
        ours = {a["id"]: [a[key] for key in keys] for a in copy["annotations"]}
        assert ours == {a["id"]: [a[key] for key in keys] for a in source["annotations"]}
        for key in ("id", "name", "keypoints", "skeleton"):
            assert copy["categories"][0][key] == source["categories"][0][key]
    again = open_dataset(tmp_path / "out", "val", task="keypoint_detection")
    assert (len(again), again.classes) == (51, ("person",))


def test_only_classes_with_keypoints_are_written_with_some(coco_folder, tmp_path):
    convert(coco_folder(posed), tmp_path / "out")
    content = json.loads((tmp_path / "out" / "annotations" / "instances_train.json").read_text())
    assert [sorted(c) for c in content["categories"]] == [
        ["id", "name"],
        ["id", "keypoints", "name", "skeleton"],
    ]
    assert ["keypoints" in a for a in content["annotations"]] == [True, False, False]
    assert content["annotations"][0]["keypoints"] == POINTS
    lost = convert(coco_folder(posed), tmp_path / "voc", "voc").lost
    assert any("keypoints" in words for words in lost)


@pytest.mark.parametrize("orientation", range(5, 9))
def test_keypoints_turn_with_their_image(coco_folder, make, orientation):
    root = coco_folder(posed)
    tags = Image.Exif()
    tags[0x0112] = orientation
    make.save(root / "train" / "a.png", make.noise(40, 60), exif=tags)
    dataset = open_dataset(root, "all", task="keypoint_detection")
    expected = turn_points(np.array([[10.0, 20], [3.5, 4.25]]), orientation, (40, 60))
    assert dataset.record(0).keypoints[0, :2, :2].tolist() == expected.tolist()
    assert dataset.record(0).keypoints[0, 2].tolist() == [0, 0, 0]


def obj(**changes: Any) -> Any:
    return lambda content: content["annotations"][0].update(changes)


def category(**changes: Any) -> Any:
    return lambda content: content["categories"][1].update(changes)


def other_list(content: dict[str, Any]) -> None:
    content["categories"].append({"id": 4, "name": "cow", "keypoints": ["tail"]})


FAULTS = [
    ("keypoints-malformed", "annotation 11", obj(keypoints=[1, 2, 2])),
    ("keypoints-malformed", "annotation 11", obj(keypoints="none")),
    ("keypoints-malformed", "annotation 11", obj(keypoints=[*POINTS[:8], "0"])),
    ("keypoints-malformed", "annotation 11", obj(keypoints=[*POINTS[:8], 3])),
    ("keypoints-malformed", "annotation 11", obj(keypoints=[10**400, *POINTS[1:]])),
    ("keypoints-count", "annotation 11", obj(num_keypoints=3)),
    ("keypoint-outside", "annotation 11", obj(keypoints=[61, 5, 2, *POINTS[3:]])),
    ("keypoint-outside", "annotation 11", obj(keypoints=[6, -5, 1, *POINTS[3:]])),
    ("keypoint-lists-differ", "category 4", other_list),
    ("class-malformed", "category 3", category(keypoints=["a", "a"])),
    ("class-malformed", "category 3", category(keypoints=7)),
    ("class-malformed", "category 3", category(skeleton=[[1, 2], [0, 1], [1, 9], "x"])),
]


@pytest.mark.parametrize(("code", "where", "plant"), FAULTS)
def test_faults_in_keypoints(coco_folder, code, where, plant):
    def both(content: dict[str, Any]) -> None:
        posed(content)
        plant(content)

    root = coco_folder(both)
    found = [(f.code, f.where) for f in check_dataset(root) if f.severity != "info"]
    assert found == [(code, where)]
    record = read_annotations(root).splits["train"][0]
    assert record.ids == (11, 12)  # the box is kept
    if code == "keypoints-malformed":
        assert not record.keypoints.any()


def test_files_with_different_keypoints_are_refused(coco_folder, tmp_path):
    root = coco_folder(posed)
    content = json.loads((root / "annotations" / "instances_train.json").read_text())
    content["categories"][1]["keypoints"] = ["nose", "tail", "ear"]
    (root / "annotations" / "instances_val.json").write_text(json.dumps(content))
    with pytest.raises(AnnotationError, match="its keypoints differ from those of"):
        read_annotations(root)


def test_a_folder_with_files_of_keypoints_alone(coco_folder):
    root: Path = coco_folder(posed)
    (root / "annotations" / "instances_train.json").rename(
        root / "annotations" / "person_keypoints_train.json"
    )
    for task in ("detection", "keypoint_detection"):
        assert list(read_annotations(root, task=task).splits) == ["train"]


# --- results ------------------------------------------------------------------------------------


def test_the_reference_takes_truth_and_results_with_keypoints(shared_data, capsys):
    """A prediction that is the truth scores 1 with pycocotools."""
    pycocotools = pytest.importorskip("pycocotools.coco")
    from pycocotools.cocoeval import COCOeval

    dataset = FileDataset(
        read_annotations(shared_data / "coco_mini", task="keypoint_detection"),
        "val",
        task="keypoint_detection",
    )
    images = [dataset.record(index) for index in range(len(dataset))]
    ground_truth = pycocotools.COCO()
    ground_truth.dataset = coco_dict(
        images,
        dataset.classes,
        dataset.class_ids,
        keypoint_names=dataset.keypoint_names,
        skeleton=dataset.skeleton,
    )
    ground_truth.createIndex()
    predictions = []
    for index in range(len(dataset)):
        objects = dataset[index].target.objects
        predictions.append(Prediction(objects=objects.with_(scores=torch.ones(len(objects)))))
    task = TASKS["keypoint_detection"]
    assert isinstance(task, Detection)
    known = task.ground_truth(dataset, dataset.class_ids)
    found = [detections_in(prediction, "keypoints") for prediction in predictions]
    places = [image.id for image in known.images], known.category_ids
    detections = detections_from_predictions(found, *places, known.ground_truth, "keypoints")
    results = results_from_detections(detections, known.ground_truth)
    evaluation = COCOeval(ground_truth, ground_truth.loadRes(results), "keypoints")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[5] == pytest.approx(1.0)  # recall
    capsys.readouterr()
