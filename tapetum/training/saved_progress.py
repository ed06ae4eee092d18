"""state.json: the numbers that a training goes on with, looked at before any of them is used."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tapetum.base.errors import CheckpointError
from tapetum.base.files import read_json

MOST = 2**53
"""Whole numbers up to here are the same in every reader of JSON."""


def read_progress(path: Path, groups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `TrainingState.save` wrote. groups: of the optimizer that goes on.

    Raises:
        CheckpointError: a number is missing, of another kind, or out of its range; the line names
            it. TapetumError: it cannot be read, or is not JSON.
    """
    raw = read_json(path)
    if not isinstance(raw, dict):
        raise CheckpointError("expected an object", file=path)
    for name, (fits, expected) in _FIELDS.items():
        # Older checkpoints do not know how many parts a step has, or a scale.
        if name not in raw and name in _LATER:
            continue
        if name not in raw or not fits(raw[name]):
            raise CheckpointError(f"expected {expected}", file=path, where=name)
    if len(raw["groups"]) != len(groups):
        raise CheckpointError(f"expected {len(groups)} groups", file=path, where="groups")
    for saved, group in zip(raw["groups"], groups, strict=True):
        _check_group(saved, group, path)
    return raw


def _check_group(saved: Mapping[str, Any], group: Mapping[str, Any], path: Path) -> None:
    """Only settings, and of the optimizer's own only what is of the same kind. Other versions of
    PyTorch may have more of them."""
    for name, value in saved.items():
        ours = group.get(name)
        fits = _plain(value) and _plain(ours)
        if type(ours) in (int, float):
            fits = type(value) in (int, float) and _plain(value)
        if not fits:
            why = f"the optimizer has no setting {name[:80]!r} of that kind"
            raise CheckpointError(why, file=path, where="groups")


def _whole(least: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and least <= value <= MOST


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, str | bool) or _number(value)


def _number(value: Any) -> bool:
    if isinstance(value, int):
        return abs(value) <= MOST
    return isinstance(value, float) and math.isfinite(value)


def _is_scale(value: Any) -> bool:
    if value is None:
        return True
    if not isinstance(value, dict) or value.keys() != {"value", "kept", "skipped"}:
        return False
    counts = all(_whole(0)(value[name]) for name in ("kept", "skipped"))
    return counts and _number(value["value"]) and value["value"] > 0


def _is_groups(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(group, dict) for group in value)


def _is_scalars(value: Any) -> bool:
    return isinstance(value, dict) and all("-" in k and _plain(v) for k, v in value.items())


_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "step": (_whole(0), "a whole number from 0 on"),
    "evaluated": (lambda value: isinstance(value, bool), "true or false"),
    "log_bytes": (_whole(0), "a whole number from 0 on"),
    "ema_updates": (_whole(0), "a whole number from 0 on"),
    "accumulate": (_whole(1), "a whole number from 1 on"),
    "loss_scale": (_is_scale, "null, or value, kept and skipped"),
    "groups": (_is_groups, "a list of objects"),
    "scalars": (_is_scalars, "an object of numbers"),
}
_LATER = ("accumulate", "loss_scale")
