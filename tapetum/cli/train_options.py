"""The options of `tapetum train`: the fields of TrainOptions and Settings."""

from __future__ import annotations

from typing import Any

from tapetum.base.errors import UsageError
from tapetum.cli.from_dataclass import options_of
from tapetum.cli.options import Format
from tapetum.runs.settings import Settings
from tapetum.runs.train_options import TrainOptions

Options = options_of(
    "Options",
    (TrainOptions, Settings),
    positional=("model", "data"),
    without=("arguments", "settings", "validate"),
    other_types={"format": Format},
    metavars={
        "val": "DATA",
        "split_ratio": "R",
        "group_by": "REGEX|FILE:COLUMN",
        "device": "D",
        "model": "MODEL",
        "data": "DATA",
    },
)


def given_options(options: Any, **others: Any) -> dict[str, Any]:
    """The options that were given, by the names of the Python interface.

    Args:
        options: an instance of `Options`.
        others: further options; `model` and `data` in place of MODEL and DATA. Empty values count
            as not given.

    Raises:
        UsageError: MODEL or DATA is given in both ways.
    """
    given = {name: value for name, value in vars(options).items() if value is not None}
    further = {name: value for name, value in others.items() if value}
    for name in given.keys() & further.keys():
        raise UsageError(f"{name.upper()} and --{name} say the same", hint="give one")
    return given | further
