"""What the recipes for small images share: the network of airbench, and how it is trained.

`python -m tapetum.recipes.cifar10` and `python -m tapetum.recipes.fashion_mnist` train it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tapetum import api
from tapetum.base.memory import tune_allocator
from tapetum.base.progress import Log, no_log

SETTINGS: dict[str, Any] = {
    "schedule": "linear",
    "clip_norm": 0.0,
    "ema_decay": 0.0,
    "seed": 0,
}


def learn_small_images(
    data: str | Path,
    out: str | Path,
    *,
    image_size: int,
    arguments: dict[str, Any] | None = None,
    log: Log = no_log,
    **settings: Any,
) -> Path:
    """Train on all training images; the report, whose path is returned, measures the test
    split."""
    run = api.train(
        "airbench",
        data,
        out=out,
        weights="none",
        image_size=image_size,
        arguments=arguments,
        augment="growing",
        validate=False,
        log=log,
        **{**SETTINGS, **settings},
    )
    return api.report(run, split="test", log=log)


def run_with(recipe: Callable[..., Path]) -> None:
    """The command line of such a recipe: DATA RUN [EPOCHS]."""
    tune_allocator()
    data, out, *epochs = sys.argv[1:]
    given = {"epochs": int(epochs[0])} if epochs else {}
    print(recipe(data, out, log=print, **given))
