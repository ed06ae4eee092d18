"""A small dataset with planted faults, and which of them `tapetum check` finds."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tapetum.base.files import write_json
from tapetum.data.formats.coco import coco_dict
from tapetum.data.records.image_record import Finding, ImageRecord
from tapetum.data.scenes import Scenes
from tapetum.render import to_image

LENGTHS = {"train": 16, "val": 6}
"""Scenes of each split; two copies of images are added."""
_UNKNOWN = 99

Content = dict[str, Any]


@dataclass(frozen=True)
class Planted:
    """A planted fault.

    description: what it is. image: the file name of its image. code: its name in the findings of
    the check; "" where files alone do not show it. obj: the id of the wrong annotation, if any.
    """

    description: str
    image: str
    code: str
    obj: int | None = None

    def is_found_by(self, finding: Finding) -> bool:
        """Is this the fault that a finding is about?"""
        if finding.code != self.code:
            return False
        if self.obj is not None and finding.where == f"annotation {self.obj}":
            return True
        return self.image in f"{finding.file} {finding.message}"


def plant_faults(folder: Path) -> list[Planted]:
    """Write scenes as COCO into the new `folder`, with ten faults; returns what was planted."""
    contents = {split: _write_scenes(folder, split) for split in LENGTHS}
    train, val = contents["train"], contents["val"]
    planted = [
        *(_spoil(train, number, spoil) for number, spoil in enumerate(_ENTRIES)),
        _twice(train, 8),
        _copied(folder, train, "train", 9, "train", "image-duplicate"),
        _copied(folder, val, "train", 10, "val", "split-leak"),
        _lost(folder, 11),
        _cut_short(folder, 12),
        _misnamed(train, 13),
    ]
    for split, content in contents.items():
        write_json(folder / "annotations" / f"instances_{split}.json", content, indent=None)
    return planted


def check_lines(planted: Sequence[Planted], findings: Sequence[Finding]) -> list[str]:
    """A line for each planted fault, and one for all else that was found."""
    lines = []
    for fault in planted:
        if any(fault.is_found_by(finding) for finding in findings):
            lines.append(f"  found      {fault.description}: {fault.code}, {fault.image}")
        else:
            lines.append(f"  not found  {fault.description}: {fault.image}")
    others = sum(not any(p.is_found_by(finding) for p in planted) for finding in findings)
    return [*lines, f"  and {others} other findings"] if others else lines


def _write_scenes(folder: Path, split: str) -> Content:
    """The images of a split as JPEG; their ground truth as COCO has it."""
    scenes = Scenes(split, length=LENGTHS[split])
    (folder / split).mkdir(parents=True)
    images: list[ImageRecord] = []
    for index in range(len(scenes)):
        image = scenes.record(index)
        images.append(replace(image, name=f"{image.name}.jpg"))
        to_image(scenes[index].image).save(folder / split / images[-1].name, quality=92)
    content = coco_dict(images, scenes.classes)
    for obj in content["annotations"]:
        # Scenes know what is hidden and count only what can be seen; a box alone cannot say that.
        obj["area"] = obj["bbox"][2] * obj["bbox"][3]
    return content


def _outside(entry: Content, obj: Content) -> tuple[str, str]:
    obj["bbox"][0] = entry["width"] + 20
    return "a box beside its image", "box-outside"


def _no_width(entry: Content, obj: Content) -> tuple[str, str]:
    obj["bbox"][2] = 0
    return "a box without width", "box-zero-size"


def _swapped(entry: Content, obj: Content) -> tuple[str, str]:
    entry["width"], entry["height"] = entry["height"], entry["width"]
    return "width and height swapped", "size-mismatch"


def _unlisted(entry: Content, obj: Content) -> tuple[str, str]:
    obj["category_id"] = _UNKNOWN
    return f"an object of class {_UNKNOWN}, which is not in the list", "class-unknown"


_ENTRIES: tuple[Callable[[Content, Content], tuple[str, str]], ...] = (
    _outside,
    _no_width,
    _swapped,
    _unlisted,
)
"""Faults in entries: each changes that of an image or of its first object, and returns its words
and the code by which the check names it."""


def _spoil(
    content: Content, number: int, spoil: Callable[[Content, Content], tuple[str, str]]
) -> Planted:
    entry, obj = content["images"][number], _first_object(content, number)
    description, code = spoil(entry, obj)
    return Planted(description, entry["file_name"], code, obj["id"])


def _twice(content: Content, number: int) -> Planted:
    copy = _add_object(content, _first_object(content, number))
    name = content["images"][number]["file_name"]
    return Planted("an object labeled twice", name, "box-duplicate", copy)


def _copied(
    folder: Path, content: Content, source: str, number: int, split: str, code: str
) -> Planted:
    """An image again, under another name, in the same split or in another one."""
    name, copy = f"{source}-{number:05d}.jpg", f"copy-{number:05d}.jpg"
    shutil.copyfile(folder / source / name, folder / split / copy)
    entry = dict(content["images"][0], id=1 + max(image["id"] for image in content["images"]))
    content["images"].append(entry | {"file_name": copy})
    _add_object(content, content["annotations"][-1] | {"image_id": entry["id"]})
    description = "the same image twice" if split == source else f"a {source} image in {split}, too"
    return Planted(description, copy, code)


def _lost(folder: Path, number: int) -> Planted:
    name = f"train-{number:05d}.jpg"
    (folder / "train" / name).unlink()
    return Planted("an image that is not there", name, "image-missing")


def _cut_short(folder: Path, number: int) -> Planted:
    path = folder / "train" / f"train-{number:05d}.jpg"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return Planted("a JPEG cut off in the middle", path.name, "image-unreadable")


def _misnamed(content: Content, number: int) -> Planted:
    """A wrong class, which no check of files can find."""
    names = {category["id"]: category["name"] for category in content["categories"]}
    obj = _first_object(content, number)
    true = obj["category_id"]
    obj["category_id"] = next(known for known in names if known != true)
    description = f"a {names[true]} labeled {names[obj['category_id']]}"
    return Planted(description, content["images"][number]["file_name"], "")


def _first_object(content: Content, number: int) -> dict[str, Any]:
    """The first annotation of image `number`."""
    wanted = content["images"][number]["id"]
    return next(obj for obj in content["annotations"] if obj["image_id"] == wanted)


def _add_object(content: Content, obj: dict[str, Any]) -> int:
    """Add a copy of an annotation under a new id, which is returned."""
    number = 1 + max(other["id"] for other in content["annotations"])
    content["annotations"].append({**obj, "id": number})
    return number
