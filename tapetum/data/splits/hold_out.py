"""Images held out of a training where the dataset has no split for validation.

The choice is a function of the names, the classes, the groups and the seed, so the same options
give the same parts again.
"""

from __future__ import annotations

import csv
import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tapetum.base.errors import AnnotationError, UsageError
from tapetum.base.seeds import derive_seed
from tapetum.data.records.image_record import ImageRecord
from tapetum.data.splits.stratify import stratify
from tapetum.runs.train_options import TrainOptions

HELD_OUT = 0.1
NAME_COLUMNS = ("file", "filename", "file_name", "image", "name", "path", "image")
_RATIO = re.compile(r"\d+(\.\d+)?(/\d+(\.\d+)?){1,2}")


@dataclass(frozen=True)
class HoldOut:
    """What is held out of the images for training.

    Args:
        val: fraction of the images for validation, in (0, 1).
        test: fraction of the images for testing, in [0, 1).
        group_by: a regular expression, whose first group in an image's name (else its match) names
            a group of images that stay together; or FILE.csv:COLUMN.
        seed: another one makes another choice.
    """

    val: float = HELD_OUT
    test: float = 0.0
    group_by: str | None = None
    seed: int = 0

    @staticmethod
    def of(options: TrainOptions) -> HoldOut | None:
        """What the options of a training hold out; None where they hold out nothing.

        Raises:
            UsageError: see `parse_ratio` and `check_group_by`.
            AnnotationError: a table of groups that cannot be read.
        """
        ratio, group_by = options.split_ratio, options.group_by
        if ratio is None and group_by is None:
            return None
        if group_by is not None:
            check_group_by(group_by)
        val, test = parse_ratio(ratio) if ratio else (HELD_OUT, 0.0)
        return HoldOut(val, test, group_by)

    @property
    def fractions(self) -> dict[str, float]:
        """By split; only those that get any."""
        fractions = {"train": 1 - self.val - self.test, "val": self.val, "test": self.test}
        return {name: fraction for name, fraction in fractions.items() if fraction > 0}


def parse_ratio(text: str) -> tuple[float, float]:
    """Parse the fractions for validation and testing.

    Args:
        text: "0.2", "80/20" or "80/10/10".

    Returns:
        The fractions for validation and for testing, in [0, 1).

    Raises:
        UsageError: not of one of these forms.
    """
    hint = "the fraction for validation, as in 0.2, or training/validation/testing, as in 80/10/10"
    refusal = UsageError(f"cannot be {text!r}", option="split_ratio", hint=hint)
    if not _RATIO.fullmatch(text):
        try:
            val = float(text)
        except ValueError:
            raise refusal from None
        if not 0 < val < 1:
            raise refusal
        return val, 0.0
    parts = [float(part) for part in text.split("/")]
    if not (parts[0] > 0 and parts[1] > 0):
        raise refusal
    val, *rest = (part / sum(parts) for part in parts[1:])
    return val, sum(rest)


def held_out(
    images: Sequence[ImageRecord],
    classes: Sequence[str],
    options: HoldOut,
    alike: Iterable[Sequence[int]] = (),
) -> dict[str, tuple[ImageRecord, ...]]:
    """Divide images into train, val and, where the options ask for it, test; each in its old order.

    Args:
        images: the records to divide.
        classes: names of the classes.
        options: fractions, seed and grouping.
        alike: groups of places in `images` that must be in one split, beside those of the options.

    Returns:
        Split -> its images.

    Raises:
        UsageError: too few images or groups.
    """
    groups = joined(len(images), [*alike, *grouped(images, options.group_by)])
    fractions = options.fractions
    if len(groups) < len(fractions):
        what = "images" if len(groups) == len(images) else "groups of images"
        why = f"{len(groups)} {what} are too few for {' and '.join(fractions)}"
        raise UsageError(why, hint="give validation data with `val`")
    having = np.zeros((len(groups), len(classes)), dtype=np.int32)
    for number, group in enumerate(groups):
        for place in group:
            having[number, images[place].class_labels] += 1
    sizes = np.array([len(group) for group in groups])
    names = [min(images[place].name for place in group) for group in groups]
    keys = [derive_seed(options.seed, "held out", name) for name in names]
    order = sorted(range(len(groups)), key=lambda number: (keys[number], names[number]))
    part = stratify(having, sizes, list(fractions.values()), order)
    part_of = np.empty(len(images), dtype=np.int64)
    for group, number in zip(groups, part, strict=True):
        part_of[group] = number
    return {
        name: tuple(p for p, part in zip(images, part_of, strict=True) if part == number)
        for number, name in enumerate(fractions)
    }


def joined(count: int, groups: Iterable[Sequence[int]]) -> list[list[int]]:
    """Every place 0 ... count - 1 in one list; places that share a group share a list."""
    root = list(range(count))

    def find(place: int) -> int:
        while root[place] != place:
            root[place] = place = root[root[place]]
        return place

    for group in groups:
        for place in group[1:]:
            first, other = sorted((find(group[0]), find(place)))
            root[other] = first
    lists: dict[int, list[int]] = {}
    for place in range(count):
        lists.setdefault(find(place), []).append(place)
    return list(lists.values())


def grouped(images: Sequence[ImageRecord], group_by: str | None) -> list[list[int]]:
    """Groups of places whose images belong together; those that nothing is said of stay out.

    Raises:
        UsageError: the expression is none, or matches no image; no such file or column.
        AnnotationError: a table that cannot be read.
    """
    if group_by is None:
        return []
    keys = _from_table(images, group_by) or _from_names(images, group_by)
    groups: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        if key is not None:
            groups.setdefault(key, []).append(place)
    if not groups:
        hint = f"the names are like {images[0].name!r}" if images else None
        raise UsageError(f"{group_by!r} matches no image", option="group_by", hint=hint)
    return list(groups.values())


def check_group_by(group_by: str) -> None:
    """Check an expression or a table of groups before any image is read.

    Args:
        group_by: as in `HoldOut`.

    Raises:
        UsageError: not a regular expression; no such file or column.
        AnnotationError: a table that cannot be read.
    """
    table = _table_of(group_by)
    if table is None:
        _pattern_of(group_by)
    else:
        _read_table(*table)


def _from_names(images: Sequence[ImageRecord], pattern: str) -> list[str | None]:
    sought = _pattern_of(pattern)
    found = (sought.search(image.name) for image in images)
    return [None if match is None else match[1 if sought.groups else 0] for match in found]


def _pattern_of(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        hint = "a regular expression for names, or FILE.csv:COLUMN"
        raise UsageError(f"{pattern!r}: {error}", option="group_by", hint=hint) from error


def _from_table(images: Sequence[ImageRecord], text: str) -> list[str | None] | None:
    """By FILE.csv:COLUMN; None where the text is not of that kind."""
    table = _table_of(text)
    if table is None:
        return None
    of = _read_table(*table)
    return [of.get(image.name) or of.get(posixpath.basename(image.name)) for image in images]


def _table_of(text: str) -> tuple[Path, str] | None:
    """File and column of FILE.csv:COLUMN; None where the text is not of that kind."""
    place, colon, column = text.rpartition(":")
    is_table = bool(colon) and place.lower().endswith((".csv", ".tsv"))
    return (Path(place), column) if is_table else None


def _read_table(file: Path, column: str) -> dict[str, str]:
    """Group by the name of an image, with and without its folders."""
    if not file.is_file():
        raise UsageError("no such file", file=file, option="group_by")
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = list(csv.DictReader(opened, delimiter="\t" if file.suffix == ".tsv" else ","))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AnnotationError(f"cannot be read: {error}", file=file) from error
    columns = list(rows[0]) if rows else []
    name = next((c for c in columns if str(c).lower() in NAME_COLUMNS), None)
    if column not in columns or name is None:
        why = f"no column {column!r}" if name else "no column with the names of the images"
        hint = f"it has {', '.join(map(str, columns)) or 'none'}"
        hint += "" if name else f"; one must be called {', '.join(NAME_COLUMNS)}"
        raise UsageError(why, file=file, option="group_by", hint=hint)
    of: dict[str, str] = {}
    for row in rows:
        if row[name] and row[column]:
            path = row[name].replace("\\", "/")
            of[path] = of[posixpath.basename(path)] = row[column]
    return of
