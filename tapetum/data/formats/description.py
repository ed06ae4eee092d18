"""A dataset described in a few lines of YAML, for what its own files do not say.

    format: label_maps                # any format by its name; this key makes it a description
    root: ../camvid                   # from this file's folder, or absolute; else its own folder
    images: frames                    # for label_maps and instance_maps: their folders,
    maps: ground_truth                # if not in the usual folders
    classes: [Sky, Building, Pole]    # names by number; or {0: Sky, 255: Road}, numbers to names
    ignore: [Pole, 11]                # for label_maps: classes or numbers whose pixels do not count
    splits:
      train: rest                     # whatever no other split takes
      val: "020-024"                  # from the image 020 to 024
      test: ["030", "night_*", "train/*"]    # names, patterns, and images of its own split

For formats that name their classes, `classes` lists the same names in another order, or maps old
names to new ones. Names of images count with or without their suffix and folders. A file is a
description if it has the key `format`; a folder, if it holds one file `*.tapetum.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tapetum.base.errors import AnnotationError, UsageError
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.formats.finder import Finder
from tapetum.data.formats.format import Format
from tapetum.data.formats.recognition import read_annotations
from tapetum.data.formats.registry import FORMATS
from tapetum.data.formats.yaml_file import has_format, load_yaml
from tapetum.data.records.image_record import Annotations
from tapetum.data.records.relabel import keep_classes, relabel
from tapetum.data.splits.assign import in_order
from tapetum.data.splits.by_name import divide
from tapetum.structures.tasks import TASKS

LOOKED_FOR = "a .yaml file with the key 'format', or *.tapetum.yaml"
ENDING = ".tapetum.yaml"
_NUMBERED = re.compile(r"(class )?\d+")


@dataclass(frozen=True)
class Description:
    """What a description says; see this module's docstring."""

    file: Path
    format: str
    root: Path
    images: str | None = None
    maps: str | None = None
    classes: list[str] | dict[int | str, str] | None = None
    ignore: list[int | str] = field(default_factory=list)
    splits: dict[str, list[str]] = field(default_factory=dict)

    def fault(self, key: str, why: str, hint: str | None = None) -> AnnotationError:
        """An error that names the file and the key."""
        return AnnotationError(why, file=self.file, where=key, hint=hint)


def recognize(path: Path) -> bool:
    """Is this a description, or a folder with one?"""
    return _file(path) is not None


def read(path: Path, limits: Limits = DEFAULT_LIMITS, task: str = "detection") -> Annotations:
    """The dataset that a description leads to, as it states.

    Raises:
        UsageError: it names an unknown format.
        AnnotationError: the description or the dataset cannot be read.
    """
    description = load(path, limits)
    if description.format not in FORMATS or description.format == FORMAT.name:
        hint = "one of " + ", ".join(name for name in FORMATS if name != FORMAT.name)
        raise UsageError(f"unknown format {description.format!r}", file=description.file, hint=hint)
    format = FORMATS[description.format]
    if format.read_placed is None:
        return apply(
            description, read_annotations(description.root, description.format, limits, task=task)
        )
    names = _numbered(description, format.first_class)
    annotations = format.read_placed(
        description.root, limits, images=description.images, maps=description.maps, names=names
    )
    return apply(description, annotations)


def _placed() -> list[str]:
    """Formats for which a description may state folders and the numbers of classes."""
    return [format.name for format in FORMATS.values() if format.read_placed is not None]


def load(path: Path, limits: Limits = DEFAULT_LIMITS) -> Description:
    """Read a description, given as a file or its folder.

    Raises:
        AnnotationError: it is none, or has invalid content.
    """
    file = _file(path)
    content = None if file is None else load_yaml(file, limits)
    if file is None or not isinstance(content, dict) or not isinstance(content.get("format"), str):
        raise AnnotationError("not a description of a dataset", file=path, hint=LOOKED_FOR)
    for key, (right, form) in _FORMS.items():
        if key in content and not right(content[key]):
            raise AnnotationError(f"expected {form}, got {content[key]!r}", file=file, where=key)
    unknown = [str(key) for key in content if key not in _FORMS]
    if unknown:
        hint = "there are " + ", ".join(_FORMS)
        raise AnnotationError(f"unknown key {unknown[0]!r}", file=file, hint=hint)
    splits = content.get("splits", {})
    parts = {name: [known] if isinstance(known, str) else known for name, known in splits.items()}
    root = file.parent / content.get("root", ".")
    description = Description(file=file, **(content | {"root": root, "splits": parts}))
    for key in ("images", "maps", "ignore"):
        allowed = ("label_maps",) if key == "ignore" else _placed()
        if key in content and description.format not in allowed:
            raise description.fault(key, f"is for the format {' or '.join(allowed)}")
    return description


def apply(description: Description, annotations: Annotations) -> Annotations:
    """The dataset as the description wants it.

    Raises:
        AnnotationError: classes or images that the dataset does not have.
    """
    if description.classes is not None:
        annotations = _with_classes(description, annotations)
    if description.ignore:
        annotations = _without(description, annotations)
    if description.splits:
        splits = divide(annotations, description.splits, description.fault)
        annotations = replace(annotations, splits=in_order(splits))
    return annotations


def _file(path: Path) -> Path | None:
    if path.is_file():
        return path if has_format(path) else None
    if not path.is_dir():
        return None
    names = Finder(path).files("", (ENDING,), deep=False)
    return path / names[0] if len(names) == 1 and has_format(path / names[0]) else None


def _numbered(description: Description, first: int) -> dict[int, str] | None:
    """Number -> name, where `classes` has these; numbers that are ignored get a name too."""
    if isinstance(description.classes, list):
        names = dict(enumerate(description.classes, start=first))
    elif description.classes and all(isinstance(key, int) for key in description.classes):
        names = {int(key): name for key, name in description.classes.items()}
    else:
        return None
    if not all(0 <= number <= 255 for number in names):
        raise description.fault("classes", "numbers of classes are 0 to 255")
    extra = {n: f"class {n}" for n in description.ignore if isinstance(n, int) and n not in names}
    return names | extra


def _with_classes(description: Description, annotations: Annotations) -> Annotations:
    """Classes renamed or in another order."""
    known = annotations.classes
    if description.format in _placed() and _numbered(description, 0) is not None:
        return annotations  # the reader has named them
    if isinstance(description.classes, dict):
        unknown = [str(key) for key in description.classes if key not in known]
        if unknown:
            raise description.fault("classes", f"there is no class {unknown[0]!r}", _some(known))
        names = [description.classes.get(name, name) for name in known]
        places = np.arange(len(known))
    else:
        names = list(description.classes or ())
        places = _order(description, known, names)
    if len(set(names)) < len(names):
        raise description.fault("classes", "two classes have one name")
    return relabel(annotations, names, places)


def _order(description: Description, known: tuple[str, ...], names: list[str]) -> np.ndarray:
    """(C,) int64, the place of each of the dataset's classes in the list of the description."""
    if set(names) == set(known):
        return np.array([names.index(name) for name in known], dtype=np.int64)
    if len(names) == len(known) and all(_NUMBERED.fullmatch(name) for name in known):
        return np.arange(len(known))
    why = f"{len(names)} names, but the dataset has {len(known)} classes of its own"
    raise description.fault("classes", why, _some(known))


def _without(description: Description, annotations: Annotations) -> Annotations:
    numbers = dict(zip(annotations.class_ids, annotations.classes, strict=True))
    ignored = set()
    for key in description.ignore:
        name = key if isinstance(key, str) else numbers.get(key)
        if name not in annotations.classes:
            raise description.fault(
                "ignore", f"there is no class {key!r}", _some(annotations.classes)
            )
        ignored.add(name)
    kept = [label for label, name in enumerate(annotations.classes) if name not in ignored]
    return keep_classes(annotations, kept)


def _some(names: tuple[str, ...]) -> str:
    return "it has " + ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)


def _is_classes(value: Any) -> bool:
    if not isinstance(value, dict):
        return _is_names(value)
    kinds = {type(key) for key in value}
    return _is_names(list(value.values())) and kinds in ({int}, {str})


def _is_splits(value: Any) -> bool:
    if not isinstance(value, dict) or not value:
        return False
    parts = (isinstance(known, str) or _is_names(known) for known in value.values())
    return all(isinstance(name, str) for name in value) and all(parts)


def _is_ignore(value: Any) -> bool:
    return isinstance(value, list) and all(type(v) in (int, str) for v in value)


_TEXT = (lambda value: isinstance(value, str), "a text")
_FORMS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "format": _TEXT,
    "root": _TEXT,
    "images": _TEXT,
    "maps": _TEXT,
    "classes": (_is_classes, "names, or {number: name} or {old name: new name}, in quotes"),
    "ignore": (_is_ignore, "a list of names or numbers of classes"),
    "splits": (_is_splits, "{split: names of images, in quotes}"),
}
"""Key -> the pattern of its values, and a description for messages."""


FORMAT = Format(
    "described",
    LOOKED_FOR,
    recognize,
    read,
    tasks=TASKS,
    read_keypoints=partial(read, task="keypoint_detection"),
    rank=0,
)
