"""Classes renamed, put in another order, or left out: everywhere that a dataset has numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tapetum.data.records.align import keep_objects
from tapetum.data.records.image_record import Annotations, ImageRecord


def relabel(annotations: Annotations, classes: Sequence[str], places: np.ndarray) -> Annotations:
    """The dataset with other classes.

    What belongs to a removed class is removed: objects and labels of images are left out, pixels of
    maps are ignored.

    Args:
        annotations: the dataset, with C classes.
        classes: names of the new classes, by label from 0.
        places: (C,) int64, the new label of each old one, -1 to remove it.

    Returns:
        A new dataset; records that do not change are shared.
    """
    kept = {int(new): old for old, new in enumerate(places) if new >= 0}
    ids = tuple(annotations.class_ids[kept[new]] for new in range(len(classes)))
    splits = annotations.splits
    if places.tolist() != list(range(len(annotations.classes))):
        done: dict[int, ImageRecord] = {}
        for image in (p for split in splits.values() for p in split):
            if id(image) not in done:
                done[id(image)] = _relabeled(image, places)
        splits = {name: tuple(done[id(p)] for p in split) for name, split in splits.items()}
    labels = tuple(int(places[k]) for k in annotations.keypoint_labels if places[k] >= 0)
    maps = annotations.maps
    return replace(
        annotations,
        classes=tuple(classes),
        class_ids=ids,
        splits=splits,
        keypoint_labels=labels,
        maps=None if maps is None else maps.relabeled(places),
    )


def keep_classes(annotations: Annotations, labels: Sequence[int]) -> Annotations:
    """The dataset with some of its classes, in the order given.

    Args:
        annotations: the dataset.
        labels: the classes to keep.

    Returns:
        A new dataset; see `relabel`.
    """
    places = np.full(len(annotations.classes), -1, dtype=np.int64)
    places[list(labels)] = np.arange(len(labels))
    return relabel(annotations, [annotations.classes[label] for label in labels], places)


def _relabeled(image: ImageRecord, places: np.ndarray) -> ImageRecord:
    if len(image):
        new = places[image.labels]
        image = replace(keep_objects(image, new >= 0), labels=new[new >= 0])
    if image.image_labels is not None:
        moved = (int(places[label]) for label in image.image_labels)
        image = replace(image, image_labels=tuple(label for label in moved if label >= 0))
    return image
