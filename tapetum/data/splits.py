"""Which pictures are for training, which for validation, which for testing.

A dataset's own splits win. Where it has none for validation, one picture in ten of those for
training is held out: the ten percent whose names hash lowest, so that the choice depends on
nothing but the names and the seed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tapetum.base.errors import UsageError
from tapetum.base.runtime import derive_seed
from tapetum.data.picture import Annotations, Picture

HELD_OUT = 0.1
ALL = "all"

_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("trainval",), "trainval"),
}
_NAME = re.compile(rf"(?:^|[^a-z])({'|'.join(sorted(_WORDS, key=len, reverse=True))})(?![a-z])")


@dataclass(frozen=True, eq=False)
class Split:
    """Some pictures of a dataset. words: how they were chosen, for people."""

    name: str
    pictures: tuple[Picture, ...]
    words: str


def split_name(text: str) -> str | None:
    """train, val, test or trainval, if `text` (a file or folder name) says one of them in any of
    its usual spellings, as in "instances_train2017" or "Validation"."""
    match = _NAME.search(text.lower())
    return _WORDS[match[1]] if match else None


def in_order(
    splits: Mapping[str, Iterable[Picture]],
) -> dict[str, tuple[Picture, ...]]:
    """Splits as people name them: train, val, trainval, test, then any others as they come."""
    usual = ("train", "val", "trainval", "test")
    names = [*(name for name in usual if name in splits), *(n for n in splits if n not in usual)]
    return {name: tuple(splits[name]) for name in names}


def choose_split(
    annotations: Annotations, wanted: str, seed: int = 0, *, hold_out: bool = True
) -> Split:
    """The pictures of a split: "train", "val", "test", "all", or a name of the dataset's own.

    hold_out: where the dataset has none for validation, keep some of "train" for it; without, all
        of them are for training.

    Raises:
        UsageError: the dataset has no such split; the ones it has are listed.
    """
    own = annotations.splits
    name = wanted if wanted in own else split_name(wanted) or wanted
    if wanted == ALL:
        return Split(ALL, everything(annotations), "all pictures")
    if name in own and not (name == "train" and "val" not in own):
        return Split(name, own[name], "the dataset's own split")
    source = _to_divide(annotations)
    if name == "train" and source is not None and not hold_out:
        return Split(name, own[source], "all of them, since none are held out")
    if name in ("train", "val") and source is not None:
        return _divided(name, source, own[source], seed)
    raise UsageError(
        f"the dataset has no split {wanted!r}",
        file=annotations.root,
        hint="it has " + ", ".join(available(annotations)),
    )


def available(annotations: Annotations) -> list[str]:
    """The names that `choose_split` takes for this dataset."""
    names = list(annotations.splits)
    if _to_divide(annotations) is not None:
        names += [name for name in ("train", "val") if name not in names]
    return [name for name in names if name != ALL] + [ALL]


def everything(annotations: Annotations) -> tuple[Picture, ...]:
    """Every picture once, although splits may share some (VOC's trainval holds train and val)."""
    seen: dict[object, Picture] = {}
    for pictures in annotations.splits.values():
        for picture in pictures:
            seen.setdefault((picture.path or picture.name, picture.id), picture)
    return tuple(seen.values())


def _to_divide(annotations: Annotations) -> str | None:
    """The split to hold pictures out of, where the dataset has none for validation."""
    own = annotations.splits
    if "val" in own:
        return "trainval" if "train" not in own and "trainval" in own else None
    return next((name for name in ("train", "trainval", ALL) if name in own), None)


def _divided(name: str, source: str, pictures: Sequence[Picture], seed: int) -> Split:
    if len(pictures) < 2:
        why = f"split {source!r} has {len(pictures)} pictures, too few to hold any out"
        raise UsageError(why, hint="name validation data of its own")
    order = sorted(pictures, key=lambda picture: derive_seed(seed, "held out", picture.name))
    count = max(1, round(HELD_OUT * len(pictures)))
    held = {id(picture) for picture in order[:count]}
    kept = tuple(p for p in pictures if (id(p) in held) == (name == "val"))
    words = (
        f"{count} of the {len(pictures)} pictures in {source!r} held out for validation, "
        f"because the dataset has no split for it"
    )
    return Split(name, kept, words)
