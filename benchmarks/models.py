"""Training steps and prediction beside torchvision's detectors: milliseconds and peak memory.

In an environment with torchvision and the dependencies of tapetum, from the root of the project:

    PYTHONPATH=. python benchmarks/models.py [--rounds 5] [--size 400] [--only retinanet]

Both sides are the same network (ResNet-50, feature pyramid, 91 classes, or persons with 17
keypoints) with the same random weights on the same random pictures, in float32 and in bfloat16 by
autocast, under the same allocator setting. Equal weights matter: how many boxes are proposed, and
with it the work, depends on them. Each case runs in a process of its own, so that its peak memory
is its own; the cases of a row take turns in one sitting. Ratios are ours : theirs. On a busy
machine, with one thread, `--cpu` compares what can be compared.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

MODELS = {
    "retinanet": "retinanet_resnet50_fpn",
    "faster_rcnn": "fasterrcnn_resnet50_fpn",
    "mask_rcnn": "maskrcnn_resnet50_fpn",
    "keypoint_rcnn": "keypointrcnn_resnet50_fpn",
}
NEAR = {"rpn.head.bbox_pred.weight": 1e-3, "roi_heads.box_predictor.bbox_pred.weight": 1e-3}
ADJUST = {
    "mask_rcnn": NEAR,
    "keypoint_rcnn": {**NEAR, "roi_heads.box_predictor.cls_score.weight": 1e-2},
}
"""Factors for random weights: with boxes that stay apart, and classes that are neither believed
nor refused everywhere, there are 100 detections, and with them masks and keypoints."""
WORK, PRECISIONS, SIDES = ("predict", "train"), ("fp32", "bf16"), ("tapetum", "torchvision")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=400, help="short side of the pictures")
    parser.add_argument("--only", choices=MODELS)
    parser.add_argument("--cpu", action="store_true", help="time of the processor, not the clock's")
    parser.add_argument("--case", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(*options.case, options=options)))
        return
    print(heading())
    print(f"{'':32s}{'ours ms':>10s}{'theirs':>10s}{'ratio':>8s}{'ours MiB':>10s}{'theirs':>8s}")
    with tempfile.TemporaryDirectory() as folder:
        for model in [options.only] if options.only else MODELS:
            weights = save_weights(model, Path(folder))
            for work in WORK:
                for precision in PRECISIONS:
                    row(model, work, precision, weights, options)


def save_weights(model: str, folder: Path) -> str:
    """A file with the reference's random weights, under its names."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    path = folder / f"{model}.safetensors"
    state = peer(model).state_dict()
    for name, factor in ADJUST.get(model, {}).items():
        state[name] *= factor
    save_file(state, path)
    return str(path)


def row(model: str, work: str, precision: str, weights: str, options: argparse.Namespace) -> None:
    """Run both sides twice in turns and print the better of each."""
    best: dict[str, dict[str, float]] = {}
    for side in SIDES * 2:
        words = ["--case", side, model, work, precision, weights]
        words += ["--rounds", str(options.rounds), "--size", str(options.size)]
        words += ["--cpu"] * options.cpu
        command = [sys.executable, __file__, *words]
        found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        if side not in best or found["ms"] < best[side]["ms"]:
            best[side] = found
    ours, theirs = (best[side] for side in SIDES)
    name = f"{model} {work} {precision}"
    print(
        f"{name:32s}{ours['ms']:10.0f}{theirs['ms']:10.0f}{ours['ms'] / theirs['ms']:8.2f}"
        f"{ours['mib']:10.0f}{theirs['mib']:8.0f}",
        flush=True,
    )


def measure(
    side: str, model: str, work: str, precision: str, weights: str, options: argparse.Namespace
) -> dict[str, float]:
    """Median milliseconds of a training step on two pictures, or of predicting one."""
    import torch

    from tapetum.base.runtime import tune_allocator

    tune_allocator()
    torch.manual_seed(0)
    prepare = tapetum_side if side == "tapetum" else torchvision_side
    run = prepare(model, work, precision, weights, options.size)
    clock = time.process_time if options.cpu else time.perf_counter
    seconds = []
    for _ in range(options.rounds + 2):
        started = clock()
        run()
        seconds.append(clock() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"ms": 1000 * statistics.median(seconds[2:]), "mib": peak}


def made_pictures(model: str, size: int):
    """Two pictures, height : width 3 : 4, and five things in each by torchvision's names."""
    import torch

    height, width = size, size * 4 // 3
    pictures, targets = [], []
    for _ in range(2):
        pictures.append(torch.rand(3, height, width))
        corner = torch.rand(5, 2) * torch.tensor([width * 0.6, height * 0.6])
        boxes = torch.cat([corner, corner + 20 + 0.35 * height * torch.rand(5, 2)], 1)
        target = {"boxes": boxes, "labels": torch.randint(1, 90, (5,))}
        if model == "mask_rcnn":
            y, x = torch.arange(height)[:, None], torch.arange(width)
            target["masks"] = torch.stack(
                [(x > x1) & (x < x2) & (y > y1) & (y < y2) for x1, y1, x2, y2 in boxes.tolist()]
            )
        if model == "keypoint_rcnn":
            target["labels"] = torch.ones(5, dtype=torch.int64)
            places = corner[:, None] + torch.rand(5, 17, 2) * (boxes[:, 2:] - corner)[:, None]
            target["keypoints"] = torch.cat([places, torch.full((5, 17, 1), 2.0)], 2)
        targets.append(target)
    return pictures, targets


def tapetum_side(model: str, work: str, precision: str, weights: str, size: int):
    import torch
    from safetensors.torch import load_file

    from tapetum.base.runtime import Runtime, generator
    from tapetum.models import MODELS as OURS
    from tapetum.models.predict import predict
    from tapetum.structures import Objects, Sample, Target
    from tapetum.training.loop import train_step

    arguments = {"min_size": size, "max_size": 2 * size}
    network = OURS[model](**arguments).to(memory_format=torch.channels_last)
    renames = sys.modules[OURS[model].__module__].REFERENCE["torchvision"]
    theirs = load_file(weights)
    network.load_state_dict({name: theirs[renames.theirs(name)] for name in network.state_dict()})
    runtime = Runtime(torch.device("cpu"), precision)
    pictures, targets = made_pictures(model, size)
    if work == "predict":
        return lambda: predict(network, pictures[:1], runtime=runtime)
    background = 0 if model == "retinanet" else 1  # classes of ours start after torchvision's
    samples = [
        Sample(picture, Target(objects=Objects(**{**t, "labels": t["labels"] - background})))
        for picture, t in zip(pictures, targets, strict=True)
    ]
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-5)
    return lambda: train_step(network, samples, optimizer, runtime, generator(0))


def torchvision_side(model: str, work: str, precision: str, weights: str, size: int):
    import torch
    from safetensors.torch import load_file

    network = peer(model, min_size=size, max_size=2 * size)
    network.load_state_dict(load_file(weights))
    network = network.to(memory_format=torch.channels_last)
    if model == "keypoint_rcnn":  # its loss refuses the memory order that everything else likes
        heatmaps = network.roi_heads.keypoint_predictor
        heatmaps.register_forward_hook(lambda module, inputs, output: output.contiguous())
    pictures, targets = made_pictures(model, size)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
    if work == "predict":
        network.eval()

        def predict():
            with torch.inference_mode(), autocast:
                network(pictures[:1])

        return predict
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-5)
    network.train()

    def step():
        optimizer.zero_grad()
        with autocast:
            loss = sum(network(pictures, targets).values())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1e9)
        optimizer.step()

    return step


def peer(model: str, **settings: int):
    """The network of torchvision."""
    import torchvision

    build = getattr(torchvision.models.detection, MODELS[model])
    return build(weights=None, weights_backbone=None, **settings)


def heading() -> str:
    import torch
    import torchvision

    return (
        f"{date.today()}  {platform.machine()}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, torchvision {torchvision.__version__}"
    )


if __name__ == "__main__":
    main()
