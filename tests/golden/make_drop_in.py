"""Writes drop_in.json: what torchvision.ops answers for boxes, masks and losses of boxes.

Run it where torch and torchvision are installed: `python tests/golden/make_drop_in.py`. Suppression
and regions are in ops.json. Numbers are float64 and come back from the text with the same bits; the
inputs are stored with the answers, so that the tests need neither torchvision nor this file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor
from torchvision import ops

OUT = Path(__file__).with_name("drop_in.json")
FORMATS = ("xyxy", "xywh", "cxcywh")
LOSSES = ("generalized_box_iou_loss", "distance_box_iou_loss", "complete_box_iou_loss")


def main() -> None:
    generator = torch.Generator().manual_seed(2000)
    value = {
        "torchvision": torchvision.__version__.partition("+")[0],
        "overlaps": [overlaps(generator, i) for i in range(4)],
        "formats": [formats(generator) for _ in range(2)],
        "losses": [losses(generator, i) for i in range(4)],
        "masks": [masks(generator, share) for share in (0.02, 0.2, 0.9)],
    }
    OUT.write_text(json.dumps(value, separators=(",", ":")) + "\n")


def overlaps(generator: torch.Generator, i: int) -> dict[str, Any]:
    """Sets of boxes, the last two cases a batch of sets."""
    leading = () if i < 2 else (2,)
    boxes1, boxes2 = boxes(generator, *leading, 3), boxes(generator, *leading, 4)
    return {
        "boxes1": boxes1.tolist(),
        "boxes2": boxes2.tolist(),
        "box_iou": ops.box_iou(boxes1, boxes2).tolist(),
        "generalized_box_iou": ops.generalized_box_iou(boxes1, boxes2).tolist(),
        "distance_box_iou": ops.distance_box_iou(boxes1, boxes2).tolist(),
        "complete_box_iou": ops.complete_box_iou(boxes1, boxes2).tolist(),
        "by_format": {name: ops.box_iou(boxes1, boxes2, fmt=name).tolist() for name in FORMATS},
    }


def formats(generator: torch.Generator) -> dict[str, Any]:
    drawn = boxes(generator, 5) - 4
    return {
        "boxes": drawn.tolist(),
        "area": {name: ops.box_area(drawn, fmt=name).tolist() for name in FORMATS},
        "clipped": ops.clip_boxes_to_image(drawn, (14, 18)).tolist(),
        "large": ops.remove_small_boxes(drawn, 9.0).tolist(),
        "converted": {
            f"{a} {b}": ops.box_convert(drawn, a, b).tolist() for a in FORMATS for b in FORMATS
        },
    }


def losses(generator: torch.Generator, i: int) -> dict[str, Any]:
    """Boxes in pairs that mostly overlap; the loss, its mean, and the gradient of its sum."""
    boxes1 = boxes(generator, 5)
    boxes2 = boxes1 + torch.randn(5, 4, generator=generator, dtype=torch.float64) * (0.2 + i)
    boxes2[:, 2:] = torch.maximum(boxes2[:, 2:], boxes2[:, :2] + 0.5)
    case: dict[str, Any] = {"boxes1": boxes1.tolist(), "boxes2": boxes2.tolist()}
    for name in LOSSES:
        inputs = boxes1.clone().requires_grad_()
        loss = getattr(ops, name)(inputs, boxes2)
        loss.sum().backward()
        case[name] = {
            "loss": loss.tolist(),
            "mean": getattr(ops, name)(boxes1, boxes2, "mean").item(),
            "gradient": inputs.grad.tolist(),
        }
    return case


def masks(generator: torch.Generator, share: float) -> dict[str, Any]:
    drawn = torch.rand(4, 6, 9, generator=generator) < share
    drawn[0] = False
    return {"masks": drawn.int().tolist(), "boxes": ops.masks_to_boxes(drawn).tolist()}


def boxes(generator: torch.Generator, *shape: int) -> Tensor:
    corner = torch.rand(*shape, 2, generator=generator, dtype=torch.float64) * 15
    size = 1 + torch.rand(*shape, 2, generator=generator, dtype=torch.float64) * 20
    return torch.cat((corner, corner + size), dim=-1)


if __name__ == "__main__":
    main()
