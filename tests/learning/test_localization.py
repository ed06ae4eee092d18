"""Tiny localizers learn four made images by heart: what is in them, and where."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tapetum.base.seeds import generator
from tapetum.models.localization.localizer import ObjectLocalizer, localizer
from tapetum.models.predict import predict
from tapetum.ops.boxes import box_iou
from tapetum.structures import Objects, Target

COLORS = torch.tensor([[0.9, 0.2, 0.1], [0.1, 0.8, 0.3], [0.2, 0.3, 0.9]])
BOXES = (
    [(8, 10, 44, 40, 0), (60, 30, 120, 84, 1)],
    [(20, 50, 70, 90, 2), (80, 8, 118, 50, 0)],
    [(40, 20, 90, 70, 1)],
    [(6, 6, 50, 52, 2), (64, 48, 110, 88, 0)],
)
KINDS: dict[str, dict[str, Any]] = {
    "l2": {"box_loss": "l2", "box_weight": 20.0},
    "smooth_l1, a box a class": {"box_loss": "smooth_l1", "class_agnostic": False},
    "giou": {"box_loss": "giou"},
    "two objects": {"objects": 2},
}


def scene(instances: list[tuple[int, ...]], seed: int) -> tuple[Tensor, Target]:
    """Colored rectangles before grey noise; the color is the class."""
    image = 0.5 + 0.1 * torch.randn(3, 96, 128, generator=generator(seed))
    for x1, y1, x2, y2, label in instances:
        image[:, y1:y2, x1:x2] = COLORS[label][:, None, None]
    rows = torch.tensor(instances)
    objects = Objects(boxes=rows[:, :4].float(), labels=rows[:, 4])
    return image.clamp(0, 1), Target(objects=objects)


def learn(model: ObjectLocalizer, images: list[Tensor], targets: list[Target], steps: int) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps, pct_start=0.1)
    model.train()
    for _ in range(steps):
        batch = model.preprocess(images, targets)
        assert batch.targets is not None
        output = model(batch.pixels, batch.sizes, batch.targets)
        loss = torch.stack(list(model.losses(output, batch.targets).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("kind", KINDS)
def test_four_images_are_learnt_by_heart(kind: str) -> None:
    torch.manual_seed(0)
    arguments: dict[str, Any] = {"backbone": "resnet10", "backbone_width": 8, "norm": "group"}
    model = localizer(**arguments, num_classes=3, image_size=64, **KINDS[kind])
    rows = [list(row) if model.objects == 2 else [largest(row)] for row in BOXES]
    images, targets = map(list, zip(*(scene(r, i) for i, r in enumerate(rows)), strict=True))
    learn(model, images, targets, steps=50)
    for prediction, target in zip(predict(model, images), targets, strict=True):
        found, ground_truth = prediction.objects, target.objects
        assert len(found) == len(ground_truth)
        overlap, match = box_iou(ground_truth.boxes, found.boxes).max(dim=1)
        assert (overlap > 0.6).all()
        assert torch.equal(found.labels[match], ground_truth.labels)
        assert (found.scores > 0.5).all()
    for image, target in zip(images, targets, strict=True):
        boxes, labels = target.objects.boxes, target.objects.labels
        others = Objects(boxes=boxes, labels=(labels + 1) % 3)
        right, wrong = (
            model.target_logits([image], [Target(objects=o)]) for o in (target.objects, others)
        )
        assert (right > wrong).all()


def largest(objects: list[tuple[int, ...]]) -> tuple[int, ...]:
    return max(objects, key=lambda t: (t[2] - t[0]) * (t[3] - t[1]))
