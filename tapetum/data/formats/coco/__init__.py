"""COCO JSON: found, read, and written back exactly.

In a folder, files of objects are searched as `annotations/instances_*.json`; else as other COCO
files in `annotations/` or the folder itself (captions, keypoints, panoptic and stuff files are
not detection); else as one file in each folder of a split, as in `train/_annotations.coco.json`;
else as `annotations/person_keypoints_*.json`. Where keypoints are needed, the latter come first.
Each file is a split, named by the word train, val or test in its own or its folder's name.

The images of a file are looked for in this order: the folder called as the end of the file's
name (`train2017/` for `instances_train2017.json`), the same in `images/`, the folder of the split
(`train/`, `images/train/`), also where it is spelt otherwise (`valid/` or `Validation/` for val),
`images/`, the folder of the file, the dataset's folder, and then all other folders directly in the
dataset's and in `images/`, but for those of other splits. Where several of these last have
different images of one name, none is taken.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from tapetum.base.errors import AnnotationError
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.formats.coco.entries import read_entries
from tapetum.data.formats.coco.file import CocoFile, Identifier
from tapetum.data.formats.coco.keypoints import NO_KEYPOINTS, Scheme
from tapetum.data.formats.coco.places import KINDS, Places
from tapetum.data.formats.coco.write import category_ids, coco_dict, image_ids, write
from tapetum.data.formats.finder import Finder
from tapetum.data.formats.format import Format
from tapetum.data.formats.json_keys import has_some
from tapetum.data.records.findings import FindingCollector
from tapetum.data.records.image_record import Annotations
from tapetum.data.splits.assign import ALL, in_order, split_name
from tapetum.structures.tasks import TASKS

__all__ = [
    "category_ids",
    "coco_dict",
    "image_ids",
    "read",
    "read_keypoints",
    "recognize",
    "write",
]

LOOKED_FOR = "annotations/instances_*.json or another COCO .json"
_KEYPOINTS = "person_keypoints_"
_OTHERS = ("captions_", _KEYPOINTS, "panoptic_", "stuff_", "image_info_")
_JSON = (".json",)
_MARKS = (b'"images"', b'"annotations"', b'"categories"')


def recognize(path: Path) -> bool:
    """Is this a COCO file, or a folder with some?

    Args:
        path: a file or folder.

    Returns:
        Whether it is a .json file, or a folder with COCO's annotation files.
    """
    if path.is_file():
        return path.suffix.lower() == ".json"
    return bool(_files(path))


def read(path: Path, limits: Limits = DEFAULT_LIMITS) -> Annotations:
    """Read the objects in a COCO file, or in all COCO files of a folder.

    Args:
        path: a .json file, or a folder with annotations and images.
        limits: what a file may measure; see `tapetum.Limits`.

    Returns:
        The dataset; a bad annotation is a finding and is left out.

    Raises:
        AnnotationError: no COCO file there, or one that cannot be read at all; or files whose
            keypoints differ.
    """
    return _read([path] if path.is_file() else _files(path), path, limits)


def read_keypoints(path: Path, limits: Limits = DEFAULT_LIMITS) -> Annotations:
    """Read as `read` does, but only the files of keypoints where a folder has some.

    Args:
        path: a .json file, or a folder with annotations and images.
        limits: what a file may measure; see `tapetum.Limits`.

    Returns:
        The dataset; a bad annotation is a finding and is left out.

    Raises:
        AnnotationError: as for `read`.
    """
    if path.is_file():
        return _read([path], path, limits)
    return _read(_keypoint_files(Finder(path)) or _files(path), path, limits)


def _read(files: list[Path], path: Path, limits: Limits) -> Annotations:
    if not files:
        raise AnnotationError(
            "no COCO detection ground truth", file=path, hint=f"needs {LOOKED_FOR}"
        )
    root = _root(path)
    collector, finder = FindingCollector(root), Finder(root)
    splits = dict(zip(_split_names(files, root), files, strict=True))
    contents = []
    for split, file in splits.items():
        places = Places(finder, file, split, _word(file, root))
        contents.append(read_entries(file, places.find, collector, limits))
    finder.tell(collector)
    classes = _classes(contents, collector)
    _leave_out_root(classes, contents, collector)
    scheme, posed = _keypoints(contents, classes)
    images = {
        split: content.table.images(collector, _relabel(content, classes))
        for split, content in zip(splits, contents, strict=True)
    }
    return Annotations(
        format="coco",
        root=root,
        classes=tuple(classes),
        class_ids=tuple(classes.values()),
        splits=in_order(images),
        findings=tuple(collector.findings),
        keypoint_names=scheme.names,
        skeleton=scheme.skeleton,
        keypoint_labels=posed,
    )


def _root(path: Path) -> Path:
    if path.is_dir():
        return path
    return path.parent.parent if path.parent.name == "annotations" else path.parent


def _files(folder: Path) -> list[Path]:
    """The folder's files of objects, by the rules in this module's docstring."""
    finder = Finder(folder)
    below = [file for file in _json(finder, "annotations") if _is_ground_truth(file)]
    instances = [file for file in below if file.name.startswith("instances_")]
    found = instances or below or [file for file in _json(finder, "") if _is_ground_truth(file)]
    if not found:
        for part in filter(split_name, finder.folders()):
            found += [file for file in _json(finder, part) if _is_ground_truth(file)]
    return found or _keypoint_files(finder)


def _keypoint_files(finder: Finder) -> list[Path]:
    return [file for file in _json(finder, "annotations") if file.name.startswith(_KEYPOINTS)]


def _json(finder: Finder, folder: str) -> list[Path]:
    """The JSON files directly in a folder."""
    return [finder.root / folder / name for name in finder.files(folder, _JSON, deep=False)]


def _is_ground_truth(file: Path) -> bool:
    """Is it a COCO file, to judge by its name and its keys, wherever they stand?"""
    if file.name.startswith(_OTHERS):
        return False
    # Label Studio's notes.json lists categories, and nothing else that COCO has.
    return file.name.startswith("instances_") or has_some(file, _MARKS, minimum=2)


def _split_names(files: list[Path], root: Path) -> list[str]:
    """A name for each file's split; the file's own stem where the usual word is not unique."""
    usual = [_word(file, root) for file in files]
    if len(files) == 1:
        return [usual[0] or ALL]
    stems = [re.sub(KINDS, "", file.stem) for file in files]
    names = [w if w and usual.count(w) == 1 else s for w, s in zip(usual, stems, strict=True)]
    if len(set(names)) < len(names):
        names = [file.relative_to(root).as_posix() for file in files]
    return names


def _word(file: Path, root: Path) -> str | None:
    """The usual word for the split that the file's own name says, or that of its folder."""
    return split_name(file.stem) or (split_name(file.parent.name) if file.parent != root else None)


def _classes(contents: list[CocoFile], collector: FindingCollector) -> dict[str, Identifier]:
    """Class name -> id over all files: by name, in the order of the ids where those are numbers."""
    classes: dict[str, Identifier] = {}
    for content in contents:
        for id, name in content.classes:
            if classes.setdefault(name, id) != id and content is not contents[0]:
                message = f"{name!r} has id {id} here and {classes[name]} elsewhere"
                collector.note("class-id-differs", content.path, f"category {id}", message)
    if all(isinstance(id, int) for id in classes.values()):
        return dict(sorted(classes.items(), key=lambda item: item[1]))
    return classes


def _leave_out_root(
    classes: dict[str, Identifier], contents: list[CocoFile], collector: FindingCollector
) -> None:
    """Drop a class that all others name as their supercategory, and that no object has: Roboflow
    adds the name of the project as one."""
    groups = {
        name: group
        for content in contents
        for (_, name), group in zip(content.classes, content.groups, strict=True)
    }
    used = {c.classes[place][1] for c in contents for place in c.table.labels_in_use()}
    for root in [name for name in classes if name not in used]:
        if len(groups) > 1 and all(g == root for name, g in groups.items() if name != root):
            message = f"{root!r} has no objects and is the supercategory of all others"
            collector.note("class-root", contents[0].path, f"category {classes.pop(root)}", message)


def _relabel(content: CocoFile, classes: dict[str, Identifier]) -> np.ndarray:
    """(C,) int64: place in the file's own list of classes -> place in the dataset's."""
    places = {name: place for place, name in enumerate(classes)}
    # A class that was left out has no objects: its number does not matter.
    return np.array([places.get(name, 0) for _, name in content.classes], dtype=np.int64)


def _keypoints(
    contents: list[CocoFile], classes: dict[str, Identifier]
) -> tuple[Scheme, tuple[int, ...]]:
    """The keypoints of all files, and the classes that have them."""
    with_some = [content for content in contents if content.posed]
    if not with_some:
        return NO_KEYPOINTS, ()
    first = with_some[0]
    for other in with_some:
        if other.scheme != first.scheme:
            raise AnnotationError(
                f"its keypoints differ from those of {first.path}", file=other.path
            )
    places = {name: place for place, name in enumerate(classes)}
    named = {content.classes[place][1] for content in with_some for place in content.posed}
    return first.scheme, tuple(sorted(places[name] for name in named))


FORMAT = Format(
    "coco",
    LOOKED_FOR,
    recognize,
    read,
    write,
    tasks=TASKS,
    read_keypoints=read_keypoints,
    label_split="default",
)
