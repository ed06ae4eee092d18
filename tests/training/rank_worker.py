"""One of several processes that train together; `test_ranks` starts them.

python rank_worker.py FOLDER CASE..., with RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT set. Each
case trains in its own folder FOLDER/CASE.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from tapetum.base.errors import TapetumError
from tapetum.base.ranks import gathered, process_group, ranks
from tapetum.base.runtime import Runtime
from tapetum.models import CATALOG
from tapetum.runs.settings import Settings
from tapetum.structures import Objects, Sample, Target
from tapetum.training.loop import Job, fit
from tapetum.training.signals import Stopped
from tapetum.weights.checkpoint import ModelInfo, find_checkpoint
from tests.training.toy import StopAt, Toy, accuracy, make_job

BODY = {"backbone": "resnet10", "backbone_width": 16, "norm": "group", "num_classes": 2}
DETECTOR = {"fpn_channels": 16, "anchor_sizes": [8, 16, 32, 64, 128], "min_size": 64}
MODELS = {
    "resnet10": {"backbone_width": 16, "norm": "group", "image_size": 64, "dropout": 0.5},
    "retinanet": {**DETECTOR, "head_convs": 1},
    "faster_rcnn": {**DETECTOR, "head_width": 32},
    "unet": {"encoder": "resnet10", "width": 16, "norm": "group", "dice_weight": 1.0,
             "decoder_channels": [16, 16, 8, 8, 8]},
}  # fmt: skip


class Scenes:
    """Images of one or no object, with all that any task may ask for."""

    name, classes = "scenes", ("a", "b")
    keypoint_names, skeleton = (), ()

    def __init__(self, count: int = 8) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        draw = torch.Generator().manual_seed(index)
        image = torch.rand(3, 64, 64, generator=draw)
        count = index % 3  # the processes count different numbers of objects
        corner = 24 * torch.rand(count, 2, generator=draw)
        boxes = torch.cat((corner, corner + 12 + 20 * torch.rand(count, 2, generator=draw)), 1)
        labels = torch.arange(count) % 2
        semantic = torch.full((64, 64), index % 2)
        semantic[: 8 * index] = 255
        target = Target(torch.tensor([index % 2]), Objects(boxes, labels), semantic)
        return Sample(image, target, f"{index}.png")


def model_job(name: str, folder: Path, **settings: object) -> Job:
    torch.manual_seed(0)
    arguments = dict(MODELS[name])
    if name in ("retinanet", "faster_rcnn"):
        arguments |= BODY
    defaults = {"batch_size": 5, "max_steps": 3, "lr": 0.01, "save_seconds": 1e9, "ema_decay": 0.0}
    model = CATALOG[name].build(**{"num_classes": 2} | arguments)
    return Job(
        model, Scenes(), lambda sample, random: sample,
        Settings(**{**defaults, "optimizer": "sgd", **settings}),
        Runtime(torch.device("cpu")), folder, ModelInfo(name, {}, ("a", "b")),
    )  # fmt: skip


class NoNorm(Toy):
    """The toy without statistics of a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.GroupNorm(2, 4)


class FailsOnOne(NoNorm):
    def losses(self, output: object, targets: Sequence[Target]) -> dict:
        if ranks().rank == 1:
            raise TapetumError("this process has had enough")
        return super().losses(output, targets)


class SignalToOne(StopAt):
    def on_step(self, row: dict, state: object) -> None:
        if row["step"] == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


class AsksToStop(StopAt):
    def on_step(self, row: dict, state: object) -> bool:
        return row["step"] == self.step


def shared_accuracy(model: torch.nn.Module, flag: object) -> dict[str, float]:
    """As `accuracy`, but every process says what it has got: all must have got the same."""
    numbers = accuracy(model, flag)
    assert len({part[0] for part in gathered([numbers["accuracy"]])}) == 1
    return numbers


def work(folder: Path, case: str) -> None:
    if ranks().first:
        folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    if case in MODELS:
        fit(model_job(case, folder))
    elif case == "micro-batches":
        fit(model_job("faster_rcnn", folder, accumulate=2))
    elif case == "resume":
        last = find_checkpoint(folder, "last")[0]
        fit(make_job(folder, model=NoNorm(), validate=shared_accuracy), resume=last)
    else:
        kinds = {"one fails": FailsOnOne, "batch norm": Toy}
        observers = {"signal": [SignalToOne(8)], "asks": [AsksToStop(5)]}.get(case, ())
        model = kinds.get(case, NoNorm)()
        job = make_job(folder, model=model, validate=shared_accuracy)
        fit(job, observers)


def main() -> int:
    torch.set_num_threads(1)
    try:
        with process_group():
            for case in sys.argv[2:]:
                work(Path(sys.argv[1]) / case, case)
    except Stopped as stopped:
        return stopped.exit_code
    except TapetumError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
