"""tapetum train"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from tapetum.base.errors import UsageError
from tapetum.cli.options import (
    Folder,
    Format,
    Number,
    Precision,
    Real,
    Text,
    Weights,
    download_bar,
    prepare_process,
    say,
)

Name = Annotated[Positional[str | None], arg(metavar="MODEL", help_behavior_hint="")]
Place = Annotated[Positional[str | None], arg(metavar="DATA", help_behavior_hint="")]
Pairs = Annotated[tuple[str, ...], arg(name="set", metavar="KEY=VALUE", help_behavior_hint="")]


def train(
    model: Name = None,
    data: Place = None,
    /,
    *,
    out: Folder = None,
    resume: Folder = None,
    val: Annotated[str | None, arg(metavar="DATA", help_behavior_hint="")] = None,
    format: Format = "auto",
    epochs: Number = None,
    max_steps: Number = None,
    minutes: Real = None,
    image_size: Number = None,
    batch_size: Number = None,
    accumulate: Number = None,
    lr: Real = None,
    optimizer: Text = None,
    weight_decay: Real = None,
    warmup_steps: Number = None,
    clip_norm: Real = None,
    ema_decay: Real = None,
    freeze: Number = None,
    layer_decay: Real = None,
    seed: Number = None,
    backbone: Text = None,
    weights: Weights = "auto",
    augment: Annotated[str, arg(metavar="NAME")] = "default",
    device: Annotated[str, arg(metavar="D")] = "auto",
    precision: Precision = "auto",
    workers: Number = None,
    evaluate_every: Number = None,
    save_seconds: Real = None,
    set_: Pairs = (),
) -> int:
    """Train MODEL on DATA; checkpoints, numbers and a report go to the run folder.

    For example:
      tapetum train retinanet scenes --out runs/first --epochs 3
      tapetum train faster_rcnn photos/ --val more_photos/ --out runs/photos
      tapetum train resnet18 folder_of_classes/ --epochs 30
      tapetum train retinanet photos/ --weights none
      tapetum train --resume runs/photos

    Ctrl-C and SIGTERM save and leave; --resume goes on to the same bits.

    Args:
        model: name of the model (tapetum models lists them)
        data: folder or file with annotations, in any format of `tapetum check`, or "scenes"
        out: the run folder to make (default: runs/MODEL-DATA)
        resume: the run folder to go on with; needs nothing else
        val: pictures to measure on (default: the data's own validation split, else a tenth)
        format: what DATA is written in; recognised by itself
        epochs: passes over the pictures (default: 40; 20 for classes, 60 for maps)
        max_steps: stop after this many steps
        minutes: in place of epochs, about how long to train on this machine
        image_size: short side in pixels that the model sees (default: 320 for boxes, 160 for
            classes of photographs, small pictures as they are)
        batch_size: pictures a step (default: 4; 64 for classes, 16 for localization, 8 for maps)
        accumulate: split a step into parts to save memory (default: 1)
        lr: peak learning rate (default: 0.0003)
        optimizer: adamw, adam, sgd, rmsprop, adadelta, muon or muon-norms (default:
            adamw)
        weight_decay: decay of the weights (default: 0.05)
        warmup_steps: steps of linear warm-up (default: 100)
        clip_norm: largest norm of the gradient, 0 for none (default: 1)
        ema_decay: moving average of the weights, 0 for none (default: 0.998)
        freeze: stages of the backbone that keep their weights: 1 is its stem, 5 all of a ResNet
        layer_decay: rate of each stage of the backbone as a share of the next one's (default: 1)
        seed: start weights, order and augmentation follow from it (default: 0)
        backbone: resnet10, 18 (default), 34, 50, 101 or 152, where the model has one to choose
        weights: to start from: auto (published for the model, else for its backbone), none, the
            name of a published network, a file, an address, or a run
        augment: how pictures are varied: default, flip, none, ...; a wrong name lists the task's
        device: auto, cpu, cuda, cuda:1 or mps
        precision: auto takes bf16 where the processor has it
        workers: processes that read pictures (default: 0)
        evaluate_every: epochs between evaluations (default: about eight in all)
        save_seconds: save at least this often (default: 120)
        set_: more arguments of the model, as in fpn_channels=128
    """
    from tapetum import api

    prepare_process()
    if resume is not None:
        if model is not None or data is not None:
            raise UsageError("--resume RUN stands alone: the run knows its model and data")
        folder = api.resume(resume, bar=download_bar, say=say)
    else:
        if model is None or data is None:
            raise UsageError("train needs MODEL and DATA, or --resume RUN", hint="--help")
        folder = api.train(
            model,
            data,
            out=out or default_folder(model, data),
            val=val,
            format=format,
            image_size=image_size,
            backbone=backbone,
            weights=weights,
            bar=download_bar,
            arguments=parse_pairs(set_),
            augment=augment,
            device=device,
            precision=precision,
            say=say,
            minutes=minutes,
            epochs=epochs,
            max_steps=max_steps,
            batch_size=batch_size,
            accumulate=accumulate,
            lr=lr,
            optimizer=optimizer,
            weight_decay=weight_decay,
            warmup_steps=warmup_steps,
            clip_norm=clip_norm,
            ema_decay=ema_decay,
            freeze=freeze,
            layer_decay=layer_decay,
            seed=seed,
            workers=workers,
            evaluate_every=evaluate_every,
            save_seconds=save_seconds,
        )
    say(f"report: {api.report(folder, say=say)}")
    print(folder)
    return 0


def default_folder(model: str, data: str) -> Path:
    """runs/MODEL-DATA, or with the first free number behind it."""
    name = f"{model}-{Path(data).stem or 'data'}"
    numbered = (Path("runs") / (name if n == 1 else f"{name}-{n}") for n in range(1, 10_000))
    return next(path for path in numbered if not path.exists())


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
