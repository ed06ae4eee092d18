"""Checks of models that find objects anywhere in an image."""

from __future__ import annotations

import torch
from torch import Tensor

from tapetum.models.predict import predict
from tapetum.structures import Objects, Target
from tapetum.testing.learning import finite_gradients, learners, objective
from tapetum.testing.report import DoesNotApply, Question, expect
from tapetum.testing.subject import ANYWHERE, KEYPOINTS, ODD_SIZES, Row, Subject, noise

SIZE = (96, 128)
IMAGES = (noise(*SIZE, 1), noise(*SIZE, 2))
WHOLE: Row = (0, 0, 128, 96, 1)


def finders(subject: Subject) -> None:
    """Those that find any number of objects."""
    if subject.task not in ANYWHERE:
        raise DoesNotApply(f"{subject.task} finds no objects anywhere")


def learning_finders(subject: Subject) -> None:
    finders(subject)
    learners(subject)


def objects_are_sound(subject: Subject) -> None:
    images = [noise(*size) for size in ODD_SIZES]
    for one, found in zip(images, predict(subject.build(), images), strict=True):
        height, width = one.shape[1], one.shape[2]
        objects = found.objects
        assert objects is not None  # postprocess was asked for objects before
        _boxes_are_inside(objects.boxes, height, width)
        assert objects.scores is not None
        expect((objects.scores.diff() <= 0).all(), "scores do not fall", "best first")
        in_unit = (objects.scores >= 0) & (objects.scores <= 1)
        expect(in_unit.all(), "a score lies outside of [0, 1]", "sigmoid or softmax in postprocess")
        known = (objects.labels >= 0) & (objects.labels < subject.num_classes)
        expect(known.all(), f"a label is none of {subject.num_classes} classes")
        _extras_have_shapes(subject, objects, (height, width))


def _boxes_are_inside(boxes: Tensor, height: int, width: int) -> None:
    x1, y1, x2, y2 = boxes.unbind(1)
    inside = (x1 >= 0) & (x1 < x2) & (x2 <= width) & (y1 >= 0) & (y1 < y2) & (y2 <= height)
    if not bool(inside.all()):
        row = boxes[~inside][0].tolist()
        corners = ", ".join(f"{value:.2f}" for value in row)
        why = f"a box is {corners} in an image of {height} x {width} (height x width)"
        expect(False, why, "scale to batch.originals, clip, leave out empty boxes")


def _extras_have_shapes(subject: Subject, objects: Objects, size: tuple[int, int]) -> None:
    count = len(objects)
    shapes = {"masks": (count, *size), "keypoints": (count, KEYPOINTS, 3)}
    if subject.annotation in shapes:
        name, expected = subject.annotation, shapes[subject.annotation]
        actual = tuple(getattr(objects, name).shape)
        expect(actual == expected, f"{name}: expected {expected}, got {actual}")


def odd_targets_give_finite_losses(subject: Subject) -> None:
    one: Row = (10, 10, 60, 50, 1)
    thin: tuple[Row, Row] = ((20, 20, 20, 40, 1), (10, 10, 10.001, 10.001, 1))
    cases = {
        "crowds alone": [_objects(subject, row, crowd=True) for row in (one, WHOLE)],
        "one object and none": [_objects(subject, one), _objects(subject)],
        "boxes without width": [_objects(subject, *thin), _objects(subject, *thin)],
    }
    for case, targets in cases.items():
        model = subject.build().train()
        loss = objective(model, IMAGES, targets)
        loss.backward()
        expect(loss.isfinite(), f"{case}: the loss is {loss.item()}", "clamp before log and /")
        finite_gradients(model)


def crowds_are_nothing(subject: Subject) -> None:
    """A crowd region over the whole image leaves no foreground and no background."""
    model = subject.build()
    crowd = objective(model, IMAGES[:1], [_objects(subject, WHOLE, crowd=True)]).item()
    nothing = objective(model, IMAGES[:1], [_objects(subject)]).item()
    why = f"with a crowd all over the image the loss is {crowd:.4g}, with nothing {nothing:.4g}"
    expect(crowd < nothing, why, "what lies in a crowd is not background: objects.crowd")


def each_object_scores_alone(subject: Subject) -> None:
    model = subject.build()
    rows: list[Row] = [(10, 10, 60, 50, 0), (30, 20, 90, 90, 0), (70, 5, 120, 60, 0)]
    alone = [model.target_logits(IMAGES[:1], [_objects(subject, row)]).item() for row in rows]
    together = model.target_logits(IMAGES[:1], [_objects(subject, *rows)])
    same = torch.isclose(together, torch.tensor(alone), rtol=1.3e-6, atol=1e-5).all()
    why = f"the logits of objects are {_list(together.tolist())} together and {_list(alone)} alone"
    expect(same, why, "an object's logit depends on the image, its box and label")


def _objects(subject: Subject, *rows: Row, crowd: bool = False) -> Target:
    return subject.target(SIZE, *rows, crowd=crowd)


def _list(values: list[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


FINDING = (
    Question("objects are inside the image, the best first", objects_are_sound, finders),
    Question(
        "losses are finite for unusual targets", odd_targets_give_finite_losses, learning_finders
    ),
    Question("crowds are neither objects nor background", crowds_are_nothing, learning_finders),
    Question("objects together have the logits of each alone", each_object_scores_alone, finders),
)
