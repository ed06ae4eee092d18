"""VOC as it goes out: one XML file a picture, and the lists of the splits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from tapetum.base.errors import AnnotationError
from tapetum.base.files import atomic_write, safe_path
from tapetum.data.image import image_size
from tapetum.data.picture import Annotations, Picture

Copy = Callable[[Picture, str], None]


def write(annotations: Annotations, out: Path, copy: Copy) -> list[str]:
    """Write Annotations/, JPEGImages/ and ImageSets/Main/ into `out`.

    Whole numbers come back as they were; other corners are written with all their digits. Returns,
    in words, what VOC cannot hold.

    Raises:
        AnnotationError: two different pictures share a name (VOC has one folder for all splits).
    """
    owners: dict[str, Picture] = {}
    for split, pictures in annotations.splits.items():
        names = []
        for picture in (p for p in pictures if p.there):
            stem = _stem(picture)
            if owners.setdefault(stem, picture) is not picture:
                if owners[stem].path != picture.path:
                    why = f"two pictures are called {stem}, and VOC has one folder for all"
                    raise AnnotationError(why, file=picture.path)
            else:
                _write_picture(picture, stem, annotations.classes, out, copy)
            names.append(stem)
        with atomic_write(out / "ImageSets" / "Main" / f"{split}.txt", "w") as file:
            file.writelines(f"{name}\n" for name in names)
    return _lost(annotations)


def _stem(picture: Picture) -> str:
    stem = Path(picture.name).stem
    if not stem.isprintable():
        raise AnnotationError("a name that lists and XML cannot hold", file=picture.path)
    return stem


def _write_picture(
    picture: Picture, stem: str, classes: tuple[str, ...], out: Path, copy: Copy
) -> None:
    name = stem + Path(picture.name).suffix
    copy(picture, f"JPEGImages/{name}")
    path = safe_path(out, f"Annotations/{stem}.xml")
    with atomic_write(path, "w") as file:
        file.write(_xml(picture, name, classes))


def _xml(picture: Picture, name: str, classes: tuple[str, ...]) -> str:
    size = picture.size or (image_size(picture.path).size if picture.path else (0, 0))
    lines = [
        "<annotation>",
        f"  <filename>{escape(name)}</filename>",
        f"  <size><width>{size[1]}</width><height>{size[0]}</height><depth>3</depth></size>",
    ]
    for row in np.flatnonzero(_writable(picture)).tolist():
        lines.append(_object(picture, row, classes[int(picture.labels[row])]))
    return "\n".join([*lines, "</annotation>", ""])


def _writable(picture: Picture) -> np.ndarray:
    """(N,) bool: no crowds, which VOC does not know, and no box whose corners would coincide."""
    return ~picture.crowd & (picture.xywh[:, 2:] > 1).all(1)


def _object(picture: Picture, row: int, name: str) -> str:
    x, y, width, height = picture.xywh[row].tolist()
    corners = {"xmin": x + 1, "ymin": y + 1, "xmax": x + width, "ymax": y + height}
    box = "".join(f"<{key}>{_number(value)}</{key}>" for key, value in corners.items())
    difficult = int(picture.difficult[row])
    return (
        f"  <object><name>{escape(name)}</name><difficult>{difficult}</difficult>"
        f"<bndbox>{box}</bndbox></object>"
    )


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _lost(annotations: Annotations) -> list[str]:
    pictures = [picture for split in annotations.splits.values() for picture in split]
    crowds = sum(int(picture.crowd.sum()) for picture in pictures)
    thin = sum(int((~_writable(p) & ~p.crowd).sum()) for p in pictures)
    outlines = sum(s is not None for picture in pictures for s in picture.segments)
    lost = ["ids and stated areas"]
    lost += [f"{crowds} crowd regions"] if crowds else []
    lost += [f"{thin} boxes of one pixel or less"] if thin else []
    return lost + ([f"{outlines} outlines"] if outlines else [])
