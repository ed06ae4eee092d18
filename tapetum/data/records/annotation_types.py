"""What a dataset carries, and what each task takes: served, or refused in one line."""

from __future__ import annotations

from tapetum.base.errors import UsageError
from tapetum.data.records.image_record import Annotations
from tapetum.data.records.relabel import keep_classes
from tapetum.structures.tasks import TASKS

BACKGROUND = "background"
"""The class 0 of maps that are painted from outlines."""

ANNOTATION_TYPES = {
    "labels": "labels of whole images",
    "boxes": "boxes",
    "masks": "masks",
    "keypoints": "keypoints",
    "semantic": "class maps",
}
"""What files may state of images, and how a message calls it."""


def learns_from(task: str) -> str:
    """The annotation type that samples carry for a task, among ANNOTATION_TYPES."""
    return TASKS[task].types[0]


def carried(annotations: Annotations) -> tuple[str, ...]:
    """Which types of annotations a dataset has.

    Args:
        annotations: the dataset.

    Returns:
        Names among ANNOTATION_TYPES, in their order.
    """
    images = annotations.all_images()
    objects = any(map(len, images))
    types = {
        "labels": any(p.image_labels is not None for p in images),
        "semantic": any(p.semantic is not None for p in images),
    }
    # Images without a single object are a dataset of objects like any other.
    types["boxes"] = objects or not any(types.values())
    outlined = any(s is not None for p in images for s in p.segments)
    types["masks"] = types["boxes"] and (outlined or not objects)
    types["keypoints"] = bool(annotations.keypoint_labels)
    return tuple(kind for kind in ANNOTATION_TYPES if types.get(kind))


def narrowed(annotations: Annotations, task: str) -> Annotations:
    """The dataset as a task sees it: for keypoints, the classes that have some.

    Args:
        annotations: the dataset.
        task: one of `tapetum.structures.TASKS`.

    Returns:
        The dataset itself; for keypoint detection, with the classes alone that have keypoints.

    Raises:
        UsageError: an unknown task, or one that the files cannot serve; says what they have.
    """
    if task not in TASKS:
        raise UsageError(f"unknown task {task!r}", hint="one of " + ", ".join(TASKS))
    types = carried(annotations)
    if not set(TASKS[task].types) & set(types):
        listed = " and ".join(ANNOTATION_TYPES[kind] for kind in types)
        why = f"these annotations have {listed}; {ANNOTATION_TYPES[learns_from(task)]} are needed"
        raise UsageError(why, file=annotations.root)
    if learns_from(task) == "keypoints":
        return keep_classes(annotations, annotations.keypoint_labels)
    return annotations


def states_one_label(annotations: Annotations) -> bool:
    """Whether all images of a dataset have exactly one label for the whole image.

    Args:
        annotations: the dataset.

    Returns:
        True if all have.
    """
    images = annotations.all_images()
    return all(p.image_labels is not None and len(p.image_labels) == 1 for p in images)
