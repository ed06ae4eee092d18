"""Instance maps as they go out: later things on top of earlier ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from tapetum.base.errors import AnnotationError
from tapetum.base.files import atomic_write, safe_path
from tapetum.data.picture import Annotations, Picture
from tapetum.data.segments import fill_box, segment_to_mask

EACH = 1000
"""The value of a class's first thing, and how many things a class may have on a picture."""

_MOST = 65_535 // EACH
Copy = Callable[[Picture, str], None]


def write(annotations: Annotations, out: Path, copy: Copy) -> list[str]:
    """Write images/SPLIT/, instances/SPLIT/ and classes.txt into `out`. Returns, in words, what
    instance maps cannot hold.

    Raises:
        AnnotationError: more classes, or things of a class on one picture, than 16 bits can count;
            or two pictures of a split would share one map.
    """
    if len(annotations.classes) > _MOST:
        why = f"{len(annotations.classes)} classes; instance maps of 16 bits hold {_MOST}"
        raise AnnotationError(why, file=annotations.root)
    lost: Counter[str] = Counter()
    for split, pictures in annotations.splits.items():
        owners: dict[str, Picture] = {}
        folder = "" if split == "all" else f"{split}/"
        for picture in (p for p in pictures if p.there):
            stem = str(Path(picture.name).with_suffix(""))
            if owners.setdefault(stem, picture) is not picture:
                raise AnnotationError(f"two pictures are called {stem}", file=picture.name)
            copy(picture, f"images/{folder}{picture.name}")
            _write_map(picture, safe_path(out, f"instances/{folder}{stem}.png"), lost)
    with atomic_write(out / "classes.txt", "w") as file:
        file.writelines(f"{name}\n" for name in annotations.classes)
    return ["ids and stated areas", *(f"{count} {what}" for what, count in lost.items() if count)]


def _write_map(picture: Picture, path: Path, lost: Counter[str]) -> None:
    assert picture.size is not None  # `convert` settles records
    canvas = np.zeros(picture.size, dtype=np.uint16)
    areas: dict[int, int] = {}
    numbers: Counter[int] = Counter()
    for row in range(len(picture)):
        label = int(picture.labels[row])
        if numbers[label] >= EACH:
            why = f"more than {EACH} things of one class"
            raise AnnotationError(why, file=picture.path or picture.name)
        value = EACH * (label + 1) + numbers[label]
        numbers[label] += 1
        mask = _mask(picture, row)
        canvas[mask] = value
        areas[value] = int(mask.sum())
    _count_losses(picture, canvas, areas, lost)
    stream = BytesIO()
    Image.fromarray(canvas).save(stream, "PNG")
    with atomic_write(path) as file:
        file.write(stream.getvalue())


def _mask(picture: Picture, row: int) -> np.ndarray:
    """(H, W) bool, its outline, or its box where it has none."""
    assert picture.size is not None
    segment = picture.segments[row] if picture.segments else None
    if segment is not None:
        return segment_to_mask(segment, picture.size)
    mask = np.zeros(picture.size, dtype=bool)
    fill_box(mask, picture.xywh[row], True)
    return mask


def _count_losses(
    picture: Picture, canvas: np.ndarray, areas: dict[int, int], lost: Counter[str]
) -> None:
    seen = dict(
        zip(*(part.tolist() for part in np.unique(canvas, return_counts=True)), strict=True)
    )
    left = [seen.get(value, 0) for value in areas]
    lost["marks of crowds and difficult things"] += int((picture.crowd | picture.difficult).sum())
    lost["things hidden by later ones"] += sum(n == 0 for n in left)
    hidden = zip(left, areas.values(), strict=True)
    lost["parts of things below later ones"] += sum(0 < n < area for n, area in hidden)
    outlined = sum(segment is not None for segment in picture.segments)
    lost["boxes without an outline, drawn as filled boxes"] += len(picture) - outlined
