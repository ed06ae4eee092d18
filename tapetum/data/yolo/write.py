"""YOLO as it goes out: images/SPLIT, labels/SPLIT and data.yaml."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from tapetum.base.errors import AnnotationError
from tapetum.base.files import atomic_write, safe_path
from tapetum.data.image import image_size
from tapetum.data.picture import Annotations, Picture
from tapetum.data.splits import split_name

Copy = Callable[[Picture, str], None]


def write(annotations: Annotations, out: Path, copy: Copy) -> list[str]:
    """Write pictures, labels and data.yaml into `out`.

    Numbers are written with all digits of a float64, so boxes come back within 1e-9 pixels.
    Crowds are left out, because YOLO would take each for one object; outlines too, because a line
    holds a box or an outline, and boxes must not change. Returns what was lost, in words.

    Raises:
        AnnotationError: two pictures of a split would share one label file.
    """
    for split, pictures in annotations.splits.items():
        owners: dict[str, Picture] = {}
        for picture in pictures:
            stem = str(Path(picture.name).with_suffix(""))
            if owners.setdefault(stem, picture).path != picture.path:
                why = f"{owners[stem].name} and {picture.name} would share one label file"
                raise AnnotationError(why, file=picture.path or picture.name)
            if picture.there:
                copy(picture, f"images/{split}/{picture.name}")
                with atomic_write(safe_path(out, f"labels/{split}/{stem}.txt"), "w") as file:
                    file.write(_lines(picture))
    _write_yaml(annotations, out)
    return _lost(annotations)


def _lines(picture: Picture) -> str:
    size = picture.size or (image_size(picture.path).size if picture.path else (1, 1))
    height, width = size
    lines = []
    for row in range(len(picture)):
        if not picture.crowd[row]:
            x, y, w, h = picture.xywh[row].tolist()
            relative = ((x + w / 2) / width, (y + h / 2) / height, w / width, h / height)
            label = int(picture.labels[row])
            lines.append(" ".join([str(label), *(repr(value) for value in relative)]) + "\n")
    return "".join(lines)


def _write_yaml(annotations: Annotations, out: Path) -> None:
    """Classes and splits; a dataset without splits has none here either, and is found by its
    folder `images`."""
    places: dict[str, list[str]] = {}
    for split in annotations.splits:
        if key := split_name(split):
            places.setdefault(key, []).append(f"images/{split}")
    content = {key: own[0] if len(own) == 1 else own for key, own in places.items()}
    whole = {**content, "names": dict(enumerate(annotations.classes))}
    with atomic_write(out / "data.yaml", "w") as file:
        file.write(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True))


def _lost(annotations: Annotations) -> list[str]:
    pictures = [picture for split in annotations.splits.values() for picture in split]
    counts = {
        "crowd regions": sum(int(picture.crowd.sum()) for picture in pictures),
        "marks of difficult objects": sum(int(picture.difficult.sum()) for picture in pictures),
        "outlines": sum(s is not None for picture in pictures for s in picture.segments),
        "pictures without a file": sum(not picture.there for picture in pictures),
    }
    return ["ids and stated areas"] + [f"{n} {what}" for what, n in counts.items() if n]
