"""What the fields of a task say agrees with what its verbs do."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from tapetum.cli.options import TaskName
from tapetum.data.records.annotation_types import ANNOTATION_TYPES
from tapetum.data.scenes import open_scenes
from tapetum.evaluation.iou_types import IOU_TYPES
from tapetum.reporting.tasks import GATHER
from tapetum.structures import TASKS as NAMES
from tapetum.structures import Objects, Prediction
from tapetum.tasks import TASKS
from tapetum.tasks.detection import BY_IOU_TYPE
from tests.tasks.test_answers import Zoo


def test_all_tables_know_the_same_tasks() -> None:
    assert tuple(TASKS) == tuple(GATHER) == get_args(TaskName) == tuple(NAMES)
    assert {kind for needed in NAMES.values() for kind in needed.types} == set(ANNOTATION_TYPES)


def test_pycocotools_words_mean_one_task_each() -> None:
    assert tuple(BY_IOU_TYPE) == IOU_TYPES
    assert {task.name for task in TASKS.values() if task.iou_type} == {
        task.name for task in BY_IOU_TYPE.values()
    }


def found(name: str) -> Prediction:
    """Something that each task can answer."""
    if name == "classification":
        return Prediction(labels=torch.tensor([0]), class_scores=torch.tensor([0.75, 0.25]))
    if name == "semantic_segmentation":
        return Prediction(semantic=torch.tensor([[0, 1], [1, 1]], dtype=torch.uint8))
    boxes, labels = torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([1])
    return Prediction(objects=Objects(boxes, labels, scores=torch.tensor([0.5])))


@pytest.mark.parametrize("name", NAMES)
def test_drawings_and_objects_are_those_that_the_fields_promise(name: str) -> None:
    task = TASKS[name]
    drawn = task.draw(torch.zeros(3, 2, 2, dtype=torch.uint8), found(name), Zoo(), 0.0)
    assert tuple(drawn) == task.drawings
    assert ("objects" in task.answer(found(name), Zoo(), 0.0)) == task.has_objects
    assert task.has_thresholds == bool(task.max_detections)
    assert task.noun
    assert task.annotation


@pytest.mark.parametrize("name", NAMES)
def test_the_number_of_classes_has_one_name(name: str) -> None:
    scenes = open_scenes("scenes", "train", name)
    suggested = TASKS[name].arguments(scenes, 64)
    assert suggested["num_classes"] == len(scenes.classes)
    assert "classes" not in suggested
