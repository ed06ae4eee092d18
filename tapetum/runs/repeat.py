"""The options of a training that repeats or resumes an earlier run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tapetum.base.custom_code import custom_function
from tapetum.base.errors import UsageError
from tapetum.runs.record import read_run
from tapetum.runs.settings import LENGTHS
from tapetum.runs.train_options import TrainOptions, nested

SAME = {"image_size": ("image_size",), "backbone": ("backbone", "encoder")}
"""Arguments of models that say the same as an option: what is given replaces the other, too.

Not `min_size`: of a detector it is the image size, but beside the windows of a segmentation another
one, and it must not be lost.
"""


def merge_options(from_run: str | Path | None, keywords: Mapping[str, Any]) -> TrainOptions:
    """Merge keywords with the options of an earlier run.

    Args:
        from_run: a run whose options are repeated unless `keywords` has others.
        keywords: fields of `TrainOptions` and `Settings`, flat; None counts as not given.

    Returns:
        The options.

    Raises:
        UsageError: no model or no data, an unknown keyword or an impossible value.
        CheckpointError: `from_run` is no run.
    """
    given = nested({name: value for name, value in keywords.items() if value is not None})
    given["settings"] = {k: v for k, v in given["settings"].items() if v is not None}
    if from_run is not None:
        given = _on_top(asdict(read_run(Path(from_run)).options), given)
    for name in ("model", "data"):
        if not given.get(name, ""):
            raise UsageError(f"train needs `{name}`", hint="`model` and `data`, or `from_run`")
    return TrainOptions(**given)


def refuse_changes(keywords: Mapping[str, Any]) -> None:
    """Raise UsageError if a run that is resumed would get other options than it has.

    Args:
        keywords: fields of `TrainOptions` and `Settings`, flat. Code of the run's own model and
            data may be named again, which says that it may be run.

    Raises:
        UsageError: anything else is given.
    """
    for name, value in keywords.items():
        if name not in ("model", "data", "val") or custom_function(value) is None:
            hint = "`from_run` begins a new run with other options"
            raise UsageError("a resumed run keeps its own", option=name, hint=hint)


def _on_top(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Merge; the new values count, and a new length or validation set replaces the old one."""
    merged = dict(old)
    if "minutes" in new or any(name in new["settings"] for name in LENGTHS):
        merged["minutes"] = None
        merged["settings"] = {k: v for k, v in old["settings"].items() if k not in LENGTHS}
    if "val" in new:
        merged |= {"split_ratio": None, "group_by": None}
    elif "split_ratio" in new or "group_by" in new:
        merged["val"] = None
    for option, arguments in SAME.items():
        if option in new:
            kept = {k: v for k, v in merged["arguments"].items() if k not in arguments}
            merged["arguments"] = kept
        elif any(name in new["arguments"] for name in arguments):
            merged[option] = None
    for name in ("settings", "arguments"):
        new = {**new, name: merged[name] | new[name]}
    return merged | new
