"""One target for each object."""

from __future__ import annotations

import torch

from tapetum.explain.targets import of_class, owned, single_objects, strongest
from tapetum.structures import Objects, Prediction, Target


def objects():
    boxes = torch.arange(12.0).view(3, 4)
    return Objects(
        boxes=boxes, labels=torch.tensor([2, 0, 1]), scores=torch.tensor([0.2, 0.9, 0.9])
    )


def test_each_object_becomes_a_target_without_its_score():
    targets = single_objects(objects())
    assert [t.objects.labels.tolist() for t in targets] == [[2], [0], [1]]
    assert targets[1].objects.boxes.tolist() == [[4, 5, 6, 7]]
    assert targets[1].objects.scores is None
    assert single_objects(Objects.empty()) == []


def test_strongest_first_and_ties_in_order():
    assert strongest(objects(), 2).labels.tolist() == [0, 1]
    assert strongest(objects(), 9).labels.tolist() == [0, 1, 2]
    assert strongest(objects().with_(scores=None), 2).labels.tolist() == [2, 0]
    assert len(strongest(Objects.empty(scored=True), 3)) == 0
    many = Objects(torch.zeros(300, 4), torch.arange(300), torch.ones(300))
    assert strongest(many, 300).labels.tolist() == list(range(300))


def test_a_class_is_a_target():
    assert of_class(4).labels.tolist() == [4]


def test_owned_is_a_plain_copy():
    with torch.inference_mode():
        prediction = Prediction(labels=torch.tensor([1]), objects=objects())
    copy = owned(prediction, torch.device("cpu"))
    assert type(copy) is Target
    assert not copy.objects.boxes.is_inference()
    assert copy.labels.tolist() == [1]
    assert copy.objects.boxes.tolist() == prediction.objects.boxes.tolist()
    assert owned(Target(), torch.device("cpu")).objects is None
