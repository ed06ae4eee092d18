"""What somebody asks of a training, in JSON values: a run keeps it, and can be asked for again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from tapetum.base.errors import UsageError
from tapetum.runs.record import read_run
from tapetum.runs.settings import Settings

UNLABELED = ("negative", "skip")
CACHES = ("off", "ram", "disk")
LENGTHS = ("epochs", "max_steps")
_SETTINGS = tuple(known.name for known in fields(Settings))


@dataclass(frozen=True)
class TrainOptions:
    """The words of `tapetum.train`, which tells what they mean; None where nothing was said."""

    model: str
    data: str
    val: str | None = None
    format: str = "auto"
    split_ratio: str | None = None
    group_by: str | None = None
    unlabeled: str = UNLABELED[0]
    cache: str = "off"
    image_size: int | None = None
    backbone: str | None = None
    weights: str = "auto"
    arguments: dict[str, Any] = field(default_factory=dict)
    augment: str = "default"
    device: str = "auto"
    precision: str = "auto"
    validate: bool = True
    minutes: float | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises UsageError for what cannot be, whatever the model and data."""
        unknown = [name for name in self.settings if name not in _SETTINGS]
        if unknown:
            known = ", ".join(_SETTINGS)
            raise UsageError(f"unknown setting {unknown[0]!r}", hint=f"one of {known}")
        if self.unlabeled not in UNLABELED:
            why = f"cannot be {self.unlabeled!r}"
            raise UsageError(why, option="unlabeled", hint=" or ".join(UNLABELED))
        if self.cache not in CACHES:
            raise UsageError(f"cannot be {self.cache!r}", option="cache", hint=", ".join(CACHES))
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise UsageError(f"must be above 0, got {self.minutes}", option="minutes")
        for name in LENGTHS if self.minutes is not None else ():
            if self.settings.get(name) is not None:
                why = f"`minutes` and `{name}` both say how long"
                raise UsageError(why, hint="give one")
        held_out = self.split_ratio is not None or self.group_by is not None
        if self.val is not None and held_out:
            option = "split_ratio" if self.split_ratio else "group_by"
            why = f"`val` and `{option}` both say what to validate on"
            raise UsageError(why, hint="give one")


def merge_options(like: str | Path | None, given: Mapping[str, Any]) -> TrainOptions:
    """What was said (not None), on top of what was said for the run `like`, if there is one.

    Raises:
        UsageError: no model or no data; a wish that cannot be. CheckpointError: `like` is no run.
    """
    said = {name: value for name, value in given.items() if value is not None}
    said["settings"] = {k: v for k, v in said.get("settings", {}).items() if v is not None}
    if like is not None:
        said = _on_top(_of_run(Path(like)), said)
    for name in ("model", "data"):
        if name not in said:
            raise UsageError(f"train needs a {name}", hint="`model` and `data`, or `from_run`")
    return TrainOptions(**said)


def _of_run(folder: Path) -> dict[str, Any]:
    """What was said for a run.

    Raises:
        UsageError: the run is too old to know it.
    """
    said = read_run(folder).options
    if not said:
        hint = "repeat its command, which its report shows"
        raise UsageError("does not know what it was asked for", file=folder, hint=hint)
    return dict(said)


def _on_top(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Both, the new words winning; another way to say how long, or what to validate on, replaces
    the old one."""
    own = dict(old)
    if "minutes" in new or any(name in new["settings"] for name in LENGTHS):
        own["minutes"] = None
        own["settings"] = {k: v for k, v in old["settings"].items() if k not in LENGTHS}
    for name in ("settings", "arguments"):
        new = {**new, name: {**own.get(name, {}), **new.get(name, {})}}
    if "val" in new:
        own |= {"split_ratio": None, "group_by": None}
    elif "split_ratio" in new or "group_by" in new:
        own["val"] = None
    return own | new
