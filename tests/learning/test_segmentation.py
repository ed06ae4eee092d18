"""Tiny U-Nets learn four made images by heart, and then know every pixel of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tapetum.base.seeds import generator
from tapetum.evaluation.segmentation import Confusion
from tapetum.models.predict import predict
from tapetum.models.segmentation.unet import unet
from tapetum.structures import Target

TINY: dict[str, dict[str, Any]] = {
    "paper": {"encoder": "paper", "width": 8, "norm": "batch"},
    "resnet": {
        "encoder": "resnet10",
        "width": 16,
        "norm": "group",
        "decoder_channels": [64, 32, 16, 16, 16],
        "finest": 2,
        "dice_weight": 1.0,
    },
}
COLORS = torch.tensor([[0.9, 0.2, 0.1], [0.1, 0.8, 0.3], [0.2, 0.3, 0.9]])
BOXES = (
    [(8, 10, 44, 40, 1), (60, 30, 90, 60, 2)],
    [(20, 36, 70, 60, 3), (60, 8, 90, 30, 1)],
    [(40, 20, 70, 50, 2)],
    [(6, 6, 40, 32, 3), (50, 34, 90, 60, 1), (60, 4, 92, 26, 2)],
)


def scene(objects: list[tuple[int, ...]], seed: int) -> tuple[Tensor, Target]:
    """Colored rectangles before grey noise; the color is the class, a corner is unknown."""
    image = 0.5 + 0.1 * torch.randn(3, 64, 96, generator=generator(seed))
    semantic = torch.zeros(64, 96, dtype=torch.uint8)
    for x1, y1, x2, y2, label in objects:
        image[:, y1:y2, x1:x2] = COLORS[label - 1][:, None, None]
        semantic[y1:y2, x1:x2] = label
    semantic[:4, :4] = 255
    return image.clamp(0, 1), Target(semantic=semantic)


def learn(model: Any, images: list[Tensor], targets: list[Target], steps: int) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-2, steps, pct_start=0.1)
    model.train()
    for _ in range(steps):
        batch = model.preprocess(images, targets)
        output = model(batch.pixels, batch.sizes, batch.targets)
        loss = torch.stack(list(model.losses(output, batch.targets).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("name", TINY)
def test_four_images_are_learnt_by_heart(name: str) -> None:
    torch.manual_seed(0)
    model = unet(num_classes=4, **TINY[name])
    images, targets = map(list, zip(*(scene(b, i) for i, b in enumerate(BOXES)), strict=True))
    before = model.target_logits(images, targets).detach()
    learn(model, images, targets, 50)
    assert (model.target_logits(images, targets) > before).all()
    confusion = Confusion(["nothing", "red", "green", "blue"])
    for prediction, target in zip(predict(model, images), targets, strict=True):
        confusion.add(target.semantic, prediction.semantic)
    assert confusion.result().stats["mIoU"] > 0.9
    assert (confusion.result().image_miou > 0.85).all()
