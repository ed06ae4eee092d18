"""Fashion-MNIST (60,000 grey pictures of 28 x 28, 10 kinds of clothes) from scratch on a processor.

Command: python -m tapetum.recipes.fashion_mnist DATA RUN [EPOCHS]

DATA holds the four original .gz files.
Got 94.05 % of the test pictures right after 7.7 minutes of training (2026-11-20, two cores of an
AMD EPYC at 2.6 GHz, 600 steps in bf16, seed 0, n = 1); with a coin for each mirroring in the place
of flips that alternate it was 94.28 %. Not enough: the aim is 94.5 % and more.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tapetum import api
from tapetum.base.progress import Say, silent

EPOCHS = 10
ARGUMENTS = {
    "widths": [48, 128, 256],  # clothes in grey need less than CIFAR-10
    "image_mean": [0.286] * 3,
    "image_std": [0.353] * 3,
}
SETTINGS: dict[str, Any] = {
    "optimizer": "muon-norms",
    "batch_size": 1000,
    "lr": 0.2,
    "schedule": "linear",
    "weight_decay": 1.0,
    "clip_norm": 0.0,
    "ema_decay": 0.0,
    "warmup_steps": 20,
    "seed": 0,
}


def fashion_mnist(
    data: str | Path, out: str | Path, epochs: int = EPOCHS, say: Say = silent
) -> Path:
    """Train the network of airbench on all 60,000 pictures; the report measures the test split."""
    run = api.train(
        "airbench",
        data,
        out=out,
        weights="none",
        image_size=28,
        arguments=ARGUMENTS,
        augment="growing",
        epochs=epochs,
        validate=False,
        say=say,
        **SETTINGS,
    )
    return api.report(run, split="test", say=say)


if __name__ == "__main__":
    from tapetum.base.runtime import tune_allocator

    tune_allocator()
    data, out, *epochs = sys.argv[1:]
    print(fashion_mnist(data, out, int(epochs[0]) if epochs else EPOCHS, print))
