"""Each tiny detector learns four made images by heart, and then finds what is in them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tapetum.base.seeds import ImageGenerators, generator
from tapetum.models import CATALOG
from tapetum.models.predict import predict
from tapetum.ops.boxes import box_iou
from tapetum.structures import Objects, Target

STEPS = {"retinanet": 60, "faster_rcnn": 80}
COLORS = torch.tensor([[0.9, 0.2, 0.1], [0.1, 0.8, 0.3], [0.2, 0.3, 0.9]])
BOXES = (
    [(8, 10, 44, 40, 0), (60, 30, 120, 84, 1)],
    [(20, 50, 70, 90, 2), (80, 8, 118, 50, 0)],
    [(40, 20, 90, 70, 1)],
    [(6, 6, 50, 52, 2), (64, 48, 110, 88, 0), (70, 4, 120, 36, 1)],
)


def scene(instances: list[tuple[int, ...]], seed: int) -> tuple[Tensor, Target]:
    """Colored rectangles before grey noise; the color is the class."""
    image = 0.5 + 0.1 * torch.randn(3, 96, 128, generator=generator(seed))
    for x1, y1, x2, y2, label in instances:
        image[:, y1:y2, x1:x2] = COLORS[label][:, None, None]
    rows = torch.tensor(instances)
    objects = Objects(boxes=rows[:, :4].float(), labels=rows[:, 4])
    return image.clamp(0, 1), Target(objects=objects)


def learn(model: Any, images: list[Tensor], targets: list[Target], steps: int) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps, pct_start=0.1)
    model.train()
    for step in range(steps):
        batch = model.preprocess(images, targets)
        keys = [("step", step, index) for index in range(len(images))]
        output = model(batch.pixels, batch.sizes, batch.targets, ImageGenerators(0, keys))
        loss = torch.stack(list(model.losses(output, batch.targets).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10)
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("name", STEPS)
def test_four_images_are_learnt_by_heart(name: str) -> None:
    torch.manual_seed(0)
    model: Any = CATALOG[name].build(**CATALOG[name].tiny)
    images, targets = map(list, zip(*(scene(b, i) for i, b in enumerate(BOXES)), strict=True))
    before = model.target_logits(images, targets).detach()
    learn(model, images, targets, STEPS[name])
    assert (model.target_logits(images, targets) > before).all()
    for prediction, target in zip(predict(model, images), targets, strict=True):
        ground_truth = target.objects
        best = prediction.objects[: len(ground_truth)]  # of N objects, the N surest detections
        assert (best.scores > 0.5).all()
        overlap, match = box_iou(ground_truth.boxes, best.boxes).max(dim=1)
        assert (overlap > 0.5).all()
        assert match.unique().numel() == len(ground_truth)
        assert torch.equal(best.labels[match], ground_truth.labels)
