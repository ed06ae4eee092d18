"""What a dataset carries, and what a task needs: served, or refused in one line."""

from __future__ import annotations

from tapetum.base.errors import UsageError
from tapetum.data.dataset import NEEDS
from tapetum.data.records.image_record import Annotations
from tapetum.data.records.relabel import keep_classes
from tapetum.data.splits.assign import everything

BACKGROUND = "background"
"""The class 0 of maps that are painted from outlines."""

_WORDS = {
    "labels": "labels of whole images",
    "box": "boxes",
    "boxes": "boxes",
    "masks": "masks",
    "keypoints": "keypoints",
    "semantic": "class maps",
}


def carried(annotations: Annotations) -> tuple[str, ...]:
    """What its files state, among "labels", "boxes", "masks", "keypoints", "semantic"."""
    images = everything(annotations)
    objects = any(map(len, images))
    found = {
        "labels": any(p.image_labels is not None for p in images),
        "semantic": any(p.semantic is not None for p in images),
    }
    # Images without a single object are a dataset of objects like any other.
    found["boxes"] = objects or not any(found.values())
    outlined = any(s is not None for p in images for s in p.segments)
    found["masks"] = found["boxes"] and (outlined or not objects)
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
    """Does the format itself give every image exactly one label?"""
    images = everything(annotations)
    return all(p.image_labels is not None and len(p.image_labels) == 1 for p in images)
