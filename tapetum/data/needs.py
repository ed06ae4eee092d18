"""What a dataset carries, and what a task needs: served, or refused in one line."""

from __future__ import annotations

from tapetum.base.errors import UsageError
from tapetum.data.dataset import NEEDS
from tapetum.data.picture import Annotations
from tapetum.data.relabel import keep_classes
from tapetum.data.splits import everything

BACKGROUND = "background"
"""The class 0 of maps that are painted from outlines."""

_WORDS = {
    "labels": "labels of whole pictures",
    "box": "boxes",
    "boxes": "boxes",
    "masks": "masks",
    "keypoints": "keypoints",
    "semantic": "class maps",
}


def carried(annotations: Annotations) -> tuple[str, ...]:
    """What its files state, among "labels", "boxes", "masks", "keypoints", "semantic"."""
    pictures = everything(annotations)
    things = any(map(len, pictures))
    found = {
        "labels": any(p.picture_labels is not None for p in pictures),
        "semantic": any(p.semantic is not None for p in pictures),
    }
    # Pictures without a single thing are a dataset of things like any other.
    found["boxes"] = things or not any(found.values())
    outlined = any(s is not None for p in pictures for s in p.segments)
    found["masks"] = found["boxes"] and (outlined or not things)
    found["keypoints"] = bool(annotations.keypoint_labels)
    return tuple(kind for kind in NEEDS if found.get(kind))


def narrowed(annotations: Annotations, need: str) -> Annotations:
    """The dataset as a task with that need sees it: for keypoints, the classes that have some.

    Raises:
        UsageError: an unknown need, or one that the files cannot serve; says what they have.
    """
    if need not in NEEDS:
        raise UsageError(f"unknown need {need!r}", hint="one of " + ", ".join(NEEDS))
    has = carried(annotations)
    serves = {
        "labels": {"labels", "boxes"},
        "box": {"boxes"},
        "semantic": {"semantic", "masks"},
    }.get(need, {need})
    if not serves & set(has):
        there = " and ".join(_WORDS[kind] for kind in has)
        why = f"these annotations have {there}; {_WORDS[need]} are needed"
        raise UsageError(why, file=annotations.root)
    if need == "keypoints":
        return keep_classes(annotations, annotations.keypoint_labels)
    return annotations


def states_one_label(annotations: Annotations) -> bool:
    """Does the format itself give every picture exactly one label?"""
    pictures = everything(annotations)
    return all(p.picture_labels is not None and len(p.picture_labels) == 1 for p in pictures)
