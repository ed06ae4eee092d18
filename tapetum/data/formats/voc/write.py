"""VOC as it goes out: one XML file an image, and the lists of the splits."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from tapetum.base.errors import AnnotationError
from tapetum.base.files import atomic_write, safe_path
from tapetum.data.formats.format import Copy
from tapetum.data.images.header import image_size
from tapetum.data.records.image_record import Annotations, ImageRecord


def write(annotations: Annotations, out: Path, copy: Copy) -> list[str]:
    """Write Annotations/, JPEGImages/ and ImageSets/Main/ into `out`.

    Whole numbers come back as they were; other corners are written with all their digits.

    Args:
        annotations: the dataset.
        out: the folder, new or empty.
        copy: called with a record and the path of its image relative to `out`; it writes the file.

    Returns:
        What VOC cannot hold and was lost, a line each.

    Raises:
        AnnotationError: two different images share a name (VOC has one folder for all splits).
    """
    owners: dict[str, ImageRecord] = {}
    for split, images in annotations.splits.items():
        names = []
        for image in (p for p in images if p.has_pixels):
            stem = _stem(image)
            if owners.setdefault(stem, image) is not image:
                if owners[stem].path != image.path:
                    why = f"two images are named {stem}, and VOC has one folder for all"
                    raise AnnotationError(why, file=image.path)
            else:
                _write_image(image, stem, annotations.classes, out, copy)
            names.append(stem)
        with atomic_write(out / "ImageSets" / "Main" / f"{split}.txt", "w") as file:
            file.writelines(f"{name}\n" for name in names)
    return _lost(annotations)


def _stem(image: ImageRecord) -> str:
    stem = Path(image.name).stem
    if not stem.isprintable():
        why = "a name with characters that cannot be written to lists and XML"
        raise AnnotationError(why, file=image.path)
    return stem


def _write_image(
    image: ImageRecord, stem: str, classes: tuple[str, ...], out: Path, copy: Copy
) -> None:
    name = stem + Path(image.name).suffix
    copy(image, f"JPEGImages/{name}")
    path = safe_path(out, f"Annotations/{stem}.xml")
    with atomic_write(path, "w") as file:
        file.write(_xml(image, name, classes))


def _xml(image: ImageRecord, name: str, classes: tuple[str, ...]) -> str:
    size = image.size or (image_size(image.path).size if image.path else (0, 0))
    lines = [
        "<annotation>",
        f"  <filename>{escape(name)}</filename>",
        f"  <size><width>{size[1]}</width><height>{size[0]}</height><depth>3</depth></size>",
    ]
    for row in np.flatnonzero(_writable(image)).tolist():
        lines.append(_object(image, row, classes[int(image.labels[row])]))
    return "\n".join([*lines, "</annotation>", ""])


def _writable(image: ImageRecord) -> np.ndarray:
    """(N,) bool: no crowds, which VOC does not know, and no box whose corners would coincide."""
    return ~image.crowd & (image.xywh[:, 2:] > 1).all(1)


def _object(image: ImageRecord, row: int, name: str) -> str:
    x, y, width, height = image.xywh[row].tolist()
    corners = {"xmin": x + 1, "ymin": y + 1, "xmax": x + width, "ymax": y + height}
    box = "".join(f"<{key}>{_number(value)}</{key}>" for key, value in corners.items())
    difficult = int(image.difficult[row])
    return (
        f"  <object><name>{escape(name)}</name><difficult>{difficult}</difficult>"
        f"<bndbox>{box}</bndbox></object>"
    )


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _lost(annotations: Annotations) -> list[str]:
    images = [image for split in annotations.splits.values() for image in split]
    crowds = sum(int(image.crowd.sum()) for image in images)
    thin = sum(int((~_writable(p) & ~p.crowd).sum()) for p in images)
    outlines = sum(s is not None for image in images for s in image.segments)
    lost = ["ids and stated areas"]
    lost += [f"{crowds} crowd regions"] if crowds else []
    lost += [f"{thin} boxes of one pixel or less"] if thin else []
    return lost + ([f"{outlines} outlines"] if outlines else [])
