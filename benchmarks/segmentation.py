"""U-Net with a ResNet-34 beside segmentation_models_pytorch: milliseconds and peak memory.

In an environment with that package and the dependencies of tapetum, from the root of the project:

    PYTHONPATH=. python benchmarks/segmentation.py [--rounds 5] [--height 360] [--width 480] [--cpu]

Both sides are the same network with the same random weights on the same random pictures and maps,
11 classes, in float32 and in bfloat16 by autocast, under the same allocator setting; a training
step has eight pictures, prediction one. The rows "half" are ours with `finest=2`, which leaves out
the decoder's last stage, against the peer's whole network. Each case runs in a process of its own,
so that its peak memory is its own; the cases of a row take turns in one sitting. Ratios are
ours : theirs. On a busy machine, with one thread, `--cpu` compares what can be compared.
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

WORK, PRECISIONS, SIDES = ("predict", "train"), ("fp32", "bf16"), ("tapetum", "smp")
FINEST = {"whole": 1, "half": 2}
CLASSES, PICTURES = 11, 8


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--width", type=int, default=480)
    parser.add_argument("--cpu", action="store_true", help="time of the processor, not the clock's")
    parser.add_argument("--case", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if importlib.util.find_spec("segmentation_models_pytorch") is None:
        print("segmentation_models_pytorch is not installed: nothing to compare with")
        return
    if options.case:
        print(json.dumps(measure(*options.case, options=options)))
        return
    print(heading())
    print(f"{'':24s}{'ours ms':>10s}{'theirs':>10s}{'ratio':>8s}{'ours MiB':>10s}{'theirs':>8s}")
    with tempfile.TemporaryDirectory() as folder:
        weights = save_weights(Path(folder))
        for finest in FINEST:
            for work in WORK:
                for precision in PRECISIONS:
                    row(finest, work, precision, weights, options)


def save_weights(folder: Path) -> str:
    """A file with the reference's random weights, under its names."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    path = folder / "unet.safetensors"
    save_file(peer().state_dict(), path)
    return str(path)


def row(finest: str, work: str, precision: str, weights: str, options: argparse.Namespace) -> None:
    """Run both sides twice in turns and print the better of each."""
    best: dict[str, dict[str, float]] = {}
    for side in SIDES * 2:
        words = ["--case", side, finest, work, precision, weights]
        words += ["--rounds", str(options.rounds)]
        words += ["--height", str(options.height), "--width", str(options.width)]
        words += ["--cpu"] * options.cpu
        command = [sys.executable, __file__, *words]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found = json.loads(output.splitlines()[-1])
        if side not in best or found["ms"] < best[side]["ms"]:
            best[side] = found
    ours, theirs = (best[side] for side in SIDES)
    print(
        f"{f'{finest} {work} {precision}':24s}{ours['ms']:10.0f}{theirs['ms']:10.0f}"
        f"{ours['ms'] / theirs['ms']:8.2f}{ours['mib']:10.0f}{theirs['mib']:8.0f}",
        flush=True,
    )


def measure(
    side: str,
    finest: str,
    work: str,
    precision: str,
    weights: str,
    *,
    options: argparse.Namespace,
) -> dict[str, float]:
    """Median milliseconds of a training step on eight pictures, or of predicting one."""
    import torch

    from tapetum.base.runtime import tune_allocator

    tune_allocator()
    torch.manual_seed(0)
    size = (options.height, options.width)
    pictures = [torch.rand(3, *size) for _ in range(PICTURES)]
    maps = [torch.randint(0, CLASSES, size, dtype=torch.uint8) for _ in pictures]
    if side == "tapetum":
        run = tapetum_side(FINEST[finest], work, precision, weights, pictures, maps)
    else:
        run = smp_side(work, precision, weights, pictures, maps)
    clock = time.process_time if options.cpu else time.perf_counter
    seconds = []
    for _ in range(options.rounds + 2):
        started = clock()
        run()
        seconds.append(clock() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"ms": 1000 * statistics.median(seconds[2:]), "mib": peak}


def tapetum_side(
    finest: int, work: str, precision: str, weights: str, pictures: list, maps: list
) -> Callable[[], object]:
    import torch
    from safetensors.torch import load_file

    from tapetum.base.runtime import Runtime, generator
    from tapetum.models.predict import predict
    from tapetum.models.segmentation.unet import REFERENCE, unet
    from tapetum.structures import Sample, Target
    from tapetum.training.loop import train_step

    network = unet("resnet34", classes=CLASSES, finest=finest)
    network = network.to(memory_format=torch.channels_last)
    if finest == 1:
        renames, theirs = REFERENCE["segmentation_models_pytorch"], load_file(weights)
        own = {name: theirs[str(renames.theirs(name))] for name in network.state_dict()}
        network.load_state_dict(own)
    runtime = Runtime(torch.device("cpu"), precision)
    if work == "predict":
        return lambda: predict(network, pictures[:1], runtime=runtime)
    rows = zip(pictures, maps, strict=True)
    samples = [Sample(picture, Target(semantic=semantic)) for picture, semantic in rows]
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-5)
    return lambda: train_step(network, samples, optimizer, runtime, generator(0))


def smp_side(
    work: str, precision: str, weights: str, pictures: list, maps: list
) -> Callable[[], object]:
    import torch
    from safetensors.torch import load_file
    from torch.nn import functional as F

    network = peer()
    network.load_state_dict(load_file(weights))
    network = network.to(memory_format=torch.channels_last)
    mean = torch.tensor((0.485, 0.456, 0.406))[:, None, None]
    std = torch.tensor((0.229, 0.224, 0.225))[:, None, None]
    height, width = pictures[0].shape[1:]
    padding = (0, -width % 32, 0, -height % 32)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")

    def answer(some: list) -> torch.Tensor:
        pixels = F.pad((torch.stack(some) - mean) / std, padding)
        with autocast:
            return network(pixels.contiguous(memory_format=torch.channels_last))

    def predict() -> torch.Tensor:
        with torch.inference_mode():
            return answer(pictures[:1])[0, :, :height, :width].argmax(0)

    def step() -> None:
        optimizer.zero_grad()
        goal = F.pad(torch.stack(maps), padding, value=255).long()
        F.cross_entropy(answer(pictures).float(), goal, ignore_index=255).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1e9)
        optimizer.step()

    optimizer = torch.optim.SGD(network.parameters(), lr=1e-5)
    network.train(work == "train")
    return predict if work == "predict" else step


def peer():
    """The network of segmentation_models_pytorch."""
    import segmentation_models_pytorch as smp

    return smp.Unet("resnet34", encoder_weights=None, classes=CLASSES)


def heading() -> str:
    import segmentation_models_pytorch as smp
    import torch

    return (
        f"{date.today()}  {platform.machine()}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, segmentation_models_pytorch {smp.__version__}"
    )


if __name__ == "__main__":
    main()
