"""Which of a model's answers is to be explained, in somebody's words.

"2"                       the third strongest answer
"dog", "class:7"          the class: of the picture, its strongest thing, or its pixels
"box:2", "mask:2"         why a thing is what it is said to be, or why these are its pixels
"keypoint:2"              all keypoints of a thing; "keypoint:2:left wrist" one of them
"pixel:120,45"            column and row: why this pixel belongs to what it is said to
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from tapetum.api.loaded import Loaded, number_of
from tapetum.base.errors import UsageError
from tapetum.structures import Objects, Prediction, Target
from tapetum.tasks import Thing

STRONGEST = "0"
IGNORE = 255
AROUND = 2
"""Pixels on each side that a pixel stands for, so that it outlives being made smaller."""

_NUMBER = re.compile(r"(?P<kind>box|mask|keypoint)?:?(?P<number>\d+)(:(?P<name>.+))?")
_PIXEL = re.compile(r"pixel:(?P<x>\d+)\s*,\s*(?P<y>\d+)")


def aim(words: str, answer: Prediction, loaded: Loaded) -> Thing:
    """What `words` mean of an answer of a model.

    Raises:
        UsageError: as for `check_aim`, or nothing there; the line says what there is.
    """
    check_aim(words, loaded)
    things = loaded.task.things(answer, loaded.card)
    if (name := _class(words, loaded)) is not None:
        return _of_class(name, things, loaded)
    if (match := _PIXEL.fullmatch(words)) is not None:
        return _of_pixel(int(match["x"]), int(match["y"]), answer, things, loaded)
    match = _NUMBER.fullmatch(words)
    assert match is not None
    if not things:
        raise UsageError("--target: the model found nothing here")
    thing = things[number_of(int(match["number"]), len(things))]
    return _part(thing, match["kind"], match["name"], loaded) if match["kind"] else thing


def check_aim(words: str, loaded: Loaded) -> None:
    """Could `words` mean something of this model's answers, whatever the picture?

    Raises:
        UsageError: they could not; the line says what they may be.
    """
    if _class(words, loaded) is not None:
        return
    need = loaded.task.need
    if _PIXEL.fullmatch(words):
        if need == "labels":
            raise UsageError("--target: a class of the whole picture has no pixels", hint="a class")
        return
    match = _NUMBER.fullmatch(words)
    if match is None:
        hint = "a number, a class, box:N, mask:N, keypoint:N, keypoint:N:NAME or pixel:X,Y"
        raise UsageError(f"--target: cannot be {words!r}", hint=hint)
    if match["kind"]:
        _check_part(match["kind"], match["name"], loaded)
    elif need == "labels":  # every class is an answer, so their number is known
        number_of(int(match["number"]), len(loaded.classes))


def _check_part(kind: str, name: str | None, loaded: Loaded) -> None:
    need = loaded.task.need
    if need in ("labels", "semantic"):
        raise UsageError(f"--target: {loaded.task.name} finds no {kind}", hint="a class, or N")
    if kind in ("mask", "keypoint") and need != f"{kind}s":
        raise UsageError(f"--target: {loaded.card.model} finds no {kind}s")
    if kind == "keypoint" and name is not None:
        _keypoint(name, loaded.card.keypoint_names)


def _class(words: str, loaded: Loaded) -> str | None:
    """The class that is meant, if one is; a bare number is none."""
    name = words.removeprefix("class:")
    return name if name in loaded.classes and not words.isdigit() else None


def _of_class(name: str, things: list[Thing], loaded: Loaded) -> Thing:
    label = loaded.classes.index(name)
    for thing in things:
        if label in _labels(thing.target):
            return thing
    found = ", ".join(dict.fromkeys(loaded.classes[k] for t in things for k in _labels(t.target)))
    raise UsageError(f"--target: no {name} was found", hint=f"found: {found or 'nothing'}")


def _labels(target: Target) -> list[int]:
    """The classes that a target speaks of."""
    if target.labels is not None:
        return target.labels.tolist()
    if target.objects is not None:
        return target.objects.labels.tolist()
    assert target.semantic is not None
    return [label for label in target.semantic.unique().tolist() if label != IGNORE]


def _part(thing: Thing, kind: str, name: str | None, loaded: Loaded) -> Thing:
    """The thing as a box, as a mask, or as keypoints, which `check_aim` knows to be there."""
    objects = thing.target.objects
    assert objects is not None
    if kind == "box":
        return _thing(thing.words, objects.with_(masks=None, keypoints=None))
    if kind == "mask":
        return _thing(f"the pixels of {thing.words}", objects)
    if name is None:
        return _thing(f"the keypoints of {thing.words}", objects)
    assert objects.keypoints is not None
    number = _keypoint(name, loaded.card.keypoint_names)
    points = torch.zeros_like(objects.keypoints)
    points[:, number] = objects.keypoints[:, number]
    words = f"{loaded.card.keypoint_names[number]} of {thing.words}"
    return _thing(words, objects.with_(keypoints=points))


def _keypoint(name: str, names: tuple[str, ...]) -> int:
    plain = [known.replace("_", " ").lower() for known in names]
    wanted = name.replace("_", " ").lower()
    if wanted not in plain:
        raise UsageError(f"--target: no keypoint {name!r}", hint="one of " + ", ".join(names))
    return plain.index(wanted)


def _of_pixel(x: int, y: int, answer: Prediction, things: list[Thing], loaded: Loaded) -> Thing:
    where = f"the pixel {x}, {y}"
    if answer.semantic is not None:
        _inside(x, y, answer.semantic)
        label = int(answer.semantic[y, x])
        near = _around(x, y, answer.semantic.shape) & (answer.semantic == label)
        alone = torch.where(near, answer.semantic, IGNORE).to(answer.semantic.dtype)
        return Thing(f"{where}, {loaded.classes[label]}", Target(semantic=alone))
    for thing in things:
        objects = thing.target.objects
        if objects is not None and _covers(objects, x, y):
            if objects.masks is not None:
                near = _around(x, y, objects.masks.shape[1:]) & objects.masks[0]
                objects = objects.with_(masks=near[None])
            return _thing(f"{where} of {thing.words}", objects)
    raise UsageError(f"--target: nothing was found at {where}")


def _covers(objects: Objects, x: int, y: int) -> bool:
    """Does the one thing reach over the pixel: its mask, or its box where it has none?"""
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
        why = f"--target: the picture has {width} x {height} pixels, none at {x}, {y}"
        raise UsageError(why, hint="pixel:COLUMN,ROW, counted from 0 at the upper left")


def _thing(words: str, objects: Objects) -> Thing:
    return Thing(words, Target(objects=objects))
