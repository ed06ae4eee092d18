"""Which part of a prediction a user means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from tapetum.base.errors import UsageError
from tapetum.inference.explain_target import explain_target
from tapetum.structures import Objects, Prediction
from tapetum.tasks import TASKS

NAMES = ("left_eye", "nose")


@dataclass
class Zoo:
    """What classes and keypoints are called."""

    classes: tuple[str, ...] = ("cat", "dog", "0")
    keypoint_names: tuple[str, ...] = NAMES
    skeleton: tuple[tuple[int, int], ...] = ()


def objects(**more: Any) -> Prediction:
    """Two dogs and a cat on an image of 20 x 30: the second dog lies in the first."""
    boxes = torch.tensor([[0.0, 0, 20, 20], [5, 5, 15, 15], [20, 0, 30, 10]])
    objects = Objects(boxes, torch.tensor([1, 1, 0]), scores=torch.tensor([0.9, 0.8, 0.7]), **more)
    return Prediction(objects=objects)


def masks() -> torch.Tensor:
    """The first dog's mask is the left half of its box."""
    filled = torch.zeros(3, 20, 30, dtype=torch.bool)
    filled[0, :, :10] = filled[1, 5:15, 5:15] = filled[2, :10, 20:] = True
    return filled


def boxes_of(target: Any) -> list[float]:
    assert target.objects is not None
    return target.objects.boxes[0].tolist()


DETECTOR = TASKS["detection"], Zoo()
INSTANCES = TASKS["instance_segmentation"], Zoo()
MAPS = TASKS["semantic_segmentation"], Zoo()


@pytest.mark.parametrize(
    ("words", "box"),
    [
        ("0", [0, 0, 20, 20]),
        ("2", [20, 0, 30, 10]),
        ("box:1", [5, 5, 15, 15]),
        ("dog", [0, 0, 20, 20]),
        ("cat", [20, 0, 30, 10]),
        ("pixel:25,3", [20, 0, 30, 10]),
        ("pixel:6,6", [0, 0, 20, 20]),
    ],
)
def test_objects(words: str, box: list[float]) -> None:
    obj = explain_target(words, objects(), *DETECTOR)
    assert boxes_of(obj.target) == box
    assert ("dog" in obj.description) == (box[0] < 20)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("3", "no object 3: there are 3"),
        ("box:9", "no object 9"),
        ("bird", "target: cannot be 'bird'.*pixel:X,Y"),
        ("0:", "cannot be"),
        ("-1", "cannot be"),
        ("mask:0", "detection predicts no mask.*box:N"),
        ("keypoint:0", "detection predicts no keypoint"),
        ("pixel:29,19", "nothing was found at the pixel 29, 19"),
    ],
)
def test_what_is_not_there(words: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        explain_target(words, objects(), *DETECTOR)


def test_a_class_that_was_not_found() -> None:
    answer = objects()
    assert answer.objects is not None
    only_dogs = Prediction(objects=answer.objects[[0, 1]])
    with pytest.raises(UsageError, match=r"no cat was found.*found: dog"):
        explain_target("cat", only_dogs, *DETECTOR)
    with pytest.raises(UsageError, match="predicts no objects in this image"):
        explain_target("0", Prediction(objects=answer.objects[[]]), *DETECTOR)


def test_an_object_is_a_box_or_its_pixels() -> None:
    """As a box it is scored by its class alone, so its mask must be gone."""
    answer = objects(masks=masks())
    box, mask = (explain_target(words, answer, *INSTANCES).target for words in ("box:0", "mask:0"))
    assert box.objects is not None
    assert mask.objects is not None
    assert box.objects.masks is None
    assert torch.equal(mask.objects.masks[0], masks()[0])


def test_a_pixel_of_a_mask() -> None:
    """Inside the box of the first dog, but beside its mask: the second dog's, and then nobody's."""
    answer = objects(masks=masks())
    obj = explain_target("pixel:12,8", answer, *INSTANCES)
    assert boxes_of(obj.target) == [5, 5, 15, 15]
    assert obj.target.objects is not None
    marked = obj.target.objects.masks
    assert marked is not None
    assert marked.sum() == 25
    assert marked[0, 8, 12]
    with pytest.raises(UsageError, match="nothing was found at"):
        explain_target("pixel:18,2", answer, *INSTANCES)
    with pytest.raises(UsageError, match="has 30 x 20 pixels, none at 30, 0"):
        explain_target("pixel:30,0", answer, *INSTANCES)


def test_one_keypoint_of_all() -> None:
    points = torch.arange(18, dtype=torch.float32).reshape(3, 2, 3) + 1
    answer, poses = objects(keypoints=points), (TASKS["keypoint_detection"], Zoo())
    everything = explain_target("keypoint:1", answer, *poses).target.objects
    nose = explain_target("keypoint:1:Nose", answer, *poses)
    assert everything is not None
    assert nose.target.objects is not None
    assert torch.equal(everything.keypoints, points[[1]])
    assert nose.target.objects.keypoints.tolist() == [[[0, 0, 0], [10, 11, 12]]]
    assert nose.description.startswith("nose of dog")
    assert explain_target("keypoint:0:left eye", answer, *poses).description.startswith("left_eye")
    with pytest.raises(UsageError, match=r"no keypoint 'tail'.*one of left_eye, nose"):
        explain_target("keypoint:0:tail", answer, *poses)


def test_pixels_of_a_map() -> None:
    semantic = torch.zeros(20, 30, dtype=torch.uint8)
    semantic[:, 15:] = 1
    answer = Prediction(semantic=semantic)
    dog = explain_target("dog", answer, *MAPS).target.semantic
    assert dog is not None
    assert (dog == 1).sum() == 300
    assert (dog == 255).sum() == 300
    pixel = explain_target("pixel:14,0", answer, *MAPS).target.semantic
    assert pixel is not None
    assert (pixel == 0).nonzero().tolist() == [[y, x] for y in range(3) for x in range(12, 15)]
    assert not (pixel == 1).any()
    with pytest.raises(UsageError, match="segmentation predicts no box"):
        explain_target("box:0", answer, *MAPS)
    with pytest.raises(UsageError, match="none at 14, 20"):
        explain_target("pixel:14,20", answer, *MAPS)


def test_classes_of_an_image() -> None:
    """A class that is called like a number must be said to be one."""
    answer = Prediction(labels=torch.tensor([1]), class_scores=torch.tensor([0.1, 0.7, 0.2]))
    classes = TASKS["classification"], Zoo()
    for words, label in (("cat", 0), ("class:dog", 1), ("class:0", 2), ("0", 1)):
        target = explain_target(words, answer, *classes).target
        assert target.labels is not None
        assert target.labels.tolist() == [label]
    with pytest.raises(UsageError, match="not for pixels"):
        explain_target("pixel:1,1", answer, *classes)
