"""Images and their class maps, found by their names, divided into splits."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tapetum.base.errors import AnnotationError
from tapetum.base.files import read_text
from tapetum.base.limits import Limits
from tapetum.data.formats.finder import Finder
from tapetum.data.images.reader import SUFFIXES
from tapetum.data.records.findings import FindingCollector
from tapetum.data.splits.assign import ALL, split_name

IMAGES = ("images", "image", "JPEGImages", "imgs", "img")
MAPS = ("labels", "label", "masks", "mask", "annotations", "SegmentationClass")
_MAPS = (".png", ".tif", ".tiff", ".bmp", ".gif")
_LISTS = ("ImageSets/Segmentation", "")


class Pair(NamedTuple):
    """An image and its map, named relative to the root. name: the image's own, for messages."""

    name: str
    image: str
    map: str


def is_there(finder: Finder, maps: Sequence[str] = MAPS) -> bool:
    """Is there an image with a map of its name?"""
    places = _places(finder, IMAGES, maps)
    return any(
        _stems(finder, a, SUFFIXES).keys() & _stems(finder, b, _MAPS).keys() for a, b in places
    )


def find_pairs(
    finder: Finder,
    images: str | Sequence[str],
    maps: str | Sequence[str],
    collector: FindingCollector,
    limits: Limits,
) -> dict[str, list[Pair]]:
    """Split (or ALL) -> its pairs in order; what has no partner is a finding.

    images, maps: the folders, or names by which they may be called.

    Raises:
        AnnotationError: more images than the limit.
    """
    images = [images] if isinstance(images, str) else images
    maps = [maps] if isinstance(maps, str) else maps
    pairs: list[Pair] = []
    seen: set[str] = set()
    for image_folder, map_folder in _places(finder, images, maps):
        if image_folder not in seen:
            found = _pairs(finder, image_folder, map_folder, collector)
            pairs += found
            seen.update([image_folder] if found else [])
    if len(pairs) > limits.annotations:
        why = f"more than {limits.annotations:,} images"
        raise AnnotationError(why, file=finder.root, hint="raise it with tapetum.Limits")
    return _by_lists(finder, pairs, collector, limits) or _by_folders(pairs)


def _places(finder: Finder, images: Sequence[str], maps: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of folders that are there, also inside the folders of splits."""
    bases = ["", *(f"{folder}/" for folder in finder.folders() if split_name(folder))]
    return [
        (f"{base}{image}", f"{base}{map}")
        for base in bases
        for image in images
        for map in maps
        if image != map and finder.is_folder(base + image) and finder.is_folder(base + map)
    ]


def _stems(finder: Finder, folder: str, suffixes: tuple[str, ...]) -> dict[str, str]:
    """Name without suffix -> name, of the files in a folder and below it."""
    return {posixpath.splitext(file)[0]: file for file in finder.files(folder, suffixes)}


def _pairs(
    finder: Finder, image_folder: str, map_folder: str, collector: FindingCollector
) -> list[Pair]:
    images = _stems(finder, image_folder, SUFFIXES)
    maps = _stems(finder, map_folder, _MAPS)
    both = images.keys() & maps.keys()
    if not both:
        return []
    for stem in sorted(images.keys() - both):
        message = f"there is no {map_folder}/{stem}.png"
        collector.note("map-missing", finder.root / image_folder / images[stem], "map", message)
    for stem in sorted(maps.keys() - both):
        place = finder.root / map_folder / maps[stem]
        collector.note("label-without-image", place, "file", "no such image")
    return [
        Pair(
            _known_as(images[stem]), f"{image_folder}/{images[stem]}", f"{map_folder}/{maps[stem]}"
        )
        for stem in sorted(both)
    ]


def _known_as(name: str) -> str:
    """The name without the folders that only say of which split it is."""
    *folders, file = name.split("/")
    while folders and split_name(folders[0]):
        folders = folders[1:]
    return "/".join([*folders, file])


def _by_folders(pairs: list[Pair]) -> dict[str, list[Pair]]:
    """By the folder of a split in the image's name, where all have one."""
    names = [next(filter(None, map(split_name, Path(p.image).parent.parts)), None) for p in pairs]
    splits: dict[str, list[Pair]] = {}
    for pair, name in zip(pairs, names, strict=True):
        splits.setdefault(name or ALL, []).append(pair)
    return {ALL: pairs} if ALL in splits else splits


def _by_lists(
    finder: Finder, pairs: list[Pair], collector: FindingCollector, limits: Limits
) -> dict[str, list[Pair]]:
    """By list files of names, with or without suffix or folder, where there are some."""
    known: dict[str, Pair] = {}
    for pair in pairs:
        stem = posixpath.splitext(pair.name)[0]
        for name in (posixpath.basename(stem), stem, pair.name, pair.image):
            known.setdefault(name, pair)
    folder = next((f for f in _LISTS if _lists(finder, f)), None)
    splits: dict[str, list[Pair]] = {}
    for split, path in [] if folder is None else _lists(finder, folder):
        members = splits.setdefault(split, [])
        for number, line in enumerate(read_text(path, limits).splitlines(), start=1):
            name = line.strip()
            name = name if name in known or not name else name.split()[0].removeprefix("/")
            if name in known:
                members.append(known[name])
            elif name:
                message = f"there is no image {name} with a map"
                collector.note("split-missing-file", path, f"line {number}", message)
    return {split: members for split, members in splits.items() if members}


def _lists(finder: Finder, folder: str) -> list[tuple[str, Path]]:
    """(split, list file), of files that are named as the split and no more; val.txt and valid.txt
    are lists of one split."""
    lists = []
    for name in finder.files(folder, (".txt",), deep=False):
        split = split_name(name)
        if split and name.removesuffix(".txt").isalpha():
            lists.append((split, finder.root / folder / name))
    return lists
