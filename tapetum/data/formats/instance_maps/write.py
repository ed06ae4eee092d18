"""Instance maps as they go out: later objects on top of earlier ones."""

from __future__ import annotations

from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from tapetum.base.errors import AnnotationError
from tapetum.base.files import atomic_write, safe_path
from tapetum.data.formats.format import Copy
from tapetum.data.records.image_record import Annotations, ImageRecord
from tapetum.data.records.segments import fill_box, segment_to_mask

EACH = 1000
"""The value of a class's first object, and how many objects a class may have on an image."""

_MAX_CLASSES = 65_535 // EACH


def write(annotations: Annotations, out: Path, copy: Copy) -> list[str]:
    """Write images/SPLIT/, instances/SPLIT/ and classes.txt into `out`.

    Args:
        annotations: the dataset.
        out: the folder, new or empty.
        copy: called with a record and the path of its image relative to `out`; it writes the file.

    Returns:
        What instance maps cannot hold and was lost, a line each.

    Raises:
        AnnotationError: more classes, or objects of a class on one image, than 16 bits can count;
            or two images of a split would share one map.
    """
    if len(annotations.classes) > _MAX_CLASSES:
        why = f"{len(annotations.classes)} classes; instance maps of 16 bits hold {_MAX_CLASSES}"
        raise AnnotationError(why, file=annotations.root)
    lost: Counter[str] = Counter()
    for split, images in annotations.splits.items():
        owners: dict[str, ImageRecord] = {}
        folder = "" if split == "all" else f"{split}/"
        for image in (p for p in images if p.has_pixels):
            stem = str(Path(image.name).with_suffix(""))
            if owners.setdefault(stem, image) is not image:
                raise AnnotationError(f"two images are named {stem}", file=image.name)
            copy(image, f"images/{folder}{image.name}")
            _write_map(image, safe_path(out, f"instances/{folder}{stem}.png"), lost)
    with atomic_write(out / "classes.txt", "w") as file:
        file.writelines(f"{name}\n" for name in annotations.classes)
    return ["ids and stated areas", *(f"{count} {what}" for what, count in lost.items() if count)]


def _write_map(image: ImageRecord, path: Path, lost: Counter[str]) -> None:
    assert image.size is not None  # `convert` settles records
    canvas = np.zeros(image.size, dtype=np.uint16)
    areas: dict[int, int] = {}
    numbers: Counter[int] = Counter()
    for row in range(len(image)):
        label = int(image.labels[row])
        if numbers[label] >= EACH:
            why = f"more than {EACH} objects of one class"
            raise AnnotationError(why, file=image.path or image.name)
        value = EACH * (label + 1) + numbers[label]
        numbers[label] += 1
        mask = _mask(image, row)
        canvas[mask] = value
        areas[value] = int(mask.sum())
    _count_losses(image, canvas, areas, lost)
    stream = BytesIO()
    Image.fromarray(canvas).save(stream, "PNG")
    with atomic_write(path) as file:
        file.write(stream.getvalue())


def _mask(image: ImageRecord, row: int) -> np.ndarray:
    """(H, W) bool, its outline, or its box where it has none."""
    assert image.size is not None
    segment = image.segments[row] if image.segments else None
    if segment is not None:
        return segment_to_mask(segment, image.size)
    mask = np.zeros(image.size, dtype=bool)
    fill_box(mask, image.xywh[row], True)
    return mask


def _count_losses(
    image: ImageRecord, canvas: np.ndarray, areas: dict[int, int], lost: Counter[str]
) -> None:
    seen = dict(
        zip(*(part.tolist() for part in np.unique(canvas, return_counts=True)), strict=True)
    )
    left = [seen.get(value, 0) for value in areas]
    lost["marks of crowds and difficult objects"] += int((image.crowd | image.difficult).sum())
    lost["objects hidden by later ones"] += sum(n == 0 for n in left)
    hidden = zip(left, areas.values(), strict=True)
    lost["parts of objects below later ones"] += sum(0 < n < area for n, area in hidden)
    outlined = sum(segment is not None for segment in image.segments)
    lost["boxes without an outline, drawn as filled boxes"] += len(image) - outlined
