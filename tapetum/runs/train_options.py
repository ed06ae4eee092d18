"""The options of a training: the keywords of `tapetum.train` and the options of the command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

from tapetum.base.errors import UsageError
from tapetum.runs.settings import LENGTHS, Settings, checked_setting

Unlabeled = Literal["negative", "skip"]
Cache = Literal["off", "ram", "disk"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
MOST_MINUTES = 1_000_000
"""About two years; what is longer is a mistake."""
SETTINGS = frozenset(known.name for known in fields(Settings))
"""Keywords of a training that are fields of `Settings`."""


@dataclass(frozen=True)
class TrainOptions:
    """What to train, on which images and where; with `settings`, how.

    The docstring of a field is also the help of its option. A run stores these options, and they
    can be repeated (`tapetum.runs.repeat`). A new option is a new field here.

    Raises:
        UsageError: an impossible value or combination, whatever the model and the data.
    """

    model: str
    """name of the model (tapetum models lists them), or FILE.py:FUNCTION of your own"""
    data: str
    """folder or file with annotations, in any format of `tapetum check`, "scenes", or
    FILE.py:FUNCTION of your own"""
    val: str | None = None
    """images to measure on (default: the data's own validation split, else a tenth)"""
    format: str = "auto"
    """what DATA is written in (default: recognised by itself)"""
    split_ratio: str | None = None
    """what to hold out where DATA has no split for validation, as in 0.2 or 80/10/10; by class,
    near-duplicates on one side"""
    group_by: str | None = None
    """images that belong together, by what matches in their names, or a column of FILE.csv"""
    unlabeled: Unlabeled = "negative"
    """images without labels count as images without objects (negative, default), or are left out
    (skip)"""
    minutes: float | None = None
    """in place of epochs, about how long to train on this machine"""
    cache: Cache = "off"
    """keep decoded images of the training, no larger than it needs them, from the second epoch on;
    for photos of many megapixels (default: off)"""
    image_size: int | None = None
    """short side in pixels that the model sees (default: 320 for boxes, 128 for localization, 160
    for classes of photographs, small images as they are); for maps the side of the windows that it
    learns from (default: 320 at most)"""
    backbone: str | None = None
    """resnet10, resnet18 (default), resnet34, resnet50, resnet101 or resnet152, where the model has
    one to choose"""
    weights: str = "auto"
    """to start from: auto (default: published for the model, else for its backbone), none, the name
    of a published network, a file, an address, or a run"""
    augment: str = "default"
    """augmentation of the images: default, flip, none, ...; a wrong name lists the task's"""
    device: str = "auto"
    """auto (default), cpu, cuda, cuda:1 or mps"""
    precision: Precision = "auto"
    """auto (default) takes bf16 where the hardware has it, fp16 on older CUDA GPUs"""
    validate: bool = True
    """measure during the training (default); else no images are held out, and the last weights
    count as the best"""
    arguments: dict[str, Any] = field(default_factory=dict)
    """more arguments of the model, as in fpn_channels=128"""
    settings: dict[str, Any] = field(default_factory=dict)
    """values of fields of `Settings`; for the others the model or the task decides"""

    def __post_init__(self) -> None:
        plain = {name: checked_setting(name, value) for name, value in self.settings.items()}
        object.__setattr__(self, "settings", plain)
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                why = f"cannot be {getattr(self, name)!r}"
                raise UsageError(why, option=name, hint=" or ".join(choices))
        if self.minutes is not None and not 0 < self.minutes <= MOST_MINUTES:
            why = f"must be above 0 and at most {MOST_MINUTES:,}, got {self.minutes}"
            raise UsageError(why, option="minutes")
        for name in LENGTHS:
            if self.minutes is not None and self.settings.get(name) is not None:
                why = f"`minutes` and `{name}` both say how long"
                raise UsageError(why, hint="give one")
        for name in ("split_ratio", "group_by"):
            if self.val is not None and getattr(self, name) is not None:
                why = f"`val` and `{name}` both say what to validate on"
                raise UsageError(why, hint="give one")

    def given(self) -> dict[str, Any]:
        """The fields that do not have their default, by name."""
        values = {known.name: getattr(self, known.name) for known in fields(self)}
        defaults = vars(replace(_DEFAULTS, model="", data=""))
        return {name: value for name, value in values.items() if value != defaults[name]}


CHOICES: dict[str, tuple[str, ...]] = {
    "unlabeled": get_args(Unlabeled),
    "cache": get_args(Cache),
    "precision": get_args(Precision),
}
"""Options with a fixed list of values."""
CACHES = CHOICES["cache"]
_DEFAULTS = TrainOptions("", "")


def nested(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords of a training as fields of TrainOptions.

    Args:
        keywords: fields of `TrainOptions` and `Settings`, flat.

    Returns:
        Fields of `TrainOptions`; those of `Settings` are in "settings".

    Raises:
        UsageError: an unknown keyword.
    """
    known = {option.name for option in fields(TrainOptions)}
    result: dict[str, Any] = {"settings": {}, "arguments": {}}
    for name, value in keywords.items():
        if name in SETTINGS:
            result["settings"][name] = value
        elif name in ("settings", "arguments"):
            result[name] |= value
        elif name in known:
            result[name] = value
        else:
            hint = "one of " + ", ".join(sorted({*known, *SETTINGS} - {"settings"}))
            raise UsageError(f"unknown option {name!r}", hint=hint)
    return result
