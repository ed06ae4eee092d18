"""Answers of every task as JSON, as a line, and as objects that can be explained."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from tapetum.base.errors import UsageError
from tapetum.ops.masks import rle_decode
from tapetum.structures import TASKS as NAMES
from tapetum.structures import Objects, Prediction
from tapetum.tasks import TASKS
from tapetum.tasks.task import Watch, batches


@dataclass(frozen=True)
class Zoo:
    classes: tuple[str, ...] = ("cat", "dog", "owl")
    skeleton: tuple[tuple[int, int], ...] = ((0, 1),)
    keypoint_names: tuple[str, ...] = ("nose", "tail")


def objects() -> Objects:
    masks = torch.zeros(2, 6, 8, dtype=torch.bool)
    masks[0, 1:4, 2:7] = True
    return Objects(
        boxes=torch.tensor([[2.0, 1, 7, 4], [0, 0, 3, 3]]),
        labels=torch.tensor([1, 0]),
        scores=torch.tensor([0.75, 0.25]),
        masks=masks,
        keypoints=torch.tensor([[[3.0, 2, 1.5], [6, 3, -1]]]).repeat(2, 1, 1),
    )


def test_every_task_of_the_vocabulary_is_there() -> None:
    assert tuple(TASKS) == tuple(NAMES)
    assert all(task.name == name for name, task in TASKS.items())


@pytest.mark.parametrize("name", ["detection", "instance_segmentation", "keypoint_detection"])
def test_objects_below_the_threshold_are_left_out(name: str) -> None:
    task, prediction = TASKS[name], Prediction(objects=objects())
    both, one = (task.answer(prediction, Zoo(), t)["objects"] for t in (0.25, 0.5))
    assert [obj["class"] for obj in both] == ["dog", "cat"]
    assert [(obj["label"], obj["score"], obj["box"]) for obj in one] == [
        (1, 0.75, [2.0, 1.0, 7.0, 4.0])
    ]
    assert json.loads(json.dumps(both)) == both


def test_masks_and_keypoints_are_whole() -> None:
    (obj,) = TASKS["instance_segmentation"].answer(Prediction(objects=objects()), Zoo(), 0.5)[
        "objects"
    ]
    assert np.array_equal(rle_decode(obj["mask"]), objects().masks[0].numpy())
    assert obj["keypoints"] == [[3.0, 2.0, 1.5], [6.0, 3.0, -1.0]]


def test_nothing_found_is_said_so() -> None:
    task = TASKS["detection"]
    answer = task.answer(Prediction(objects=Objects.empty(scored=True)), Zoo(), 0.0)
    assert (answer, task.describe(answer)) == ({"objects": []}, "nothing")


def test_the_likeliest_class_comes_first() -> None:
    task = TASKS["classification"]
    prediction = Prediction(labels=torch.tensor([2]), class_scores=torch.tensor([0.25, 0.125, 0.5]))
    answer = task.answer(prediction, Zoo(), 0.5)
    assert answer["labels"] == ["owl"]
    assert list(answer["scores"].items()) == [("owl", 0.5), ("cat", 0.25), ("dog", 0.125)]
    assert task.describe(answer) == "owl 0.50"
    objects = task.objects(prediction, Zoo())
    assert [obj.target.labels.tolist() for obj in objects] == [[2], [0], [1]]


def test_the_pixels_of_a_class_are_one_object() -> None:
    task = TASKS["semantic_segmentation"]
    semantic = torch.tensor([[0, 0, 0, 2], [0, 0, 2, 2]], dtype=torch.uint8)
    prediction = Prediction(semantic=semantic)
    answer = task.answer(prediction, Zoo(), 0.5)
    assert answer == {"pixels": {"cat": 0.625, "owl": 0.375}}
    assert task.describe(answer) == "cat 62 %, owl 38 %"
    first, second = task.objects(prediction, Zoo())
    assert first.description.startswith("cat")
    assert second.target.semantic.tolist() == [[255, 255, 255, 2], [255, 255, 2, 2]]


def test_the_map_itself_is_drawn_beside_the_image() -> None:
    semantic = torch.tensor([[0, 0, 1, 2], [0, 0, 2, 2]], dtype=torch.uint8)
    image = torch.zeros(3, 2, 4, dtype=torch.uint8)
    drawn = TASKS["semantic_segmentation"].draw(image, Prediction(semantic=semantic), Zoo(), 0.5)
    assert np.asarray(drawn["-map"]).tolist() == semantic.tolist()


def test_every_found_object_can_be_explained_alone() -> None:
    instances = TASKS["detection"].objects(Prediction(objects=objects()), Zoo())
    assert [obj.description for obj in instances] == ["dog 0.75", "cat 0.25"]
    assert [obj.target.objects.labels.tolist() for obj in instances] == [[1], [0]]


def test_caps_are_those_of_coco() -> None:
    assert TASKS["detection"].caps() == (1, 10, 100)
    assert TASKS["detection"].caps(5) == (1, 5)
    assert TASKS["keypoint_detection"].caps() == (20,)
    with pytest.raises(UsageError, match="max_dets"):
        TASKS["detection"].caps(0)


def test_a_watched_loop_checks_before_each_batch() -> None:
    seen: list[str] = []
    watch = Watch(check=lambda: seen.append("check"))
    for batch in batches(range(5), 2, watch):
        seen.append(str(batch))
    assert seen == ["check", "[0, 1]", "check", "[2, 3]", "check", "[4]"]
