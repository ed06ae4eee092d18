"""One COCO file of objects, entry by entry: what can be used, and findings for the rest.

The form is that of https://cocodataset.org/#format-data (Lin et al., 2014). Every value may be of
any JSON type: nothing is used before it is validated, and one bad entry never stops the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tapetum.base.errors import AnnotationError, FileAccessError
from tapetum.base.files import read_json
from tapetum.base.limits import Limits
from tapetum.data.formats.coco.file import CocoFile, Identifier, identifier
from tapetum.data.formats.coco.keypoints import read_scheme
from tapetum.data.formats.coco.objects import read_objects
from tapetum.data.records.findings import FindingCollector
from tapetum.data.records.table import Head, Table

Find = Callable[[str], Path | None]
"""file_name -> the image file; raises FileAccessError for names that lead out of the dataset, and
AnnotationError for those that could mean several images."""


def read_entries(path: Path, find: Find, collector: FindingCollector, limits: Limits) -> CocoFile:
    """Read one file.

    Raises:
        AnnotationError: not JSON, or not COCO's three lists, or too many annotations.
    """
    content = read_json(path, limits)
    lists = {key: _list_of(content, key, path) for key in ("images", "annotations", "categories")}
    if len(lists["annotations"]) > limits.annotations:
        why = f"{len(lists['annotations']):,} annotations, over the limit of {limits.annotations:,}"
        raise AnnotationError(why, file=path, hint="raise it with tapetum.Limits")
    file = CocoFile(path, collector, Table(limits.annotations))
    labels = _read_classes(file, lists["categories"])
    images = _read_images(file, lists["images"], find)
    read_objects(file, lists["annotations"], images, labels)
    return file


def _list_of(content: Any, key: str, path: Path) -> list[Any]:
    if not isinstance(content, dict):
        raise AnnotationError("not COCO: the file does not hold an object {...}", file=path)
    if not isinstance(content.get(key), list):
        problem = "is not a list" if key in content else "is missing"
        hint = "detection ground truth has images, annotations and categories"
        raise AnnotationError(
            f"not COCO detection ground truth: {key!r} {problem}", file=path, hint=hint
        )
    return content[key]


def _read_classes(file: CocoFile, entries: list[Any]) -> dict[Identifier, int]:
    """The file's class id -> place in `file.classes`."""
    labels: dict[Identifier, int] = {}
    for position, entry in enumerate(entries):
        id = identifier(entry.get("id")) if isinstance(entry, dict) else None
        name = entry.get("name") if isinstance(entry, dict) else None
        if id is None or not isinstance(name, str) or not name.strip():
            where = f"categories[{position}]"
            file.note("class-malformed", where, "a class needs an id and a name")
        elif id in labels:
            first = file.classes[labels[id]][1]
            message = f"{name!r} has the id of {first!r}"
            file.note("id-duplicate-class", f"category {id}", message)
        else:
            if name in (known for _, known in file.classes):
                message = f"another class is called {name!r} too; they count as one"
                file.note("class-name-variant", f"category {id}", message)
            labels[id] = len(file.classes)
            file.classes.append((id, name))
            group = entry.get("supercategory")
            file.groups.append(group if isinstance(group, str) else "")
            _read_scheme(file, entry, id)
    _note_gaps(file)
    return labels


def _read_scheme(file: CocoFile, entry: dict[str, Any], id: Identifier) -> None:
    """The keypoints of the class read last; those of the first class that has some count."""
    scheme, faults = read_scheme(entry)
    for fault in faults:
        file.note("class-malformed", f"category {id}", fault)
    if not scheme.names:
        return
    if file.posed and scheme != file.scheme:
        first = file.classes[file.posed[0]][1]
        message = f"its keypoints are not those of {first!r}, and are not read"
        file.note("keypoint-lists-differ", f"category {id}", message)
        return
    file.scheme = scheme
    file.table.keypoints = len(scheme.names)
    file.posed.append(len(file.classes) - 1)


def _note_gaps(file: CocoFile) -> None:
    ids = [id for id, _ in file.classes if isinstance(id, int)]
    if ids and max(ids) - min(ids) + 1 != len(ids):
        message = f"{len(ids)} classes have ids from {min(ids)} to {max(ids)}"
        file.note("id-gap", "categories", message)


def _read_images(file: CocoFile, entries: list[Any], find: Find) -> dict[Identifier, int]:
    """The file's image id -> number in the table, -1 for one that is listed and unusable."""
    numbers: dict[Identifier, int] = {}
    missing: list[Head] = []
    for position, entry in enumerate(entries):
        head = _image(file, entry, position, find, numbers)
        if head is not None:
            numbers[head.id] = file.table.add_image(head)
            if head.path is None:
                missing.append(head)
    _note_missing(file, missing)
    return numbers


def _image(
    file: CocoFile, entry: Any, position: int, find: Find, known: dict[Identifier, int]
) -> Head | None:
    id = identifier(entry.get("id")) if isinstance(entry, dict) else None
    name = entry.get("file_name") if isinstance(entry, dict) else None
    if id is None or not isinstance(name, str) or not name:
        where = f"images[{position}]" if id is None else f"image {id}"
        file.note("image-malformed", where, "an image needs an id and a file_name")
        return None
    if id in known:
        file.note("id-duplicate-image", f"image {id}", f"{name} has the id of another image")
        return None
    try:
        path = find(name)
    except FileAccessError as error:
        file.note("name-hostile", f"image {id}", f"{name}: {error.why}")
        known[id] = -1
        return None
    except AnnotationError as error:
        file.note("image-ambiguous", f"image {id}", f"{name}: {error.why}")
        known[id] = -1
        return None
    size = _size(entry)
    if size is None:
        file.note("size-missing", f"image {id}", f"no width and height for {name}")
    return Head(name, path, id, size, file.path)


def _size(entry: dict[str, Any]) -> tuple[int, int] | None:
    height, width = identifier(entry.get("height")), identifier(entry.get("width"))
    if isinstance(height, int) and isinstance(width, int) and height > 0 and width > 0:
        return (height, width) if max(height, width) < 2**31 else None
    return None


def _note_missing(file: CocoFile, missing: list[Head]) -> None:
    """One finding an image, or one for all of them where not a single one is there."""
    if missing and len(missing) == len(file.table.heads) > 1:
        message = f"none of the {len(missing)} images was found, as {missing[0].name}"
        file.note("image-missing", "images", message)
        return
    for head in missing:
        file.note("image-missing", f"image {head.id}", f"{head.name} was not found")
