"""tapetum train"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from tapetum.base.errors import UsageError
from tapetum.cli.options import (
    Code,
    Flag,
    Folder,
    Format,
    Number,
    Precision,
    Real,
    Text,
    download_bar,
    log,
    prepare_process,
    progress,
)

Name = Annotated[Positional[str | None], arg(metavar="MODEL", help_behavior_hint="")]
Place = Annotated[Positional[str | None], arg(metavar="DATA", help_behavior_hint="")]
CODE = ("model", "data", "val")
"""What of a training may be code of one's own."""
Pairs = Annotated[tuple[str, ...], arg(name="set", metavar="KEY=VALUE", help_behavior_hint="")]


def train(
    model: Name = None,
    data: Place = None,
    /,
    *,
    out: Folder = None,
    resume: Folder = None,
    model_: Annotated[Code, arg(name="model")] = None,
    data_: Annotated[Code, arg(name="data")] = None,
    from_: Annotated[Path | None, arg(name="from", metavar="RUN", help_behavior_hint="")] = None,
    val: Annotated[str | None, arg(metavar="DATA", help_behavior_hint="")] = None,
    format: Annotated[Format | None, arg(help_behavior_hint="")] = None,
    split_ratio: Annotated[str | None, arg(metavar="R", help_behavior_hint="")] = None,
    group_by: Annotated[str | None, arg(metavar="REGEX|FILE:COLUMN", help_behavior_hint="")] = None,
    unlabeled: Annotated[Literal["negative", "skip"] | None, arg(help_behavior_hint="")] = None,
    epochs: Number = None,
    max_steps: Number = None,
    minutes: Real = None,
    cache: Annotated[Literal["off", "ram", "disk"] | None, arg(help_behavior_hint="")] = None,
    image_size: Number = None,
    batch_size: Number = None,
    accumulate: Number = None,
    lr: Real = None,
    schedule: Text = None,
    optimizer: Text = None,
    weight_decay: Real = None,
    warmup_steps: Number = None,
    clip_norm: Real = None,
    ema_decay: Real = None,
    freeze: Number = None,
    layer_decay: Real = None,
    seed: Number = None,
    backbone: Text = None,
    weights: Text = None,
    augment: Text = None,
    device: Annotated[str | None, arg(metavar="D", help_behavior_hint="")] = None,
    precision: Annotated[Precision | None, arg(help_behavior_hint="")] = None,
    workers: Number = None,
    evaluate_every: Number = None,
    save_seconds: Real = None,
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
        model: name of the model (tapetum models lists them), or FILE.py:FUNCTION of your own
        data: folder or file with annotations, in any format of `tapetum check`, "scenes", or
            FILE.py:FUNCTION of your own
        out: the run folder to make (default: runs/MODEL-DATA)
        resume: the run folder to go on with; needs nothing else
        model_: MODEL, said as an option: beside --resume and --from, the code of the run's own
            model, to say that it may be run
        data_: DATA, said as an option, in the same way
        from_: a run whose words are repeated; what is said here wins
        val: images to measure on (default: the data's own validation split, else a tenth)
        format: what DATA is written in (default: recognised by itself)
        split_ratio: what to hold out where DATA has no split for validation, as in 0.2 or 80/10/10;
            by class, near-duplicates on one side
        group_by: images that belong together, by what matches in their names, or a column of
            FILE.csv
        unlabeled: images without labels are images of nothing, or are left out (default:
            negative)
        cache: keep decoded images of the training, no larger than it needs them, from the second
            epoch on; for photos of many megapixels (default: off)
        epochs: passes over the images (default: 40; 20 for classes and localization, 60 for maps)
        max_steps: stop after this many steps
        minutes: in place of epochs, about how long to train on this machine
        image_size: short side in pixels that the model sees (default: 320 for boxes, 128 for
            localization, 160 for classes of photographs, small images as they are); for maps
            the side of the windows that it learns from (default: 320 at most)
        batch_size: images a step (default: 4; 64 for classes, 16 for localization, 8 for maps)
        accumulate: split a step into parts to save memory (default: 1; doubles by itself where
            memory does not suffice)
        lr: peak learning rate (default: 0.0003; 0.002 for linear)
        schedule: how it falls: cosine (default), linear, or constant
        optimizer: adamw (default), adam, sgd (default for linear), rmsprop, adadelta, muon,
            muon-norms, or airbench for the model of that name
        weight_decay: decay of the weights (default: 0.05; 0 for linear, see --set l2=0.04)
        warmup_steps: steps of linear warm-up (default: 100)
        clip_norm: largest norm of the gradient, 0 for none (default: 1)
        ema_decay: moving average of the weights, 0 for none (default: 0.998)
        freeze: stages of the backbone that keep their weights: 1 is its stem, 5 all of a ResNet
        layer_decay: rate of each stage of the backbone as a share of the next one's (default: 1)
        seed: start weights, order and augmentation follow from it (default: 0)
        backbone: resnet10, 18 (default), 34, 50, 101 or 152, where the model has one to choose
        weights: to start from: auto (default: published for the model, else for its backbone),
            none, the name of a published network, a file, an address, or a run
        augment: how images are varied: default, flip, none, ...; a wrong name lists the task's
        device: auto (default), cpu, cuda, cuda:1 or mps
        precision: auto (default) takes bf16 where the hardware has it, fp16 on older CUDA GPUs
        workers: processes that read images, to learn from and to measure on (default: 0)
        evaluate_every: epochs between evaluations (default: about eight in all)
        save_seconds: save at least this often (default: 120)
        tensorboard: write RUN/tensorboard, too (pip install 'tapetum[tensorboard]')
        set_: more arguments of the model, as in fpn_channels=128
    """
    said = _with_options(dict(locals()))  # before there is any other name
    from tapetum import api
    from tapetum.base.ranks import launched

    prepare_process()
    if resume is not None:
        _refuse_beside_resume(said)
        code = {name: said[name] for name in CODE}
        folder = api.resume(resume, **code, tensorboard=tensorboard, bar=download_bar, log=log)
    else:
        if from_ is None and (said["model"] is None or said["data"] is None):
            raise UsageError(
                "train needs MODEL and DATA, --from RUN or --resume RUN", hint="--help"
            )
        apart = ("resume", "from_", "set_")
        words = {name: value for name, value in said.items() if name not in apart}
        folder = api.train(
            **words,
            like=from_,
            arguments=parse_pairs(set_),
            bar=download_bar,
            progress=progress,
            log=log,
        )
    if not launched().first:
        return 0
    log(f"report: {api.report(folder, progress=progress, log=log)}")
    print(folder)
    return 0


def _with_options(said: dict[str, Any]) -> dict[str, Any]:
    """The words with --model and --data in the place of MODEL and DATA.

    Raises:
        UsageError: one of them is said in both ways.
    """
    options = {name: said.pop(f"{name}_") for name in ("model", "data")}
    for name, value in options.items():
        if value is not None and said[name] is not None:
            raise UsageError(f"{name.upper()} and --{name} say the same", hint="give one")
    return said | {name: value for name, value in options.items() if value is not None}


def _refuse_beside_resume(said: dict[str, Any]) -> None:
    """A run goes on as it was begun: what cannot be changed is not silently ignored.

    Raises:
        UsageError: something was said beside --resume RUN.
    """
    from tapetum.base.custom_code import custom_function

    free = ("resume", "tensorboard")
    for name, value in said.items():
        if name in CODE and isinstance(value, str) and custom_function(value) is not None:
            continue  # named again, to say that it may be run
        if name not in free and value is not None and value != ():
            option = "--" + name.strip("_").replace("_", "-")
            word = {"model": "MODEL", "data": "DATA"}.get(name, option)
            hint = "the run knows it; train --from RUN begins anew with other words"
            raise UsageError(f"--resume RUN stands alone, without {word}", hint=hint)


def parse_pairs(pairs: tuple[str, ...]) -> dict[str, Any]:
    """KEY=VALUE words as a dict; a value that is JSON is taken as JSON, else as text."""
    result = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise UsageError(f"expected KEY=VALUE, got {pair!r}", where="--set")
        try:
            result[key] = json.loads(value)
        except json.JSONDecodeError:
            result[key] = value
    return result


COMMANDS = (train,)
