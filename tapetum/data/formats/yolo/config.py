"""data.yaml and classes.txt: the configuration of a YOLO dataset."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tapetum.base.errors import AnnotationError
from tapetum.base.files import read_text
from tapetum.base.limits import Limits
from tapetum.data.formats.finder import Finder
from tapetum.data.formats.yaml_file import YAML_BYTES, YAML_SUFFIXES, has_format, load_yaml
from tapetum.data.records.findings import FindingCollector
from tapetum.data.splits.assign import WORDS, split_name

OBJ_DATA, _OBJ_NAMES = "obj.data", "obj.names"
_SPLITS = {key: split for key, split in WORDS.items() if split != "trainval"}


@dataclass
class Config:
    """file: where it stands, if anywhere. names: class number -> name, None where no list is.
    splits: split -> the folders and list files that it names. base: `path` in the file.
    keypoints: do more numbers follow each box?"""

    file: Path | None = None
    names: dict[int, str] | None = None
    splits: dict[str, list[str]] = field(default_factory=dict)
    base: str = ""
    keypoints: bool = False


def find_yaml(finder: Finder) -> Path | None:
    """The dataset's own YAML file: data.yaml, else the first other one that names classes."""
    names = finder.files("", YAML_SUFFIXES, deep=False)
    names.sort(key=lambda name: not name.startswith("data."))
    files = (finder.root / name for name in names)
    return next((file for file in files if _names_classes(file)), None)


def find_config(finder: Finder) -> Path | None:
    """The dataset's YAML file, else its obj.data."""
    return find_yaml(finder) or finder.look(OBJ_DATA, [""])


def read_config(
    file: Path | None, finder: Finder, collector: FindingCollector, limits: Limits
) -> Config:
    """Classes and splits from the YAML file or obj.data, classes else from classes.txt.

    Raises:
        AnnotationError: the file cannot be read.
    """
    if file is None:
        config = Config()
    elif file.name == OBJ_DATA:
        config = _from_obj_data(file, finder, limits)
    else:
        config = _from_yaml(file, collector, limits)
    if config.names is None:
        place = finder.look("classes.txt", ["", "labels", "train/labels", "train"])
        if place is not None:
            names = [line.strip() for line in read_text(place, limits).splitlines()]
            config.names = {number: name for number, name in enumerate(names) if name}
            config.file = config.file or place
    return config


def _names_classes(file: Path) -> bool:
    with file.open("rb") as stream:
        return b"names" in stream.read(YAML_BYTES) and not has_format(file)


def _from_obj_data(file: Path, finder: Finder, limits: Limits) -> Config:
    """CVAT's older form: `key = value` lines that name list files, and obj.names beside it. The
    folder `data/` of the names is where it was meant to be put, not where it is."""
    lines = (line.partition("=") for line in read_text(file, limits).splitlines())
    values = {key.strip().lower(): value.strip() for key, _, value in lines}
    config = Config(file=file)
    for key, value in values.items():
        split = split_name(key)
        if split and value:
            name = posixpath.basename(value.replace("\\", "/"))
            config.splits.setdefault(split, []).append(name)
    place = finder.look(_OBJ_NAMES, [""])
    if place is not None:
        names = [line.strip() for line in read_text(place, limits).splitlines()]
        config.names = {number: name for number, name in enumerate(names) if name}
    return config


def _from_yaml(file: Path, collector: FindingCollector, limits: Limits) -> Config:
    content = load_yaml(file, limits)
    if not isinstance(content, dict):
        raise AnnotationError("a YOLO data file holds `key: value` lines", file=file)
    base = content.get("path")
    config = Config(
        file=file,
        names=_names(content, file, collector),
        base=base if isinstance(base, str) else "",
        keypoints=content.get("kpt_shape") is not None,
    )
    for key, split in _SPLITS.items():
        value = content.get(key)
        places = value if isinstance(value, list) else [value]
        texts = [place for place in places if isinstance(place, str) and place]
        if texts:
            config.splits.setdefault(split, []).extend(texts)
        if len(texts) < len([place for place in places if place]):
            collector.note(
                "annotation-malformed", file, key, "not the name of a folder or list file"
            )
    return config


def _names(
    content: dict[Any, Any], file: Path, collector: FindingCollector
) -> dict[int, str] | None:
    value = content.get("names")
    if isinstance(value, list):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        if value is not None:
            collector.note("class-malformed", file, "names", "neither a list nor a mapping")
        return None
    names: dict[int, str] = {}
    for key, name in value.items():
        number = int(key) if isinstance(key, str) and key.isdecimal() else key
        usable = isinstance(name, str | int | float) and not isinstance(name, bool)
        if type(number) is not int or not usable or not str(name).strip():
            message = f"{name!r} is not a name; words like yes, no and null need quotes"
            collector.note("class-malformed", file, f"names {key}", message)
        else:
            names[number] = str(name)
    stated = content.get("nc")
    if stated is not None and stated != len(value):
        collector.note("class-count", file, "nc", f"nc is {stated}, names lists {len(value)}")
    return names
