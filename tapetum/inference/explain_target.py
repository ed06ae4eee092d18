"""Which part of a prediction is to be explained, as the user writes it.

"2"                       the prediction with the third highest score
"dog", "class:7"          the class: of the image, its strongest object, or its pixels
"box:2", "mask:2"         why an object has its class, or why these are its pixels
"keypoint:2"              all keypoints of an object; "keypoint:2:left wrist" one of them
"pixel:120,45"            column and row: why this pixel has its class
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from tapetum.base.errors import UsageError
from tapetum.structures import IGNORE_INDEX, Objects, Prediction, Target
from tapetum.tasks import ExplainTarget, Names, Task

STRONGEST = "0"
AROUND = 2
"""Pixels on each side that are explained with a pixel, so that a smaller map still has it."""

_NUMBER = re.compile(r"(?P<part>box|mask|keypoint)?:?(?P<number>\d+)(:(?P<name>.+))?")
_PIXEL = re.compile(r"pixel:(?P<x>\d+)\s*,\s*(?P<y>\d+)")


def explain_target(text: str, prediction: Prediction, task: Task, names: Names) -> ExplainTarget:
    """Find what is to be explained in a prediction.

    Args:
        text: as above, for example "dog" or "box:2".
        prediction: of a model for one image.
        task: of the model.
        names: of its classes and keypoints.

    Returns:
        The one part of the prediction, as `Model.target_logits` takes it.

    Raises:
        UsageError: as for `check_target`, or it is not in this prediction; the hint lists what is.
    """
    check_target(text, task, names)
    objects = task.objects(prediction, names)
    if (name := _class(text, names)) is not None:
        return _of_class(name, objects, names)
    if (match := _PIXEL.fullmatch(text)) is not None:
        return _of_pixel(int(match["x"]), int(match["y"]), prediction, objects, names)
    match = _NUMBER.fullmatch(text)
    assert match is not None
    if not objects:
        raise UsageError("the model predicts no objects in this image", option="target")
    obj = objects[valid_index(int(match["number"]), len(objects))]
    return _part(obj, match["part"], match["name"], names) if match["part"] else obj


def check_target(text: str, task: Task, names: Names) -> None:
    """Check `text` as far as it does not depend on the image.

    Args:
        text: as above, for example "dog" or "box:2".
        task: of the model.
        names: of its classes and keypoints.

    Raises:
        UsageError: it cannot be a part of any prediction of the task; the hint lists what can.
    """
    if _class(text, names) is not None:
        return
    if _PIXEL.fullmatch(text):
        if "pixel" not in task.targets:
            why = f"{task.name} predicts for the image, not for pixels"
            raise UsageError(why, option="target", hint="a class")
        return
    match = _NUMBER.fullmatch(text)
    if match is None:
        hint = "a number, a class, box:N, mask:N, keypoint:N, keypoint:N:NAME or pixel:X,Y"
        raise UsageError(f"cannot be {text!r}", option="target", hint=hint)
    if match["part"]:
        _check_part(match["part"], match["name"], task, names)
    elif task.answers_every_class:
        valid_index(int(match["number"]), len(names.classes))


def valid_index(index: int, count: int) -> int:
    """The index itself.

    Raises:
        UsageError: it is not in [0, count).
    """
    if not 0 <= index < count:
        raise UsageError(f"no object {index}: there are {count}", hint="they count from 0")
    return index


def _check_part(part: str, name: str | None, task: Task, names: Names) -> None:
    if part not in task.targets:
        parts = [f"{known}:N" for known in task.targets if known != "pixel"]
        hint = ", ".join(["a class", "N", *parts])
        raise UsageError(f"{task.name} predicts no {part}", option="target", hint=hint)
    if part == "keypoint" and name is not None:
        _keypoint(name, names.keypoint_names)


def _class(text: str, names: Names) -> str | None:
    """The class that `text` names, if any; a bare number is none."""
    name = text.removeprefix("class:")
    return name if name in names.classes and not text.isdigit() else None


def _of_class(name: str, objects: list[ExplainTarget], names: Names) -> ExplainTarget:
    label = names.classes.index(name)
    for obj in objects:
        if label in _labels(obj.target):
            return obj
    labels = dict.fromkeys(label for obj in objects for label in _labels(obj.target))
    predicted = ", ".join(names.classes[label] for label in labels) or "nothing"
    raise UsageError(f"no {name} was found", option="target", hint=f"found: {predicted}")


def _labels(target: Target) -> list[int]:
    """The classes in a target."""
    if target.labels is not None:
        return target.labels.tolist()
    if target.objects is not None:
        return target.objects.labels.tolist()
    assert target.semantic is not None
    return [label for label in target.semantic.unique().tolist() if label != IGNORE_INDEX]


def _part(obj: ExplainTarget, part: str, name: str | None, names: Names) -> ExplainTarget:
    """The object as a box, as a mask, or as keypoints, which `check_target` has checked."""
    objects = obj.target.objects
    assert objects is not None
    if part == "box":
        return _obj(obj.description, objects.with_(masks=None, keypoints=None))
    if part == "mask":
        return _obj(f"the pixels of {obj.description}", objects)
    if name is None:
        return _obj(f"the keypoints of {obj.description}", objects)
    assert objects.keypoints is not None
    number = _keypoint(name, names.keypoint_names)
    points = torch.zeros_like(objects.keypoints)
    points[:, number] = objects.keypoints[:, number]
    text = f"{names.keypoint_names[number]} of {obj.description}"
    return _obj(text, objects.with_(keypoints=points))


def _keypoint(name: str, names: tuple[str, ...]) -> int:
    plain = [known.replace("_", " ").lower() for known in names]
    key = name.replace("_", " ").lower()
    if key not in plain:
        raise UsageError(
            f"no keypoint {name!r}", option="target", hint="one of " + ", ".join(names)
        )
    return plain.index(key)


def _of_pixel(
    x: int, y: int, prediction: Prediction, candidates: list[ExplainTarget], names: Names
) -> ExplainTarget:
    where = f"the pixel {x}, {y}"
    if prediction.semantic is not None:
        _inside(x, y, prediction.semantic)
        label = int(prediction.semantic[y, x])
        near = _around(x, y, prediction.semantic.shape) & (prediction.semantic == label)
        alone = torch.where(near, prediction.semantic, IGNORE_INDEX).to(prediction.semantic.dtype)
        return ExplainTarget(f"{where}, {names.classes[label]}", Target(semantic=alone))
    for obj in candidates:
        objects = obj.target.objects
        if objects is not None and _covers(objects, x, y):
            if objects.masks is not None:
                near = _around(x, y, objects.masks.shape[1:]) & objects.masks[0]
                objects = objects.with_(masks=near[None])
            return _obj(f"{where} of {obj.description}", objects)
    raise UsageError(f"nothing was found at {where}", option="target")


def _covers(objects: Objects, x: int, y: int) -> bool:
    """Whether the one object covers the pixel: its mask, or its box where it has none."""
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


def _obj(description: str, objects: Objects) -> ExplainTarget:
    return ExplainTarget(description, Target(objects=objects))
