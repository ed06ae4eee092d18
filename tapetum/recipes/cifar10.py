"""CIFAR-10 (50,000 pictures of 32 x 32, 10 classes) from scratch on a processor.

Command: python -m tapetum.recipes.cifar10 DATA RUN [EPOCHS]

DATA holds the original binary batches (data_batch_1.bin ... test_batch.bin).
Not measured yet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tapetum.base.progress import Say, silent
from tapetum.recipes.small_pictures import learn_small_pictures, run_with

EPOCHS = 9
SETTINGS: dict[str, Any] = {
    "batch_size": 1000,
    "lr": 0.17,
    "weight_decay": 0.05,
    "warmup_steps": 10,
}


def cifar10(data: str | Path, out: str | Path, epochs: int = EPOCHS, say: Say = silent) -> Path:
    """Train the network of airbench on all 50,000 pictures; the report measures the test split."""
    return learn_small_pictures(data, out, image_size=32, epochs=epochs, say=say, **SETTINGS)


if __name__ == "__main__":
    run_with(cifar10)
