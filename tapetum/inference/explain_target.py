"""Which of a model's answers is to be explained, in somebody's words.

"2"                       the third strongest answer
"dog", "class:7"          the class: of the image, its strongest object, or its pixels
"box:2", "mask:2"         why an object is what it is said to be, or why these are its pixels
"keypoint:2"              all keypoints of an object; "keypoint:2:left wrist" one of them
"pixel:120,45"            column and row: why this pixel belongs to what it is said to
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from tapetum.base.errors import UsageError
from tapetum.inference.predictor import Predictor, number_of
from tapetum.structures import Objects, Prediction, Target
from tapetum.tasks import ExplainTarget

STRONGEST = "0"
IGNORE = 255
AROUND = 2
"""Pixels on each side that a pixel stands for, so that it outlives being made smaller."""

PART_TASKS = {"mask": "instance_segmentation", "keypoint": "keypoint_detection"}
_NUMBER = re.compile(r"(?P<kind>box|mask|keypoint)?:?(?P<number>\d+)(:(?P<name>.+))?")
_PIXEL = re.compile(r"pixel:(?P<x>\d+)\s*,\s*(?P<y>\d+)")


def explain_target(words: str, answer: Prediction, predictor: Predictor) -> ExplainTarget:
    """What `words` mean of an answer of a model.

    Raises:
        UsageError: as for `check_aim`, or nothing there; the line says what there is.
    """
    check_aim(words, predictor)
    objects = predictor.task.objects(answer, predictor.model_info)
    if (name := _class(words, predictor)) is not None:
        return _of_class(name, objects, predictor)
    if (match := _PIXEL.fullmatch(words)) is not None:
        return _of_pixel(int(match["x"]), int(match["y"]), answer, objects, predictor)
    match = _NUMBER.fullmatch(words)
    assert match is not None
    if not objects:
        raise UsageError("the model found nothing here", option="target")
    obj = objects[number_of(int(match["number"]), len(objects))]
    return _part(obj, match["kind"], match["name"], predictor) if match["kind"] else obj


def check_aim(words: str, predictor: Predictor) -> None:
    """Could `words` mean something of this model's answers, whatever the image?

    Raises:
        UsageError: they could not; the line says what they may be.
    """
    if _class(words, predictor) is not None:
        return
    task = predictor.task.name
    if _PIXEL.fullmatch(words):
        if task == "classification":
            raise UsageError(
                "a class of the whole image has no pixels", option="target", hint="a class"
            )
        return
    match = _NUMBER.fullmatch(words)
    if match is None:
        hint = "a number, a class, box:N, mask:N, keypoint:N, keypoint:N:NAME or pixel:X,Y"
        raise UsageError(f"cannot be {words!r}", option="target", hint=hint)
    if match["kind"]:
        _check_part(match["kind"], match["name"], predictor)
    elif task == "classification":  # every class is an answer, so their number is known
        number_of(int(match["number"]), len(predictor.classes))


def _check_part(kind: str, name: str | None, predictor: Predictor) -> None:
    task = predictor.task.name
    if task in ("classification", "semantic_segmentation"):
        raise UsageError(
            f"{predictor.task.name} finds no {kind}", option="target", hint="a class, or N"
        )
    if kind in ("mask", "keypoint") and task != PART_TASKS[kind]:
        raise UsageError(f"{predictor.model_info.model} finds no {kind}s", option="target")
    if kind == "keypoint" and name is not None:
        _keypoint(name, predictor.model_info.keypoint_names)


def _class(words: str, predictor: Predictor) -> str | None:
    """The class that is meant, if one is; a bare number is none."""
    name = words.removeprefix("class:")
    return name if name in predictor.classes and not words.isdigit() else None


def _of_class(name: str, objects: list[ExplainTarget], predictor: Predictor) -> ExplainTarget:
    label = predictor.classes.index(name)
    for obj in objects:
        if label in _labels(obj.target):
            return obj
    found = ", ".join(
        dict.fromkeys(predictor.classes[k] for t in objects for k in _labels(t.target))
    )
    raise UsageError(f"no {name} was found", option="target", hint=f"found: {found or 'nothing'}")


def _labels(target: Target) -> list[int]:
    """The classes that a target speaks of."""
    if target.labels is not None:
        return target.labels.tolist()
    if target.objects is not None:
        return target.objects.labels.tolist()
    assert target.semantic is not None
    return [label for label in target.semantic.unique().tolist() if label != IGNORE]


def _part(obj: ExplainTarget, kind: str, name: str | None, predictor: Predictor) -> ExplainTarget:
    """The object as a box, as a mask, or as keypoints, which `check_aim` knows to be there."""
    objects = obj.target.objects
    assert objects is not None
    if kind == "box":
        return _obj(obj.words, objects.with_(masks=None, keypoints=None))
    if kind == "mask":
        return _obj(f"the pixels of {obj.words}", objects)
    if name is None:
        return _obj(f"the keypoints of {obj.words}", objects)
    assert objects.keypoints is not None
    number = _keypoint(name, predictor.model_info.keypoint_names)
    points = torch.zeros_like(objects.keypoints)
    points[:, number] = objects.keypoints[:, number]
    words = f"{predictor.model_info.keypoint_names[number]} of {obj.words}"
    return _obj(words, objects.with_(keypoints=points))


def _keypoint(name: str, names: tuple[str, ...]) -> int:
    plain = [known.replace("_", " ").lower() for known in names]
    wanted = name.replace("_", " ").lower()
    if wanted not in plain:
        raise UsageError(
            f"no keypoint {name!r}", option="target", hint="one of " + ", ".join(names)
        )
    return plain.index(wanted)


def _of_pixel(
    x: int, y: int, answer: Prediction, instances: list[ExplainTarget], predictor: Predictor
) -> ExplainTarget:
    where = f"the pixel {x}, {y}"
    if answer.semantic is not None:
        _inside(x, y, answer.semantic)
        label = int(answer.semantic[y, x])
        near = _around(x, y, answer.semantic.shape) & (answer.semantic == label)
        alone = torch.where(near, answer.semantic, IGNORE).to(answer.semantic.dtype)
        return ExplainTarget(f"{where}, {predictor.classes[label]}", Target(semantic=alone))
    for obj in instances:
        objects = obj.target.objects
        if objects is not None and _covers(objects, x, y):
            if objects.masks is not None:
                near = _around(x, y, objects.masks.shape[1:]) & objects.masks[0]
                objects = objects.with_(masks=near[None])
            return _obj(f"{where} of {obj.words}", objects)
    raise UsageError(f"nothing was found at {where}", option="target")


def _covers(objects: Objects, x: int, y: int) -> bool:
    """Does the one object reach over the pixel: its mask, or its box where it has none?"""
    if objects.masks is not None:
        _inside(x, y, objects.masks[0])
        return bool(objects.masks[0, y, x])
    left, top, right, bottom = objects.boxes[0].tolist()
    return left <= x + 0.5 < right and top <= y + 0.5 < bottom


def _around(x: int, y: int, size: tuple[int, ...]) -> Tensor:
    """(H, W) bool: the pixel and its neighbours."""
    near = torch.zeros(size, dtype=torch.bool)
    near[max(0, y - AROUND) : y + AROUND + 1, max(0, x - AROUND) : x + AROUND + 1] = True
    return near


def _inside(x: int, y: int, pixels: Tensor) -> None:
    height, width = pixels.shape
    if x >= width or y >= height:
        why = f"the image has {width} x {height} pixels, none at {x}, {y}"
        raise UsageError(
            why, option="target", hint="pixel:COLUMN,ROW, counted from 0 at the upper left"
        )


def _obj(words: str, objects: Objects) -> ExplainTarget:
    return ExplainTarget(words, Target(objects=objects))
