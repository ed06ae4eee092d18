"""A small model and dataset for tests of the loop: which half of the image is brighter?"""

from __future__ import annotations

import os
import signal
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.base.errors import ImageError
from tapetum.base.runtime import Runtime
from tapetum.base.seeds import generator
from tapetum.runs.history import read_history
from tapetum.runs.model_info import ModelInfo
from tapetum.runs.settings import Settings
from tapetum.structures import Batch, Model, Sample, Target
from tapetum.training.loop import Job
from tapetum.weights.checkpoint import find_checkpoint
from tapetum.weights.tensors_file import read_tensors

TIMES = ("seconds", "data_wait", "evaluation_seconds")


class Output(NamedTuple):
    logits: Tensor


class PlainLayers(nn.Sequential):
    """Weights of every kind, without a backbone whose stages an optimizer could tell apart."""

    def layer_groups(self):
        return []


def plain_layers() -> PlainLayers:
    return PlainLayers(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 2))


class Toy(Model[Output]):
    task = "classification"

    def __init__(self, width: int = 4):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.head = nn.Linear(width * 4, 2)

    def preprocess(self, images, targets=None):
        sizes = torch.tensor([p.shape[-2:] for p in images])
        pixels = torch.stack([p.float() / 255 for p in images])
        return Batch(pixels, sizes, sizes, None if targets is None else tuple(targets))

    def forward(self, pixels, sizes, targets=None, generators=None):
        x = F.relu(self.norm(self.conv(pixels)))
        if targets is not None:
            drawn = [torch.rand(x.shape[1:], generator=g) for g in generators]
            x = x * (torch.stack(drawn) > 0.1)
        return Output(self.head(F.adaptive_avg_pool2d(x, 2).flatten(1)))

    def losses(self, output, targets):
        labels = torch.cat([t.labels for t in targets])
        return {"class": F.cross_entropy(output.logits, labels)}

    def postprocess(self, output, batch, options=None):
        raise NotImplementedError

    def target_logits(self, images, targets):
        raise NotImplementedError

    def explain_layers(self):
        return {}


class TrainingData:
    name, classes = "toy", ("left", "right")

    def __init__(self, count: int = 12, broken: int | None = None):
        self.count, self.broken = count, broken

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index == self.broken:
            raise ImageError("truncated", file=f"{index}.png")
        image = torch.randint(0, 100, (3, 8, 8), generator=generator(5, index), dtype=torch.uint8)
        side = index % 2
        image[:, :, side * 4 : side * 4 + 4] += 100
        return Sample(image, Target(labels=torch.tensor([side])), f"{index}.png")


def noise(sample: Sample, random: torch.Generator) -> Sample:
    flip = torch.randint(0, 20, sample.image.shape, generator=random, dtype=torch.uint8)
    return Sample(sample.image + flip, sample.target, sample.name)


def make_job(folder, model=None, dataset=None, validate=None, precision="fp32", **settings) -> Job:
    torch.manual_seed(0)
    defaults = {"epochs": 7, "batch_size": 4, "save_seconds": 1e9, "lr": 0.01}
    return Job(
        model=model or Toy(),
        dataset=dataset or TrainingData(),
        augment=noise,
        settings=Settings(**(defaults | settings)),
        runtime=Runtime(torch.device("cpu"), precision),
        folder=folder,
        model_info=ModelInfo("toy", {}, ("left", "right")),
        validate=validate,
        metric="accuracy",
    )


def accuracy(model, flag) -> dict[str, float]:
    flag.check()
    data = TrainingData()
    model.eval()
    with torch.no_grad():
        batch = model.preprocess([data[i].image for i in range(len(data))])
        found = model(batch.pixels, batch.sizes).logits.argmax(1)
    return {"accuracy": float((found == torch.arange(len(data)) % 2).float().mean())}


def history(folder):
    rows = read_history(folder)
    return [{k: v for k, v in row.items() if k not in TIMES} for row in rows]


def same_state(first, second):
    a, b = (
        read_tensors(find_checkpoint(f, "last")[0] / "state.safetensors") for f in (first, second)
    )
    assert a.keys() == b.keys()
    different = [name for name in a if not torch.equal(a[name], b[name])]
    assert different == []


class StopAt:
    """An observer that sends this process a signal after some step, like a person would."""

    def __init__(self, step, number=signal.SIGTERM):
        self.step, self.number = step, number

    def on_start(self, total_steps, first_step): ...
    def on_end(self): ...
    def on_evaluation(self, row): ...

    def on_step(self, row, state):
        if row["step"] == self.step:
            os.kill(os.getpid(), self.number)
