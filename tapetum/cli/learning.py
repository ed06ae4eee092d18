"""tapetum train"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

from tapetum.base.errors import UsageError
from tapetum.cli.from_dataclass import options_of
from tapetum.cli.options import (
    Code,
    Flag,
    Folder,
    Format,
    Pairs,
    download_bar,
    log,
    parse_pairs,
    prepare_process,
    progress,
    spell,
)
from tapetum.runs.settings import Settings
from tapetum.runs.train_options import TrainOptions

METAVARS = {
    "val": "DATA",
    "split_ratio": "R",
    "group_by": "REGEX|FILE:COLUMN",
    "device": "D",
    "model": "MODEL",
    "data": "DATA",
}
Options = options_of(
    "Options",
    (TrainOptions, Settings),
    positional=("model", "data"),
    without=("arguments", "settings", "validate"),
    other_types={"format": Format},
    metavars=METAVARS,
)


def train(
    options: Annotated[Options, arg(name="")],  # type: ignore[valid-type]  # made while running
    *,
    out: Folder = None,
    resume: Folder = None,
    model: Code = None,
    data: Code = None,
    from_run: Annotated[Path | None, arg(name="from", metavar="RUN", help_behavior_hint="")] = None,
    tensorboard: Flag = False,
    set_: Pairs = (),
) -> int:
    """Train MODEL on DATA; checkpoints, numbers and a report go to the run folder.

    For example:
      tapetum train retinanet scenes --out runs/first --epochs 3
      tapetum train faster_rcnn photos/ --val more_photos/ --out runs/photos
      tapetum train resnet18 folder_of_classes/ --epochs 30
      tapetum train retinanet photos/ --split-ratio 80/10/10 --group-by "^(.+?)_"
      tapetum train --from runs/photos --epochs 80 --out runs/longer
      tapetum train --resume runs/photos

    Ctrl-C and SIGTERM save and leave; --resume goes on to the same bits.

    Args:
        options: what to train, on what and how
        out: the run folder to make (default: runs/MODEL-DATA)
        resume: the run folder to go on with; needs nothing else
        model: MODEL as an option: beside --resume and --from, the code of the run's own model, to
            say that it may be run
        data: DATA as an option, in the same way
        from_run: a run whose options are repeated; what is given here counts
        tensorboard: write RUN/tensorboard, too (pip install 'tapetum[tensorboard]')
        set_: more arguments of the model, as in fpn_channels=128
    """
    given = _one_of_each(_given(options), {"model": model, "data": data})
    beside = {"out": out, "from_run": from_run, "arguments": parse_pairs(set_)}
    given |= {name: value for name, value in beside.items() if value}
    from tapetum import api
    from tapetum.base.ranks import launched

    prepare_process()
    if resume is not None:
        _refuse_beside_resume(given)
        folder = api.resume(resume, **given, tensorboard=tensorboard, bar=download_bar, log=log)
    elif from_run is None and not {"model", "data"} <= given.keys():
        raise UsageError("train needs MODEL and DATA, --from RUN or --resume RUN", hint="--help")
    else:
        given |= {"bar": download_bar, "progress": progress, "log": log}
        folder = api.train(**given, tensorboard=tensorboard)
    if not launched().first:
        return 0
    log(f"report: {api.report(folder, progress=progress, log=log)}")
    print(folder)
    return 0


def _given(options: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(options).items() if value is not None}


def _one_of_each(given: dict[str, Any], options: dict[str, str | None]) -> dict[str, Any]:
    """MODEL and DATA, or --model and --data in their place.

    Raises:
        UsageError: one of them is given in both ways.
    """
    named = {name: value for name, value in options.items() if value is not None}
    for name in named.keys() & given.keys():
        raise UsageError(f"{name.upper()} and --{name} say the same", hint="give one")
    return given | named


def _refuse_beside_resume(given: dict[str, Any]) -> None:
    """A run goes on as it was begun: what cannot be changed is not silently ignored.

    Raises:
        UsageError: something is given beside --resume RUN that is not the run's own code.
    """
    from tapetum.base.custom_code import custom_function

    for name, value in given.items():
        if name in ("model", "data", "val") and custom_function(value) is not None:
            continue  # named again, to say that it may be run
        option = {"model": "MODEL", "data": "DATA"}.get(name, spell(name))
        hint = "the run knows it; train --from RUN begins anew with other options"
        raise UsageError(f"--resume RUN stands alone, without {option}", hint=hint)


COMMANDS = (train,)
