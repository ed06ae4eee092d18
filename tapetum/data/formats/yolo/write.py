"""YOLO as it goes out: images/SPLIT, labels/SPLIT and data.yaml."""

from __future__ import annotations

from pathlib import Path

import yaml

from tapetum.base.errors import AnnotationError
from tapetum.base.files import atomic_write, safe_path
from tapetum.data.formats.format import Copy
from tapetum.data.images.header import image_size
from tapetum.data.records.image_record import Annotations, ImageRecord
from tapetum.data.splits.assign import split_name


def write(annotations: Annotations, out: Path, copy: Copy) -> list[str]:
    """Write images, labels and data.yaml into `out`.

    Numbers are written with all digits of a float64, so boxes come back within 1e-9 pixels. Crowds
    are left out, because YOLO would take each for one object; outlines too, because a line holds a
    box or an outline, and boxes must not change.

    Args:
        annotations: the dataset.
        out: the folder, new or empty.
        copy: called with a record and the path of its image relative to `out`; it writes the file.

    Returns:
        What was lost, a line each.

    Raises:
        AnnotationError: two images of a split would share one label file.
    """
    for split, images in annotations.splits.items():
        owners: dict[str, ImageRecord] = {}
        for image in images:
            stem = str(Path(image.name).with_suffix(""))
            if owners.setdefault(stem, image).path != image.path:
                why = f"{owners[stem].name} and {image.name} would share one label file"
                raise AnnotationError(why, file=image.path or image.name)
            if image.has_pixels:
                copy(image, f"images/{split}/{image.name}")
                with atomic_write(safe_path(out, f"labels/{split}/{stem}.txt"), "w") as file:
                    file.write(_lines(image))
    _write_yaml(annotations, out)
    return _lost(annotations)


def _lines(image: ImageRecord) -> str:
    size = image.size or (image_size(image.path).size if image.path else (1, 1))
    height, width = size
    lines = []
    for row in range(len(image)):
        if not image.crowd[row]:
            x, y, w, h = image.xywh[row].tolist()
            relative = ((x + w / 2) / width, (y + h / 2) / height, w / width, h / height)
            label = int(image.labels[row])
            lines.append(" ".join([str(label), *(repr(value) for value in relative)]) + "\n")
    return "".join(lines)


def _write_yaml(annotations: Annotations, out: Path) -> None:
    """Classes and splits; a dataset without splits has none here either, and is found by its
    folder `images`."""
    places: dict[str, list[str]] = {}
    for split in annotations.splits:
        if key := split_name(split):
            places.setdefault(key, []).append(f"images/{split}")
    content = {key: listed[0] if len(listed) == 1 else listed for key, listed in places.items()}
    config = {**content, "names": dict(enumerate(annotations.classes))}
    with atomic_write(out / "data.yaml", "w") as file:
        file.write(yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


def _lost(annotations: Annotations) -> list[str]:
    images = [image for split in annotations.splits.values() for image in split]
    counts = {
        "crowd regions": sum(int(image.crowd.sum()) for image in images),
        "marks of difficult objects": sum(int(image.difficult.sum()) for image in images),
        "outlines": sum(s is not None for image in images for s in image.segments),
        "images without a file": sum(not image.has_pixels for image in images),
    }
    return ["ids and stated areas"] + [f"{n} {what}" for what, n in counts.items() if n]
