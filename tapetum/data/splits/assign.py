"""Which images are for training, which for validation, which for testing.

A dataset's own splits win. Where it has none for validation, some of those for training are held
out: one in ten, unless the options say otherwise (`tapetum.data.splits.hold_out`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tapetum.base.errors import UsageError
from tapetum.data.records.image_record import Annotations, ImageRecord
from tapetum.data.splits.hold_out import HoldOut, held_out

ALL = "all"

WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("trainval",), "trainval"),
}
"""All spellings of a split, in lower case, and its name."""
_NAME = re.compile(rf"(?:^|[^a-z])({'|'.join(sorted(WORDS, key=len, reverse=True))})(?![a-z])")


@dataclass(frozen=True, eq=False)
class Split:
    """Some images of a dataset. description: how they were chosen, in a phrase."""

    name: str
    images: tuple[ImageRecord, ...]
    description: str


def split_name(text: str) -> str | None:
    """The split that the name of a file or folder refers to.

    Args:
        text: a name, as "instances_train2017" or "Validation".

    Returns:
        "train", "val", "test", "trainval", or None.
    """
    match = _NAME.search(text.lower())
    return WORDS[match[1]] if match else None


def compatible(folder: str | None, split: str | None) -> bool:
    """Whether the images of a split may lie in a folder of that name: "trainval" is train and val,
    and a folder that names no split may hold any."""
    parts = {"trainval": {"train", "val"}}
    if folder is None or split is None:
        return True
    return bool(parts.get(folder, {folder}) & parts.get(split, {split}))


def in_order(
    splits: Mapping[str, Iterable[ImageRecord]],
) -> dict[str, tuple[ImageRecord, ...]]:
    """Splits in the usual order: train, val, trainval, test, then others as they come.

    Args:
        splits: split -> its images.

    Returns:
        The same in order.
    """
    usual = ("train", "val", "trainval", "test")
    names = [*(name for name in usual if name in splits), *(n for n in splits if n not in usual)]
    return {name: tuple(splits[name]) for name in names}


def choose_split(annotations: Annotations, wanted: str, *, hold_out: bool = True) -> Split:
    """The images of a split.

    Args:
        annotations: the dataset.
        wanted: "train", "val", "test", "all", or a split of the dataset by its own name.
        hold_out: keep some of "train" for validation, where the dataset has no split for it.

    Returns:
        The name, the images, and how the split was made.

    Raises:
        UsageError: the dataset has no such split; the ones it has are listed.
    """
    present = annotations.splits
    name = wanted if wanted in present else split_name(wanted) or wanted
    if wanted == ALL:
        return Split(ALL, annotations.all_images(), "all images")
    if name in present and not (name == "train" and "val" not in present):
        description = annotations.split_descriptions.get(name, "the dataset's own split")
        return Split(name, present[name], description)
    source = to_divide(annotations)
    if name == "train" and source is not None and not hold_out:
        return Split(name, present[source], "all of them, since none are held out")
    if name in ("train", "val") and source is not None:
        return choose_split(with_held_out(annotations), name)
    raise UsageError(
        f"the dataset has no split {wanted!r}",
        file=annotations.root,
        hint="it has " + ", ".join(available(annotations)),
    )


def available(annotations: Annotations) -> list[str]:
    """The names that `choose_split` takes for this dataset.

    Args:
        annotations: the dataset.

    Returns:
        Names of splits, "all" last.
    """
    names = list(annotations.splits)
    if to_divide(annotations) is not None:
        names += [name for name in ("train", "val") if name not in names]
    return [name for name in names if name != ALL] + [ALL]


def to_divide(annotations: Annotations) -> str | None:
    """The split to hold images out of.

    Args:
        annotations: the dataset.

    Returns:
        Its name; None where the dataset has a split for validation.
    """
    present = annotations.splits
    if "val" in present:
        return "trainval" if "train" not in present and "trainval" in present else None
    return next((name for name in ("train", "trainval", ALL) if name in present), None)


def with_held_out(
    annotations: Annotations,
    options: HoldOut = HoldOut(),  # noqa: B008, it is frozen
    alike: Iterable[Sequence[int]] = (),
) -> Annotations:
    """The dataset with images of its training split held out for validation, and for testing where
    the options ask for it.

    Args:
        annotations: the dataset.
        options: fractions, seed and grouping.
        alike: groups of places in the split `to_divide` that must be in one split.

    Returns:
        A new dataset.

    Raises:
        UsageError: it has one already, or too few images.
    """
    source = to_divide(annotations)
    if source is None:
        raise UsageError("it has a split for validation already", file=annotations.root)
    images = annotations.splits[source]
    if "test" in annotations.splits and options.test:
        raise UsageError("it has a split for testing already", file=annotations.root)
    made = held_out(images, annotations.classes, options, alike)
    held = " and ".join(f"{len(made[name])} for {name}" for name in list(made)[1:])
    description = f"{held} held out of the {len(images)} images in {source!r}"
    return with_splits(annotations, made, description)


def with_splits(
    annotations: Annotations, made: Mapping[str, Iterable[ImageRecord]], description: str
) -> Annotations:
    """The dataset with new splits in the place of the one that they were made of.

    Args:
        annotations: the dataset.
        made: split -> its images.
        description: how the splits were made, for logs and for splits.json.

    Returns:
        A new dataset.
    """
    source = to_divide(annotations)
    kept = {
        name: present for name, present in annotations.splits.items() if name not in (source, ALL)
    }
    splits = in_order(kept | {name: tuple(images) for name, images in made.items()})
    return replace(annotations, splits=splits, split_descriptions=dict.fromkeys(made, description))
