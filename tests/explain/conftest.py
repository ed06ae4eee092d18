"""Small models that satisfy the protocol, for explanations to explain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.structures import Batch, Objects, Target


class Classifier(nn.Module):
    """Layers in a row to class logits; no resizing, no normalisation, no padding."""

    differentiable = True

    def __init__(self, body: nn.Sequential, layer: int) -> None:
        super().__init__()
        self.body, self.layer = body, layer

    def preprocess(self, images: Sequence[Tensor], targets: Any = None) -> Batch:
        pixels = torch.stack(list(images))
        sizes = torch.tensor([image.shape[-2:] for image in images])
        return Batch(pixels, sizes, sizes, None)

    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        logits = self.body(self.preprocess(images).pixels)
        chosen = [logits[i, t.labels] for i, t in enumerate(targets) if t.labels is not None]
        return torch.cat(chosen) if chosen else logits.new_zeros(0)

    def explain_layers(self) -> dict[str, tuple[nn.Module, Callable[[Any], Tensor]]]:
        return {"features": (self.body[self.layer], lambda output: output)}


class Levels(nn.Module):
    """A dense detector: a stem, two levels, one shared head; a box is scored at its middle.

    The image is doubled in size and padded to multiples of 16 at the right and the bottom.
    Large boxes (over 8 pixels in the original) belong to the coarse level.
    """

    differentiable = True

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.down = nn.Conv2d(6, 6, 3, stride=2, padding=1)
        self.head = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(inplace=True))
        self.logits = nn.Conv2d(6, classes, 1)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weight in self.parameters():
                weight.copy_(torch.randn(weight.shape, generator=generator) / 3)
            self.logits.weight[1].abs_()  # class 1 believes in everything a little

    def preprocess(self, images: Sequence[Tensor], targets: Any = None) -> Batch:
        doubled = [F.interpolate(p[None], scale_factor=2, mode="bilinear")[0] for p in images]
        sizes = torch.tensor([p.shape[-2:] for p in doubled])
        height, width = ((sizes.amax(0) + 15) // 16 * 16).tolist()
        padded = [
            F.pad(p - 0.5, (0, width - p.shape[-1], 0, height - p.shape[-2])) for p in doubled
        ]
        originals = torch.tensor([p.shape[-2:] for p in images])
        return Batch(torch.stack(padded), sizes, originals, None)

    def levels(self, pixels: Tensor) -> list[Tensor]:
        fine = self.stem(pixels).relu()  # (B, 6, H / 2, W / 2)
        coarse = self.down(fine).relu()  # (B, 6, H / 4, W / 4)
        return [self.logits(self.head(level)) for level in (fine, coarse)]

    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        levels = self.levels(self.preprocess(images).pixels)
        scores = []
        for i, target in enumerate(targets):
            objects = target.objects if target.objects is not None else Objects.empty()
            for box, label in zip(objects.boxes, objects.labels, strict=True):
                large = bool((box[2] - box[0]) * (box[3] - box[1]) > 64)
                stride = 2 if large else 1  # in pixels of the original
                x, y = ((box[:2] + box[2:]) / 2 / stride).long().tolist()
                scores.append(levels[large][i, label, y, x])
        return torch.stack(scores) if scores else levels[0].new_zeros(0)

    def explain_layers(self) -> dict[str, tuple[nn.Module, Callable[[Any], Tensor]]]:
        return {
            "head": (self.head, lambda output: output),
            "coarse": (self.down, lambda output: output),
        }


@pytest.fixture
def classifier() -> type[Classifier]:
    return Classifier


@pytest.fixture
def levels() -> Levels:
    return Levels()


@pytest.fixture
def obj() -> Callable[..., Target]:
    """thing(x1, y1, x2, y2, label=0) -> a target with that one box."""

    def make(*box: float, label: int = 0) -> Target:
        boxes = torch.tensor([box], dtype=torch.float32)
        return Target(objects=Objects(boxes=boxes, labels=torch.tensor([label])))

    return make
