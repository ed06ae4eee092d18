"""A small dataset with planted faults, and what the check makes of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tapetum.base.files import write_json
from tapetum.data.coco import coco_dict
from tapetum.data.picture import Finding, Picture
from tapetum.data.scenes import Scenes
from tapetum.render import to_image

LENGTHS = {"train": 16, "val": 6}
"""Scenes of each split; two copies of pictures come to them."""
_UNKNOWN = 99

Content = dict[str, Any]


@dataclass(frozen=True)
class Planted:
    """A fault that was put in. words: what it is. picture: the file name of the picture with it.
    code: by which the check names it; "" where no look at the files can find it. thing: the id of
    the annotation that is wrong, where one is."""

    words: str
    picture: str
    code: str
    thing: int | None = None

    def is_found_by(self, finding: Finding) -> bool:
        """Is this the fault that a finding is about?"""
        if finding.code != self.code:
            return False
        if self.thing is not None and finding.where == f"annotation {self.thing}":
            return True
        return self.picture in f"{finding.file} {finding.message}"


def plant_faults(folder: Path) -> list[Planted]:
    """Write scenes as COCO into the new `folder`, with ten faults; returns what was planted."""
    contents = {split: _write_scenes(folder, split) for split in LENGTHS}
    train, val = contents["train"], contents["val"]
    planted = [
        *(_spoil(train, number, spoil) for number, spoil in enumerate(_ENTRIES)),
        _twice(train, 8),
        _copied(folder, train, "train", 9, "train", "picture-duplicate"),
        _copied(folder, val, "train", 10, "val", "split-leak"),
        _lost(folder, 11),
        _cut_short(folder, 12),
        _misnamed(train, 13),
    ]
    for split, content in contents.items():
        write_json(folder / "annotations" / f"instances_{split}.json", content, indent=None)
    return planted


def told(planted: Sequence[Planted], findings: Sequence[Finding]) -> list[str]:
    """A line for each planted fault, and one for all else that was found."""
    lines = []
    for fault in planted:
        if any(fault.is_found_by(finding) for finding in findings):
            lines.append(f"  found      {fault.words}: {fault.code}, {fault.picture}")
        else:
            lines.append(f"  not found  {fault.words}: {fault.picture}")
    others = sum(not any(p.is_found_by(finding) for p in planted) for finding in findings)
    return [*lines, f"  and {others} that nobody planted"] if others else lines


def _write_scenes(folder: Path, split: str) -> Content:
    """The pictures of a split as JPEG; their truth as COCO has it."""
    scenes = Scenes(split, length=LENGTHS[split])
    (folder / split).mkdir(parents=True)
    pictures: list[Picture] = []
    for index in range(len(scenes)):
        picture = scenes.picture(index)
        pictures.append(replace(picture, name=f"{picture.name}.jpg"))
        to_image(scenes[index].image).save(folder / split / pictures[-1].name, quality=92)
    content = coco_dict(pictures, scenes.classes)
    for thing in content["annotations"]:
        # Scenes know what is hidden and count only what can be seen; a box alone cannot say that.
        thing["area"] = thing["bbox"][2] * thing["bbox"][3]
    return content


def _outside(entry: Content, thing: Content) -> tuple[str, str]:
    thing["bbox"][0] = entry["width"] + 20
    return "a box beside its picture", "box-outside"


def _no_width(entry: Content, thing: Content) -> tuple[str, str]:
    thing["bbox"][2] = 0
    return "a box without width", "box-zero-size"


def _swapped(entry: Content, thing: Content) -> tuple[str, str]:
    entry["width"], entry["height"] = entry["height"], entry["width"]
    return "width and height swapped", "size-mismatch"


def _unlisted(entry: Content, thing: Content) -> tuple[str, str]:
    thing["category_id"] = _UNKNOWN
    return f"a thing of class {_UNKNOWN}, which is not in the list", "class-unknown"


_ENTRIES: tuple[Callable[[Content, Content], tuple[str, str]], ...] = (
    _outside,
    _no_width,
    _swapped,
    _unlisted,
)
"""Faults in entries: each changes that of a picture or of its first thing, and returns its words
and the code by which the check names it."""


def _spoil(
    content: Content, number: int, spoil: Callable[[Content, Content], tuple[str, str]]
) -> Planted:
    entry, thing = content["images"][number], _first_thing(content, number)
    words, code = spoil(entry, thing)
    return Planted(words, entry["file_name"], code, thing["id"])


def _twice(content: Content, number: int) -> Planted:
    copy = _add_thing(content, _first_thing(content, number))
    name = content["images"][number]["file_name"]
    return Planted("a thing labelled twice", name, "box-duplicate", copy)


def _copied(
    folder: Path, content: Content, source: str, number: int, split: str, code: str
) -> Planted:
    """A picture again, under another name, in the same split or in another one."""
    name, copy = f"{source}-{number:05d}.jpg", f"copy-{number:05d}.jpg"
    shutil.copyfile(folder / source / name, folder / split / copy)
    entry = dict(content["images"][0], id=1 + max(image["id"] for image in content["images"]))
    content["images"].append(entry | {"file_name": copy})
    _add_thing(content, content["annotations"][-1] | {"image_id": entry["id"]})
    words = "the same picture twice" if split == source else f"a {source} picture in {split}, too"
    return Planted(words, copy, code)


def _lost(folder: Path, number: int) -> Planted:
    name = f"train-{number:05d}.jpg"
    (folder / "train" / name).unlink()
    return Planted("a picture that is not there", name, "picture-missing")


def _cut_short(folder: Path, number: int) -> Planted:
    path = folder / "train" / f"train-{number:05d}.jpg"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return Planted("a JPEG cut off in the middle", path.name, "picture-unreadable")


def _misnamed(content: Content, number: int) -> Planted:
    """A wrong class, which is a fault of what was meant, not of how it is written."""
    names = {category["id"]: category["name"] for category in content["categories"]}
    thing = _first_thing(content, number)
    true = thing["category_id"]
    thing["category_id"] = next(known for known in names if known != true)
    words = f"a {names[true]} labelled {names[thing['category_id']]}"
    return Planted(words, content["images"][number]["file_name"], "")


def _first_thing(content: Content, number: int) -> dict[str, Any]:
    """The first annotation of picture `number`."""
    wanted = content["images"][number]["id"]
    return next(thing for thing in content["annotations"] if thing["image_id"] == wanted)


def _add_thing(content: Content, thing: dict[str, Any]) -> int:
    """Add a copy of an annotation under a new id, which is returned."""
    number = 1 + max(other["id"] for other in content["annotations"])
    content["annotations"].append({**thing, "id": number})
    return number
