"""Tiny Mask and Keypoint R-CNN learn four made images by heart, then find what is in them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tapetum.base.seeds import generator
from tapetum.models import CATALOG
from tapetum.models.detection.two_stage.keypoint_rcnn import keypoint_rcnn
from tapetum.models.detection.two_stage.mask_rcnn import mask_rcnn
from tapetum.models.predict import predict
from tapetum.ops.boxes import box_iou
from tapetum.structures import Objects, Target

from .test_detection import BOXES, COLORS, learn

SIZE = (96, 128)
POINTS = torch.tensor([[0.25, 0.3], [0.7, 0.25], [0.6, 0.75]])
"""Where in a box the three keypoints are, x and y."""


def draw(instances: list[tuple[int, ...]], seed: int) -> tuple[Tensor, Target]:
    """Colored ellipses before grey noise, the color is the class, with a white, a black and a
    yellow dot on each. Outlines are masks, dots are keypoints."""
    image = 0.5 + 0.1 * torch.randn(3, *SIZE, generator=generator(seed))
    y, x = torch.meshgrid(torch.arange(SIZE[0]) + 0.5, torch.arange(SIZE[1]) + 0.5, indexing="ij")
    rows = torch.tensor(instances)
    boxes, masks, keypoints = rows[:, :4].float(), [], []
    for (x1, y1, x2, y2), label in zip(boxes.tolist(), rows[:, 4], strict=True):
        u, v = (x - x1) / (x2 - x1), (y - y1) / (y2 - y1)
        mask = (u - 0.5) ** 2 + (v - 0.5) ** 2 < 0.25
        image[:, mask] = COLORS[label][:, None]
        places = torch.tensor([x1, y1]) + POINTS * torch.tensor([x2 - x1, y2 - y1])
        for (px, py), dot in zip(places.tolist(), ((1, 1, 1), (0, 0, 0), (1, 1, 0)), strict=True):
            image[:, (x - px).square() + (y - py).square() < 9] = torch.tensor(dot)[:, None].float()
        masks.append(mask)
        keypoints.append(torch.cat((places, torch.full((3, 1), 2.0)), dim=1))
    objects = Objects(boxes, rows[:, 4], masks=torch.stack(masks), keypoints=torch.stack(keypoints))
    return image.clamp(0, 1), Target(objects=objects)


def learnt(model: Any, steps: int) -> list[tuple[Objects, Objects]]:
    """For each image what is there and what is found of it, in the same order."""
    images, targets = map(list, zip(*(draw(b, i) for i, b in enumerate(BOXES)), strict=True))
    before = model.target_logits(images, targets).detach()
    learn(model, images, targets, steps)
    assert (model.target_logits(images, targets) > before).all()
    pairs = []
    for prediction, target in zip(predict(model, images), targets, strict=True):
        ground_truth = target.objects
        best = prediction.objects[: len(ground_truth)]  # of N objects, the N surest detections
        overlap, match = box_iou(ground_truth.boxes, best.boxes).max(dim=1)
        assert (best.scores > 0.5).all()
        assert (overlap > 0.5).all()
        assert match.unique().numel() == len(ground_truth)
        assert torch.equal(best.labels[match], ground_truth.labels)
        pairs.append((ground_truth, best[match]))
    return pairs


def test_masks_are_learnt_by_heart() -> None:
    torch.manual_seed(0)
    model = mask_rcnn(**CATALOG["mask_rcnn"].tiny)
    for targets, found in learnt(model, steps=40):
        both = (targets.masks & found.masks).sum(dim=(1, 2))
        either = (targets.masks | found.masks).sum(dim=(1, 2))
        assert (both / either > 0.7).all(), both / either


def test_keypoints_are_learnt_by_heart() -> None:
    torch.manual_seed(0)
    model = keypoint_rcnn(**{**CATALOG["keypoint_rcnn"].tiny, "num_classes": 3})
    for targets, found in learnt(model, steps=40):
        error = (targets.keypoints - found.keypoints)[..., :2].norm(dim=2)
        assert (error < 4).all(), error
