"""CIFAR-10 (50,000 pictures of 32 x 32, 10 classes) from scratch on a processor.

Command: python -m tapetum.recipes.cifar10 DATA RUN [EPOCHS]

DATA holds the original binary batches (data_batch_1.bin ... test_batch.bin).
Not measured yet.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tapetum import api
from tapetum.base.progress import Say, silent

EPOCHS = 8
SETTINGS: dict[str, Any] = {
    "optimizer": "muon-norms",
    "batch_size": 2000,
    "lr": 0.24,
    "schedule": "linear",
    "weight_decay": 4.0,
    "clip_norm": 0.0,
    "ema_decay": 0.0,
    "warmup_steps": 5,
    "seed": 0,
}


def cifar10(data: str | Path, out: str | Path, epochs: int = EPOCHS, say: Say = silent) -> Path:
    """Train the network of airbench on all 50,000 pictures; the report measures the test split."""
    run = api.train(
        "airbench",
        data,
        out=out,
        weights="none",
        image_size=32,
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
    print(cifar10(data, out, int(epochs[0]) if epochs else EPOCHS, print))
