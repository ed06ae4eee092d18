"""Questions to every model that finds objects anywhere in a picture."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tapetum.models import BY_TASK
from tapetum.models.predict import predict
from tapetum.structures import Target

from .cases import PICTURES, Row, build, picture, target
from .test_contract import objective

TASKS = ("detection", "instances", "keypoints")
DETECTORS = [name for task in TASKS for name in BY_TASK.get(task, ())]
SIZE = (96, 128)


@pytest.fixture(params=DETECTORS)
def model(request: pytest.FixtureRequest) -> Any:
    return build(request.param)


def things(model: Any, *rows: Row, crowd: bool = False) -> Target:
    return target(model.task, SIZE, *rows, crowd=crowd)


def test_objects_are_inside_the_picture_and_in_order(model: Any) -> None:
    pictures = [picture(h, w) for h, w in ((32, 500), (500, 33), (37, 91), (251, 127), (32, 32))]
    for one, prediction in zip(pictures, predict(model, pictures), strict=True):
        objects, (height, width) = prediction.objects, one.shape[1:]
        assert len(objects) > 0
        x1, y1, x2, y2 = objects.boxes.unbind(1)
        assert (x1 >= 0).all()
        assert (x1 < x2).all()
        assert (x2 <= width).all()
        assert (y1 >= 0).all()
        assert (y1 < y2).all()
        assert (y2 <= height).all()
        assert (objects.scores.diff() <= 0).all()
        assert (objects.scores.min() >= 0) & (objects.scores.max() <= 1)
        assert (objects.labels.min() >= 0) & (objects.labels.max() < 3)
        if model.task == "instances":
            assert objects.masks.shape == (len(objects), height, width)
        if model.task == "keypoints":
            assert objects.keypoints.shape == (len(objects), 3, 3)


@pytest.mark.parametrize("case", ["crowds only", "one and none", "thin boxes"])
def test_losses_are_finite_whatever_there_is(model: Any, case: str) -> None:
    thin: tuple[Row, Row] = ((20, 20, 20, 40, 1), (10, 10, 10.001, 10.001, 1))
    one: Row = (10, 10, 60, 50, 1)
    truth = {
        "crowds only": [
            things(model, one, crowd=True),
            things(model, (0, 0, 128, 96, 0), crowd=True),
        ],
        "one and none": [things(model, one), things(model)],
        "thin boxes": [things(model, *thin), things(model, *thin)],
    }[case]
    loss = objective(model.train(), PICTURES[:2], truth)
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_crowds_are_neither_things_nor_background(model: Any) -> None:
    """With a crowd all over the picture there is nothing left to be right or wrong about."""
    everywhere = [things(model, (0, 0, 128, 96, 1), crowd=True)]
    nothing = [things(model)]
    assert objective(model, PICTURES[:1], everywhere) < objective(model, PICTURES[:1], nothing)


def test_scores_of_several_things_are_those_of_each(model: Any) -> None:
    rows: list[Row] = [(10, 10, 60, 50, 0), (30, 20, 90, 90, 0), (70, 5, 120, 60, 0)]
    alone = [model.score(PICTURES[:1], [things(model, row)]).item() for row in rows]
    together = model.score(PICTURES[:1], [things(model, *rows)])
    torch.testing.assert_close(together, torch.tensor(alone))
