"""The objects of a COCO file, entry by entry."""

from __future__ import annotations

import math
from typing import Any

from tapetum.data.formats.coco.file import CocoFile, CocoObject, Identifier, identifier
from tapetum.data.formats.coco.keypoints import Posed, parse_keypoints
from tapetum.data.records.segments import parse_segment


def read_objects(
    file: CocoFile,
    entries: list[Any],
    images: dict[Identifier, int],
    labels: dict[Identifier, int],
) -> None:
    """Add all objects to the file's table. images: their numbers in the table by id, -1 for those
    that are left out. labels: places in the file's classes by id."""
    seen: set[Identifier] = set()
    unnamed = no_log = marked = 0
    for position, entry in enumerate(entries):
        if not isinstance(entry, dict):
            file.note("annotation-malformed", f"annotations[{position}]", "not an object {...}")
            continue
        id = identifier(entry.get("id"))
        unnamed += id is None
        where = f"annotations[{position}]" if id is None else f"annotation {id}"
        if id in seen:
            file.note("id-duplicate-annotation", where, "another object has this id")
        elif id is not None:
            seen.add(id)
        no_log += "area" not in entry
        if _marked_by_cvat(entry):
            marked += 1
            entry = {**entry, "iscrowd": 0}
        _read_object(file, entry, f"#{position}" if id is None else id, where, images, labels)
    if marked:
        message = f"{marked:,} masks are marked iscrowd, as CVAT marks every mask"
        file.note("crowd-by-tool", "annotations", message)
    if unnamed:
        file.note("id-missing", "annotations", f"{unnamed:,} annotations have no id")
    if no_log:
        file.note("area-missing", "annotations", f"{no_log:,} annotations state no area")


def _marked_by_cvat(entry: dict[str, Any]) -> bool:
    """Is it a mask of an ordinary object? CVAT writes brushed masks as run lengths, and all of
    those as crowds; its entries are known by the attribute `occluded`."""
    attributes = entry.get("attributes")
    by_cvat = isinstance(attributes, dict) and "occluded" in attributes
    return by_cvat and entry.get("iscrowd") == 1 and isinstance(entry.get("segmentation"), dict)


def _read_object(
    file: CocoFile,
    entry: dict[str, Any],
    id: Identifier,
    where: str,
    images: dict[Identifier, int],
    labels: dict[Identifier, int],
) -> None:
    """Add one object to the table, unless something makes that impossible."""
    image = _known(file, entry, "image_id", images, "image-unknown", where)
    xywh = _box(entry.get("bbox"))
    place = None if image is None or image < 0 else (image, xywh or ())
    label = _known(file, entry, "category_id", labels, "class-unknown", where, place)
    if image is None or place is None or label is None:
        return  # what lies on an image that is left out is left out without a finding
    if xywh is None:
        file.note("box-malformed", where, "bbox is not [left, top, width, height]", place)
        return
    crowd = entry.get("iscrowd", 0)
    difficult = entry.get("difficult", 0)
    if crowd not in (0, 1) or difficult not in (0, 1):
        file.note("annotation-malformed", where, "iscrowd and difficult must be 0 or 1", place)
        return
    segment, faults = parse_segment(entry.get("segmentation"), file.table.heads[image].size)
    posed = Posed(None)
    if label in file.posed and "keypoints" in entry:
        posed = parse_keypoints(entry, file.table.keypoints, file.table.heads[image].size)
    for code, message in (*faults, *posed.faults):
        file.note(code, where, message, place)
    area = _area(file, entry, where, place)
    file.table.add(
        image,
        xywh,
        label,
        id,
        crowd=bool(crowd),
        difficult=bool(difficult),
        area=area,
        segment=segment,
        keypoints=posed.points,
        outlined=bool(entry.get("segmentation")) or "keypoints" in entry,
    )


def _known(
    file: CocoFile,
    entry: dict[str, Any],
    key: str,
    numbers: dict[Identifier, int],
    code: str,
    where: str,
    obj: CocoObject | None = None,
) -> int | None:
    id = identifier(entry.get(key))
    if id is None:
        file.note("annotation-malformed", where, f"{key} is missing or not an id", obj)
        return None
    if id not in numbers:
        file.note(code, where, f"{key} {id} is not in the file's list", obj)
        return None
    return numbers[id]


def _box(value: Any) -> tuple[float, ...] | None:
    if not isinstance(value, list) or len(value) != 4:
        return None
    if not all(type(number) in (int, float) for number in value):
        return None
    try:
        return tuple(float(number) for number in value)
    except OverflowError:
        return None


def _area(file: CocoFile, entry: dict[str, Any], where: str, obj: CocoObject) -> float:
    value = entry.get("area", math.nan)
    if type(value) in (int, float) and abs(value) < 1e300:
        return float(value)
    if "area" in entry:
        file.note("area-mismatch", where, "area is not a number; width x height is taken", obj)
    return math.nan
