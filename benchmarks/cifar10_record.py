"""The record code for CIFAR-10, airbench94, put on a processor: seconds and accuracies.

    python benchmarks/cifar10_record.py airbench94_muon.py DATA [SEED]

airbench94_muon.py is the file of that name of github.com/KellerJordan/cifar10-airbench; DATA holds
the original binary batches. The program is run as it is, but for REPLACED: the device, weights in
float32 that are multiplied in bfloat16 (autocast: bfloat16 itself has fewer digits than the float16
of the program), memory in channels-last order, no compiling, a clock of the processor, and one run.
The allocator is set as for ours. Compare with `python -m tapetum.recipes.cifar10`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import types
from pathlib import Path

import numpy as np
import torch

from tapetum.base.memory import tune_allocator

REPLACED = (
    ("@torch.compile\n", ""),
    ("import torchvision\nimport torchvision.transforms as T\n", ""),
    ("mod.half()", "mod.float()"),
    ("self.images.half()", "self.images.float()"),
    ('device("cuda")', 'device("cpu")'),
    ("T.Normalize(", "Normalize("),
    ("torch.cuda.Event(enable_timing=True)", "Clock()"),
    ("torch.cuda.synchronize()", "None"),
)


class Clock:
    """What a CUDA event is asked for."""

    def record(self) -> None:
        self.at = time.perf_counter()

    def elapsed_time(self, end: Clock) -> float:
        return 1000 * (end.at - self.at)


class Normalize:
    """torchvision's transform of that name, for batches."""

    def __init__(self, mean: torch.Tensor, std: torch.Tensor) -> None:
        self.mean, self.std = (v.view(1, 3, 1, 1) for v in (mean, std))

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return ((images - self.mean) / self.std).to(images.dtype)


def main() -> None:
    program, data, *seed = sys.argv[1:]
    tune_allocator()
    torch.manual_seed(int(seed[0]) if seed else 0)
    source = Path(program).read_text()
    source = source[: source.rindex('if __name__ == "__main__":')]
    for old, new in REPLACED:
        assert old in source, f"{program} has changed: no {old!r}"
        source = source.replace(old, new)
    record = types.ModuleType("record")
    record.__dict__.update(Clock=Clock, Normalize=Normalize)
    exec(compile(source, program, "exec"), record.__dict__)
    network = record.CifarNet
    network.forward = torch.autocast("cpu", torch.bfloat16)(network.forward)
    data = str(Path(data).resolve())
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        save_as_expected(Path(data))
        model = record.CifarNet().to(memory_format=torch.channels_last)
        started = time.perf_counter()
        accuracy = record.main("cpu", model)
    print(f"with six views {accuracy:.4f}, {time.perf_counter() - started:.0f} s in all")


def save_as_expected(data: Path) -> None:
    """The files cifar10/train.pt and test.pt that the program looks for."""
    Path("cifar10").mkdir(exist_ok=True)
    names = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}
    for split, files in names.items():
        rows = np.concatenate(
            [np.fromfile(data / name, np.uint8).reshape(-1, 3073) for name in files]
        )
        images = torch.from_numpy(rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy())
        labels = torch.from_numpy(rows[:, 0].astype(np.int64))
        torch.save({"images": images, "labels": labels, "classes": []}, f"cifar10/{split}.pt")


if __name__ == "__main__":
    main()
