"""Splits by the names of images: single ones, patterns, ranges, and the rest."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence

from tapetum.data.records.image_record import Annotations, ImageRecord

REST = "rest"
MakeError = Callable[[str, str], Exception]
_RANGE = re.compile(r"(?P<prefix>.*?)(?P<first>\d+)-(?P<last>\d+)")


def divide(
    annotations: Annotations, wanted: Mapping[str, Sequence[str]], make_error: MakeError
) -> dict[str, list[ImageRecord]]:
    """The images of each split, chosen by name.

    Args:
        annotations: the dataset.
        wanted: split -> names, patterns with * and ?, ranges such as "020-024", each also behind a
            split of the dataset, as in "train/*"; or "rest".
        make_error: makes the error for (key, why): a name that no image has, an image in two
            splits.

    Returns:
        Split -> its images.
    """
    images = annotations.all_images()
    index = _index(annotations, images)
    chosen_by: dict[int, str] = {}
    for split, patterns in wanted.items():
        for pattern in patterns if list(patterns) != [REST] else ():
            places = {place for name in _named(pattern, index) for place in index[name]}
            if not places:
                raise make_error(f"splits {split}", f"no image is named {pattern!r}")
            for place in sorted(places):
                other = chosen_by.setdefault(place, split)
                if other != split:
                    name = images[place].name
                    raise make_error("splits", f"{name} is in {other} and in {split}")
    rest = [split for split, patterns in wanted.items() if list(patterns) == [REST]]
    if len(rest) > 1:
        raise make_error("splits", f"both {rest[0]} and {rest[1]} are 'rest'")
    splits: dict[str, list[ImageRecord]] = {split: [] for split in wanted}
    for place, image in enumerate(images):
        if chosen := chosen_by.get(place, rest[0] if rest else None):
            splits[chosen].append(image)
    return splits


def _index(annotations: Annotations, images: Sequence[ImageRecord]) -> dict[str, list[int]]:
    """Everything that an image may be called -> the places of those that are."""
    places = {(p.path or p.name, p.id): place for place, p in enumerate(images)}
    index: dict[str, list[int]] = {}
    for split, members in annotations.splits.items():
        for image in members:
            place = places[image.path or image.name, image.id]
            stem = posixpath.splitext(image.name)[0]
            for name in {image.name, stem, posixpath.basename(stem)}:
                index.setdefault(name, []).append(place)
                index.setdefault(f"{split}/{name}", []).append(place)
    return index


def _named(pattern: str, index: Mapping[str, list[int]]) -> list[str]:
    """The names that a pattern means; if it is a name itself, that alone."""
    if pattern in index:
        return [pattern]
    span = _RANGE.fullmatch(pattern)
    if span is None or len(span["first"]) != len(span["last"]):
        return fnmatch.filter(index, pattern)
    prefix, width = span["prefix"], len(span["first"])
    first, last = int(span["first"]), int(span["last"])
    if last - first < len(index):
        names = (f"{prefix}{number:0{width}d}" for number in range(first, last + 1))
        return [name for name in names if name in index]
    numbered = re.compile(rf"{re.escape(prefix)}\d{{{width}}}")
    within = (n for n in index if numbered.fullmatch(n))
    return [name for name in within if first <= int(name.removeprefix(prefix)) <= last]
