"""tapetum train"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from tapetum.cli.options import (
    Code,
    Flag,
    Folder,
    Pairs,
    download_bar,
    log,
    parse_pairs,
    prepare_process,
    progress,
)
from tapetum.cli.train_options import Options, given_options


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

    Ctrl-C and SIGTERM save a checkpoint and stop; --resume continues with bit-identical results.

    Args:
        options: what to train, on what and how
        out: the run folder to make (default: runs/MODEL-DATA)
        resume: the run folder to continue; needs nothing else
        model: MODEL as an option: beside --resume and --from, the code of the run's own model, to
            say that it may be run
        data: DATA as an option, in the same way
        from_run: a run whose options are repeated; what is given here counts
        tensorboard: write RUN/tensorboard, too (pip install 'tapetum[tensorboard]')
        set_: more arguments of the model, as in fpn_channels=128
    """
    given = given_options(
        options, model=model, data=data, out=out, from_run=from_run, arguments=parse_pairs(set_)
    )
    from tapetum import api
    from tapetum.base.ranks import launched
    from tapetum.runs.repeat import refuse_changes

    prepare_process()
    if resume is None:
        given |= {"bar": download_bar, "progress": progress, "log": log}
        folder = api.train(**given, tensorboard=tensorboard)
    else:
        refuse_changes(given)
        folder = api.resume(resume, **given, tensorboard=tensorboard, bar=download_bar, log=log)
    if launched().first:
        log(f"report: {api.report(folder, progress=progress, log=log)}")
        print(folder)
    return 0


COMMANDS = (train,)
