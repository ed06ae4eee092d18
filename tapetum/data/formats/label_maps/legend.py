"""Legends: the names of classes in maps, and their colors.

One class a line, in one of these forms, the same on every line:

    road                      a name; the line's place, from 0, is the class's number
    road 128 64 128           a name and its color, also with commas (class_dict.csv, whose
    road,128,64,128           first line may be a heading)
    128 64 128 road           the color first
    road:128,64,128::         CVAT's labelmap.txt

Lines that are empty or begin with # are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tapetum.base.errors import AnnotationError, ImageError
from tapetum.base.files import read_text
from tapetum.base.limits import Limits
from tapetum.data.formats.finder import Finder
from tapetum.data.formats.label_maps.pairs import Pair
from tapetum.data.images.reader import read_levels
from tapetum.data.records.findings import FindingCollector
from tapetum.data.records.label_map import MapCode
from tapetum.structures import IGNORE_INDEX

FILES = ("classes.txt", "class_dict.csv", "labelmap.txt", "label_colors.txt")
_LAST = re.compile(r"(?P<name>.+?)[,\s]+(?P<r>\d+)[,\s]+(?P<g>\d+)[,\s]+(?P<b>\d+)")
_FIRST = re.compile(r"(?P<r>\d+)[,\s]+(?P<g>\d+)[,\s]+(?P<b>\d+)[,\s]+(?P<name>.+)")
_CVAT = re.compile(r"(?P<name>[^:]+):(?P<r>\d+),(?P<g>\d+),(?P<b>\d+):.*")
_HEADING = re.compile(r"\w+\s*,\s*r(ed)?\s*,\s*g(reen)?\s*,\s*b(lue)?", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Legend:
    """names: number in the maps -> class, in the order of the classes. colors: (K, 3) uint8 of
    them, in that order, where maps may be in colors."""

    names: dict[int, str]
    colors: np.ndarray | None = None

    def code(self) -> MapCode:
        """What values and colors mean."""
        code = MapCode.of({value: label for label, value in enumerate(self.names)})
        if self.colors is None:
            return code
        return MapCode(code.values, self.colors, np.arange(len(self.names), dtype=np.int16))


def find_legend(finder: Finder, pair: Pair, limits: Limits) -> Legend | None:
    """The legend in the dataset's folder, or in the folder of its maps.

    Raises:
        AnnotationError: a legend that mixes forms, or has too many classes or one twice.
    """
    folders = ["", pair.map.split("/")[0], str(Path(pair.map).parent)]
    found = (finder.look(name, folders) for name in FILES)
    path = next((path for path in found if path is not None), None)
    return None if path is None else parse_legend(read_text(path, limits), path)


def parse_legend(text: str, path: Path) -> Legend:
    """The legend that a text holds; `path` names it in errors."""
    lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), start=1)]
    lines = [(n, line) for n, line in lines if line and line[0] != "#"]
    lines = lines[1:] if lines and _HEADING.fullmatch(lines[0][1]) else lines
    form = next((form for form in (_CVAT, _FIRST, _LAST) if lines and form.fullmatch(lines[0][1])),
                None)  # fmt: skip
    names, colors = [], []
    for number, line in lines:
        match = form.fullmatch(line) if form else None
        color = [int(match[key]) for key in "rgb"] if match else []
        if form and (not match or max(color) > 255):
            why = f"{line[:80]!r} is no class with a color as on the lines before"
            raise AnnotationError(why, file=path, where=f"line {number}")
        names.append(match["name"].strip() if match else line)
        colors.append(color)
    if not names or len(names) > IGNORE_INDEX or len(set(names)) < len(names):
        raise AnnotationError(f"{len(names)} classes; 1 to 255 different ones are read", file=path)
    return Legend(dict(enumerate(names)), np.array(colors, dtype=np.uint8) if form else None)


def legend_of_values(
    files: Sequence[Path], listed: Legend | None, collector: FindingCollector, limits: Limits
) -> Legend:
    """The legend that the values in the maps call for: `listed`, unless there is none or the maps
    are black and white (0 and 255).

    Raises:
        AnnotationError: maps in colors, and no list of their classes.
    """
    counts = np.zeros(256, dtype=bool)
    for file in files:
        try:
            levels = read_levels(file, limits)
        except ImageError as error:
            collector.note("map-unreadable", file, "file", error.why)
            continue
        if levels.ndim == 3:
            if listed is not None and listed.colors is not None:
                return listed
            hint = "a file classes.txt with lines `name red green blue`"
            raise AnnotationError("the map is in colors; what do they mean?", file=file, hint=hint)
        counts[np.unique(levels[(levels >= 0) & (levels <= IGNORE_INDEX)])] = True
    values = np.flatnonzero(counts).tolist()
    if values == [0, IGNORE_INDEX]:
        names = tuple(listed.names.values()) if listed else numbered(2)
        collector.note(
            "map-binary", ".", "maps", f"values 0 and 255 only: 255 is class {names[1]!r}"
        )
        return Legend(dict(zip((0, IGNORE_INDEX), names, strict=True)))
    if listed is not None:
        return listed
    values = [value for value in values if value != IGNORE_INDEX]
    largest = max(values, default=0)
    collector.note(
        "class-names-missing", ".", "classes.txt", f"{largest + 1} classes have no names"
    )
    return Legend(dict(enumerate(numbered(largest + 1))))


def numbered(count: int) -> tuple[str, ...]:
    """Names of classes that no list names."""
    return tuple(f"class {label}" for label in range(count))
