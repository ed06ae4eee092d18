"""What the recipes for semantic segmentation share: a described folder, a U-Net from scratch.

`python -m tapetum.recipes.camvid` and `python -m tapetum.recipes.isbi` train it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tapetum import api
from tapetum.base.files import atomic_write
from tapetum.base.memory import tune_allocator
from tapetum.base.progress import Log


def train_unet(
    data: str | Path, out: str | Path, description: str, *, log: Log, **options: Any
) -> Path:
    """Train a U-Net from scratch on all training images; the report measures the test split.

    Args:
        data: the folder of images and label maps.
        out: the run folder. OUT.tapetum.yaml beside it says what the maps do not: class names,
            ignored values, splits.
        description: that file, with {root} for the folder.
        log: where progress goes.
        options: as `api.train` takes them.

    Returns:
        The path of the report.
    """
    described = Path(f"{out}.tapetum.yaml")
    with atomic_write(described, "w") as file:
        file.write(description.format(root=Path(data).resolve()))
    run = api.train("unet", described, out=out, weights="none", validate=False, log=log, **options)
    return api.report(run, split="test", log=log)


def run_for_minutes(recipe: Callable[..., Path]) -> None:
    """The command line of such a recipe: DATA RUN [MINUTES]."""
    tune_allocator()
    data, out, *minutes = sys.argv[1:]
    given = {"minutes": float(minutes[0])} if minutes else {}
    print(recipe(data, out, log=print, **given))
