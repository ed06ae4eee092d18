"""CIFAR-10 (50,000 images of 32 x 32, 10 classes) from scratch on a processor.

Command: python -m tapetum.recipes.cifar10 DATA RUN [EPOCHS]

DATA holds the original binary batches (data_batch_1.bin ... test_batch.bin).
Got 94.08 % of the test images right after 13.1 minutes of training (2026-11-21, two cores of an
AMD EPYC at 2.6 GHz with light load, 225 steps in bf16, seed 0, n = 1). The record code on
the same machine (`benchmarks/cifar10_record.py`): 94.13 %, 12.6 minutes (n = 1).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tapetum.base.progress import Log, no_log
from tapetum.recipes.small_images import learn_small_images, run_with

EPOCHS = 9
SETTINGS: dict[str, Any] = {
    "optimizer": "airbench",
    "batch_size": 2000,
    "lr": 0.24,
    "weight_decay": 1 / 60,
    "warmup_steps": 0,
}


def cifar10(data: str | Path, out: str | Path, epochs: int = EPOCHS, log: Log = no_log) -> Path:
    """Train the network of airbench on all 50,000 images; the report measures the test split."""
    return learn_small_images(data, out, image_size=32, epochs=epochs, log=log, **SETTINGS)


if __name__ == "__main__":
    run_with(cifar10)
