"""Commands that a report suggests, ready to be typed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from tapetum.reporting.sections.run import Run


def train_again(run: Run, model: Sequence[str] = (), **options: str | int) -> str:
    """The command that trains once more, beside `run`, with some options changed; "" for runs of
    old versions, which do not know what they were asked for.

    options: as in epochs=80. model: arguments of the model, as in "dice_weight=1".
    """
    if not run.record.options:
        return ""
    words = ["tapetum", "train", "--from", str(run.folder)]
    for name, value in options.items():
        words += ["--" + name.replace("_", "-"), str(value)]
    words += ["--set", *model] if model else []
    return shlex.join([*words, "--out", str(_beside(run.folder))])


def longer(run: Run) -> str:
    """The same for twice as long, by the option that said how long."""
    options, settings = run.record.options, run.record.settings
    if options.get("minutes") is not None:
        return train_again(run, minutes=f"{2 * options['minutes']:g}")
    if settings.max_steps is not None:
        return train_again(run, max_steps=2 * settings.max_steps)
    return train_again(run, epochs=2 * settings.epochs)


def command(verb: str, run: Run, *words: str) -> str:
    """A command on the run, as in `tapetum predict RUN photo.jpg`."""
    return shlex.join(["tapetum", verb, str(run.folder), *words])


def data_folder(run: Run) -> str | None:
    """The folder of the run's images; None where there is none."""
    return run.record.data if Path(run.record.data).is_dir() else None


def _beside(folder: Path) -> Path:
    """The first free name of `folder` with a number behind it."""
    numbered = (folder.with_name(f"{folder.name}-{n}") for n in range(2, 10_000))
    return next(path for path in numbered if not path.exists())
