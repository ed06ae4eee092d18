"""Commands that a report suggests, ready to be typed."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tapetum.diagnosis import TRAINING_IMAGES, Remedy
from tapetum.reporting.sections.run import Run

NEW_IMAGE, OTHER_DATA = "PHOTO.jpg", "OTHER_PHOTOS/"
"""What stands for the reader's own image and dataset."""


def command_of(run: Run, remedy: Remedy) -> str:
    """The command line of a remedy.

    Args:
        run: the run that it is about.
        remedy: what to do.

    Returns:
        The command; "" where there is none.
    """
    if not remedy.verb:
        return ""
    if remedy.verb == "train":
        return train_again(run, remedy.options, remedy.arguments)
    inputs = remedy.inputs or ((OTHER_DATA if remedy.verb == "evaluate" else NEW_IMAGE),)
    if TRAINING_IMAGES in inputs:
        if not Path(run.record.options.data).is_dir():
            return ""
        inputs = tuple(
            run.record.options.data if name == TRAINING_IMAGES else name for name in inputs
        )
    return shlex.join(
        ["tapetum", remedy.verb, str(run.folder), *inputs, *_as_options(remedy.options)]
    )


def train_again(
    run: Run, options: Mapping[str, Any], arguments: Mapping[str, Any] | None = None
) -> str:
    """The command that trains once more, beside the run, with some options changed.

    Args:
        run: the run to repeat.
        options: name -> value, {"epochs": 80}.
        arguments: arguments of the model, {"dice_weight": 1}.

    Returns:
        The command.
    """
    command = ["tapetum", "train", "--from", str(run.folder), *_as_options(options)]
    if arguments:
        command += ["--set", *(f"{name}={value}" for name, value in arguments.items())]
    return shlex.join([*command, "--out", str(_free_name(run.folder))])


def _as_options(options: Mapping[str, Any]) -> Sequence[str]:
    named = (("--" + name.replace("_", "-"), str(value)) for name, value in options.items())
    return [part for pair in named for part in pair]


def _free_name(folder: Path) -> Path:
    """The first name that is free, of `folder` with a number behind it."""
    numbered = (folder.with_name(f"{folder.name}-{n}") for n in range(2, 10_000))
    return next(path for path in numbered if not path.exists())
