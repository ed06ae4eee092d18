"""Training steps and prediction beside torchvision and segmentation_models_pytorch.

In an environment with these and the dependencies of tapetum, from the root of the project:

    PYTHONPATH=. python benchmarks/models.py [--rounds 5] [--only resnet50 unet] [--size 320]

Both sides are the same network with the same random weights on the same random images, in
float32 and in bfloat16 by autocast, under the same allocator setting (`networks.py` has them).
Equal weights matter: how many boxes are proposed, and with it the work, depends on them. Each case
runs in a process of its own, so that its peak memory is its own; the cases of a row take turns in
one sitting. Ratios are ours : theirs. "of peak" is the share of what this machine reaches in a
large matrix product of the same precision, by the operations of our convolutions and products. On
a busy machine, with one thread, `--cpu` compares what can be compared.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from networks import PAIRS, reference_side, reference_weights, tapetum_side

WORK, PRECISIONS, SIDES = ("predict", "train"), ("fp32", "bf16"), ("tapetum", "reference")
PRODUCTS = (1024, 2048, 4096)
"""Sides of the matrices whose fastest product is called the machine's peak."""


def main() -> None:
    options = arguments()
    if options.case:
        print(json.dumps(measure(*options.case, options=options)))
        return
    peaks = {precision: peak(precision) for precision in PRECISIONS}
    print(heading(peaks))
    columns = ("ours ms", "theirs", "ratio", "of peak", "ours MiB", "theirs")
    print(f"{'':28s}" + "".join(f"{column:>10s}" for column in columns))
    with tempfile.TemporaryDirectory() as folder:
        for model in options.only or PAIRS:
            if importlib.util.find_spec(PAIRS[model].package) is None:
                print(f"{model:28s}{PAIRS[model].package} is not installed")
                continue
            weights = save_weights(model, Path(folder))
            for work in WORK:
                for precision in PRECISIONS:
                    row((model, work, precision, weights), peaks[precision], options)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, help="short side of a detector's images, else 400")
    parser.add_argument("--only", nargs="+", choices=PAIRS)
    parser.add_argument("--cpu", action="store_true", help="time of the processor, not the clock's")
    parser.add_argument("--case", nargs=5, help=argparse.SUPPRESS)
    return parser.parse_args()


def save_weights(model: str, folder: Path) -> str:
    """A file with the reference's random weights, under its names."""
    from safetensors.torch import save_file

    path = folder / f"{model}.safetensors"
    save_file(reference_weights(model), path)
    return str(path)


def row(case: tuple[str, str, str, str], most: float, options: argparse.Namespace) -> None:
    """Run both sides twice in turns and print the better of each; most: GFLOP/s of the peak."""
    best: dict[str, dict[str, float]] = {}
    for side in SIDES * 2:
        words = ["--case", side, *case, "--rounds", str(options.rounds)]
        words += ["--size", str(options.size)] if options.size else []
        words += ["--cpu"] if options.cpu else []
        command = [sys.executable, __file__, *words]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        found = json.loads(output.splitlines()[-1])
        if side not in best or found["ms"] < best[side]["ms"]:
            best[side] = found
    ours, theirs = (best[side] for side in SIDES)
    share = ours["gflop"] / ours["ms"] * 1000 / most
    print(
        f"{' '.join(case[:3]):28s}{ours['ms']:10.0f}{theirs['ms']:10.0f}"
        f"{ours['ms'] / theirs['ms']:10.2f}{share:10.0%}{ours['mib']:10.0f}{theirs['mib']:10.0f}",
        flush=True,
    )


def measure(
    side: str, model: str, work: str, precision: str, weights: str, options: argparse.Namespace
) -> dict[str, float]:
    """Median milliseconds of a training step or a prediction, and its operations."""
    from safetensors.torch import load_file
    from torch.utils.flop_counter import FlopCounterMode

    from tapetum.base.memory import tune_allocator

    tune_allocator()
    size = PAIRS[model].size
    if options.size and PAIRS[model].kind == "objects":
        size = (options.size, options.size * 4 // 3)
    preprocess = tapetum_side if side == "tapetum" else reference_side
    run = preprocess(model, work, precision, load_file(weights), size)
    run()
    ms = median_ms(run, options)
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    counter = FlopCounterMode(display=False)
    with counter:
        run()
    return {"ms": ms, "mib": mib, "gflop": counter.get_total_flops() / 1e9}


def median_ms(run: Callable[[], object], options: argparse.Namespace) -> float:
    clock = time.process_time if options.cpu else time.perf_counter
    seconds = []
    for _ in range(options.rounds + 1):
        started = clock()
        run()
        seconds.append(clock() - started)
    return 1000 * statistics.median(seconds[1:])


def peak(precision: str) -> float:
    """GFLOP/s of a large matrix product, the best of ten of each size."""
    import torch

    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    best = 0.0
    for side in PRODUCTS:
        a, b = (torch.rand(side, side, dtype=dtype) for _ in range(2))
        for _ in range(10):
            started = time.perf_counter()
            a @ b
            best = max(best, 2 * side**3 / (time.perf_counter() - started) / 1e9)
    return best


def heading(peaks: dict[str, float]) -> str:
    import torch

    most = ", ".join(f"{precision} {value:.0f} GFLOP/s" for precision, value in peaks.items())
    return (
        f"{date.today()}  {platform.machine()}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}; matrix product: {most}"
    )


if __name__ == "__main__":
    main()
