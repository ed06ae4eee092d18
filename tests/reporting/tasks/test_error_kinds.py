"""From a measured detector to kinds of error, doubtful labels and advice, with known faults."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tapetum.data.records.image_record import ImageRecord
from tapetum.evaluation import detections_from_coco
from tapetum.reporting import Panel, Table
from tapetum.reporting.report import make_page
from tapetum.reporting.sections.examples import image_outcomes
from tapetum.reporting.sections.run import Run
from tapetum.reporting.tasks.detection import detection_report
from tapetum.reporting.tasks.detection_errors import Inspected
from tapetum.reporting.tasks.detection_numbers import detection_numbers
from tapetum.reporting.tasks.detection_tables import (
    confusion,
    frequent_confusions,
    labels_to_check,
)
from tapetum.reporting.tasks.error_kinds import error_groups, spread, why_missed
from tapetum.runs.record import RunRecord
from tapetum.runs.settings import Settings
from tapetum.runs.train_options import TrainOptions
from tapetum.structures import Prediction, Sample, Target
from tapetum.tasks import TASKS
from tapetum.tasks.detection import Detection

SIDE = 64
CLASSES = ("cat", "dog")
CAT, DOG = 0, 1


class WithNms(nn.Linear):
    """In place of a detector."""

    has_nms = True


class Zoo:
    """Three grey images: two objects, one object, nothing."""

    name, classes, multilabel = "zoo/val", CLASSES, True
    keypoint_names: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()

    def __init__(self, posed: bool = False) -> None:
        if posed:
            self.keypoint_names, self.skeleton = ("nose", "tail"), ((0, 1),)
        self.records = [
            record(1, [(0, 0, 10, 10), (30, 30, 20, 20)], [CAT, DOG], posed),
            record(2, [(10, 10, 20, 20)], [CAT], posed),
            record(3, [], [], posed),
        ]

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Sample:
        image = torch.full((3, SIDE, SIDE), 128, dtype=torch.uint8)
        return Sample(image, Target(), self.records[index].name)

    def record(self, index: int) -> ImageRecord:
        return self.records[index]


def record(number: int, boxes: list[tuple], labels: list[int], posed: bool) -> ImageRecord:
    xywh = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    count = len(xywh)
    points = np.stack((xywh[:, :2], xywh[:, :2] + xywh[:, 2:]), axis=1)  # (N, 2, 2)
    points = np.concatenate((points, np.full((count, 2, 1), 2.0)), axis=2)
    return ImageRecord(
        name=f"photo-{number}.jpg",
        path=Path(f"photo-{number}.jpg"),
        id=number,
        size=(SIDE, SIDE),
        xywh=xywh,
        labels=np.array(labels, dtype=np.int64),
        crowd=np.zeros(count, dtype=bool),
        difficult=np.zeros(count, dtype=bool),
        area=xywh[:, 2:].prod(axis=1),
        ids=tuple(range(1, count + 1)),
        segments=(),
        keypoints=points if posed else None,
    )


def evaluation(found: list[tuple], task: str = "detection") -> Any:
    """(image, class, box x y w h, score), as COCO's results."""
    zoo, own = Zoo(posed=task == "keypoint_detection"), TASKS[task]
    assert isinstance(own, Detection)
    known = own.ground_truth(zoo, (1, 2))
    results = [result(*entry, posed=task == "keypoint_detection") for entry in found]
    return own.judge(known, detections_from_coco(results, known.ground_truth, own.iou_type))


def result(image: int, label: int, box: tuple, score: float, *, posed: bool) -> dict[str, Any]:
    x, y, width, height = box
    own = {"image_id": image, "category_id": label + 1, "bbox": list(box), "score": score}
    if posed:
        own["keypoints"] = [float(v) for v in (x, y, 2, x + width, y + height, 2)]
    return own


FOUND = [
    (1, CAT, (0, 0, 10, 10), 0.9),
    (1, CAT, (30, 30, 20, 20), 0.8),  # it is a dog
    (2, CAT, (10, 10, 20, 8), 0.7),  # loose
    (3, DOG, (5, 5, 30, 30), 0.95),  # nothing is labeled there
    (3, DOG, (40, 40, 9, 9), 0.3),
]


def run(tmp_path: Path, zoo: Zoo, **changes: Any) -> Run:
    values: dict[str, Any] = {
        "model": "retinanet",
        "arguments": {},
        "classes": CLASSES,
        "class_ids": (1, 2),
        "image_size": 320,
        "settings": Settings(epochs=10),
        "device": "cpu",
        "precision": "fp32",
        "options": TrainOptions("retinanet", str(tmp_path)),
    }
    return Run(
        record=RunRecord(**(values | changes)),
        history=[],
        dataset=zoo,
        model=WithNms(1, 1),
        predict=lambda image: Prediction(),
        explain=None,
        checkpoint="step-1",
        resources={},
        folder=tmp_path / "run",
        thresholds=(0.5, 0.5),
        chosen_on="zoo/val",
    )


def view(found: list[tuple], task: str = "detection") -> Inspected:
    return Inspected(evaluation(found, task), np.array([0.5, 0.5]))


def test_kinds_are_counted_priced_and_shown(tmp_path: Path) -> None:
    seen = view(FOUND)
    numbers = detection_numbers(
        seen, image_outcomes(seen.evaluation, seen.thresholds), has_nms=True
    )
    kinds = {k.name: k for k in error_groups(run(tmp_path, Zoo()), seen, numbers)}
    counts = {name: (kind.count, kind.everywhere) for name, kind in kinds.items()}
    assert counts == {
        "classification": (1, 1),
        "localization": (1, 1),
        "both": (0, 0),
        "duplicate": (0, 0),
        "background": (1, 2),
        "missed": (0, 0),
        "all false positives": (3, 4),
        "all false negatives": (2, 2),
    }
    costs = [kind.cost for kind in list(kinds.values())[:6]]
    assert costs == sorted(costs, reverse=True)
    (crop,) = kinds["classification"].examples
    assert (crop.name, crop.label, crop.score) == ("photo-1.jpg", "cat", 0.8)
    assert crop.reason == "labeled dog, IoU 1.00"
    assert kinds["classification"].advice == (
        "most often dog is predicted as cat: are the two labeled consistently?"
    )
    assert kinds["localization"].advice == "most often cat: are its boxes drawn tightly?"
    assert kinds["localization"].examples[0].reason == "only IoU 0.40 with the object"
    assert kinds["both"].advice == ""


def test_labels_that_the_model_doubts(tmp_path: Path) -> None:
    table = labels_to_check(view(FOUND))
    assert table is not None
    assert [row[:4] for row in table.rows] == [
        ("photo-3.jpg", "nothing", "dog", 0.95),
        ("photo-1.jpg", "dog", "cat", 0.8),
    ]
    also_right = [*FOUND, (1, DOG, (30, 30, 20, 20), 0.6)]
    again = labels_to_check(view(also_right))
    assert again is not None
    assert [row[0] for row in again.rows] == ["photo-3.jpg"]
    assert labels_to_check(view(FOUND[:1])) is None


def test_a_pose_that_fits_nothing_is_no_missing_label() -> None:
    """Its box lies on a labeled animal: the points are bad, the label is there."""
    askew = [(2, CAT, (10, 10, 20, 20), 0.9)]
    poses = evaluation(askew, "keypoint_detection")
    poses.detections.keypoints[0, :, :2] = [[60, 1], [1, 60]]
    bad = Inspected(poses, np.array([0.5, 0.5]))
    assert bad.errors.counts()["background"] == 1
    assert labels_to_check(bad) is None


@pytest.mark.parametrize(("task", "measure"), [("detection", "IoU"), ("keypoint_detection", "OKS")])
def test_a_miss_is_told_in_the_measure_of_its_kind(task: str, measure: str) -> None:
    near = (2, DOG, (10, 10, 22, 22), 0.9)  # of another class, so that the cat is missed
    text = why_missed(view([near], task), 2)
    assert text.startswith(f"the nearest detection is dog, {measure} 0.")
    other = {"IoU": "OKS", "OKS": "IoU"}[measure]
    assert other not in text
    weak = [(2, CAT, (10, 10, 20, 20), 0.25)]
    assert why_missed(view(weak, task), 2) == "detected with score 0.25, below 0.50"
    assert why_missed(view([], task), 2) == "no detections in this image"


def test_a_page_of_keypoints_says_oks_alone(tmp_path: Path) -> None:
    zoo = Zoo(posed=True)
    near = (2, DOG, (10, 10, 22, 22), 0.9)
    contents = detection_report(
        run(tmp_path, zoo), evaluation([*FOUND, near], "keypoint_detection")
    )
    page = make_page(contents)
    assert "OKS" in page
    assert "IoU" not in page


def test_many_classes_have_a_table_of_confusions() -> None:
    few = confusion(view(FOUND))
    assert isinstance(few, Panel)
    many = view(FOUND)
    names = tuple(f"class {i}" for i in range(30))
    ids = tuple(range(1, 31))
    wide = replace(many.evaluation.ground_truth, category_ids=ids, category_names=names)
    table = confusion(Inspected(replace(many.evaluation, ground_truth=wide), np.full(30, 0.5)))
    assert isinstance(table, Table)
    assert list(table.rows) == [("class 1", "class 0", 1, 1)]
    counts = np.array([[5, 2, 1], [3, 4, 0], [9, 9, 0]])
    assert frequent_confusions(counts, CLASSES) == [("dog", "cat", 3, 7), ("cat", "dog", 2, 8)]


def test_examples_come_from_different_images_first() -> None:
    rows, images = np.array([5, 6, 7, 8]), np.array([0, 0, 1, 0])
    assert spread(rows, images, 3).tolist() == [5, 7, 6]
    assert spread(rows[:0], images[:0], 3).tolist() == []


def test_the_report_has_it_all(tmp_path: Path) -> None:
    contents = detection_report(run(tmp_path, Zoo()), evaluation(FOUND))
    assert [panel.title for panel in contents.panels] == ["Confusion matrix"]
    (thresholds,) = contents.tables
    assert [row[0] for row in thresholds.rows] == ["cat", "dog"]
    assert thresholds.rows[0][1:] == pytest.approx((0.5, 0.4, 1 / 3, 1 / 2))
    assert thresholds.rows[1][1:] == (0.5, 0.0, 0.0, 0.0)
    assert "zoo/val" in thresholds.note
    assert 3 <= len(contents.next_steps) <= 5
