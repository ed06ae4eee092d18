"""Writes ops.json: small cases of box, suppression, region, matching and loss operators.

Run it where torch and torchvision are installed: `python tests/golden/make_ops.py`.
Inputs are stored with the answers, so that the tests need neither torchvision nor this file.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision import ops
from torchvision.models.detection._utils import BoxCoder, Matcher

OUT = Path(__file__).with_name("ops.json")
DIGITS = 9
"""Enough for a float32 to come back from the text with the same bits."""


def main() -> None:
    makers: dict[str, tuple[Callable[[torch.Generator, int], dict[str, Any]], int]] = {
        "iou": (iou, 4),
        "coder": (coder, 4),
        "nms": (nms, 20),
        "roi_align": (roi_align, 20),
        "roi_pool": (roi_pool, 8),
        "matches": (matches, 12),
        "focal": (focal, 4),
    }
    value = {
        name: [maker(torch.Generator().manual_seed(1000 + i), i) for i in range(count)]
        for name, (maker, count) in makers.items()
    }
    OUT.write_text(json.dumps(value, separators=(",", ":")) + "\n")


def iou(generator: torch.Generator, i: int) -> dict[str, Any]:
    boxes1, boxes2 = boxes(generator, 3), boxes(generator, 4)
    return {
        "boxes1": numbers(boxes1),
        "boxes2": numbers(boxes2),
        "iou": numbers(ops.box_iou(boxes1, boxes2)),
        "giou": numbers(ops.generalized_box_iou(boxes1, boxes2)),
    }


def coder(generator: torch.Generator, i: int) -> dict[str, Any]:
    weights = [(1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0)][i % 2]
    targets, anchors = boxes(generator, 4), boxes(generator, 4)
    offsets = torch.randn(4, 4, generator=generator) * 4  # some beyond the clip
    coder = BoxCoder(weights)
    return {
        "weights": list(weights),
        "boxes": numbers(targets),
        "anchors": numbers(anchors),
        "offsets": numbers(offsets),
        "encoded": numbers(coder.encode_single(targets, anchors)),
        "decoded": numbers(coder.decode_single(offsets, anchors)),
    }


def nms(generator: torch.Generator, i: int) -> dict[str, Any]:
    """Whole coordinates and few scores: IoU meets the threshold exactly, and scores are tied."""
    count = 5 + 2 * i
    corner = torch.randint(0, 12, (count, 2), generator=generator).float()
    size = torch.randint(2, 9, (count, 2), generator=generator).float()
    drawn = torch.cat((corner, corner + size), dim=1)
    scores = torch.randint(1, 8, (count,), generator=generator) / 8
    threshold = [0.0, 0.2, 0.25, 0.3, 1 / 3, 0.5, 0.6, 0.7][i % 8]
    labels = torch.randint(0, 3, (count,), generator=generator)
    alone = [(labels == c).nonzero().flatten() for c in range(3)]
    kept = torch.cat([own[ops.nms(drawn[own], scores[own], threshold)] for own in alone])
    kept = kept.sort().values
    return {
        "boxes": numbers(drawn),
        "scores": numbers(scores),
        "threshold": threshold,
        "labels": labels.tolist(),
        "kept": ops.nms(drawn, scores, threshold).tolist(),
        "kept_by_label": kept[scores[kept].argsort(descending=True, stable=True)].tolist(),
    }


def roi_align(generator: torch.Generator, i: int) -> dict[str, Any]:
    case = rois(generator, i)
    options = (case["size"], case["scale"], [-1, 2, 3, 1][i % 4], i % 8 >= 4)
    features = torch.tensor(case["features"]).requires_grad_()
    pooled = ops.roi_align(features, torch.tensor(case["rois"]), *options)
    weights = torch.linspace(-1, 1, pooled.numel()).view(pooled.shape)
    (pooled * weights).sum().backward()
    return case | {
        "ratio": options[2],
        "aligned": options[3],
        "pooled": numbers(pooled),
        "gradient": numbers(features.grad),
    }


def roi_pool(generator: torch.Generator, i: int) -> dict[str, Any]:
    case = rois(generator, i)
    features = torch.tensor(case["features"]).requires_grad_()
    pooled = ops.roi_pool(features, torch.tensor(case["rois"]), case["size"], case["scale"])
    (pooled * torch.linspace(-1, 1, pooled.numel()).view(pooled.shape)).sum().backward()
    return case | {"pooled": numbers(pooled), "gradient": numbers(features.grad)}


def rois(generator: torch.Generator, i: int) -> dict[str, Any]:
    """A small map and five regions: inside, across an edge, outside, tiny and without area."""
    features = torch.randn(2, 2, 5, 6, generator=generator)
    corner = torch.tensor([[4.0, 4], [-9, 7], [60, 50], [10, 8], [12, 6]])
    size = torch.tensor([[20.0, 18], [24, 40], [30, 30], [1, 2], [0, 0]])
    corner += torch.rand(5, 2, generator=generator) * 3
    rois = torch.cat((torch.tensor([[0.0], [1], [1], [0], [1]]), corner, corner + size), dim=1)
    return {
        "features": numbers(features),
        "rois": numbers(rois),
        "size": [[2, 3], [1, 1], [3, 2]][i % 3],
        "scale": [0.25, 0.125][i % 2],
    }


def matches(generator: torch.Generator, i: int) -> dict[str, Any]:
    overlap = torch.randint(0, 9, (1 + i % 4, 3 + i), generator=generator) / 8  # ties
    high, low, forced = [0.7, 0.5, 0.625][i % 3], [0.3, 0.5, 0.25][i % 3], i % 2 == 0
    return {
        "iou": numbers(overlap),
        "high": high,
        "low": low,
        "forced": forced,
        "matches": Matcher(high, low, forced)(overlap.clone()).tolist(),
    }


def focal(generator: torch.Generator, i: int) -> dict[str, Any]:
    logits = torch.randn(3, 4, generator=generator) * 5
    targets = torch.randint(0, 2, (3, 4), generator=generator).float()
    alpha, gamma = [(0.25, 2.0), (-1.0, 2.0), (0.75, 1.5), (0.5, 0.0)][i]
    return {
        "logits": numbers(logits),
        "targets": numbers(targets),
        "alpha": alpha,
        "gamma": gamma,
        "loss": numbers(ops.sigmoid_focal_loss(logits, targets, alpha, gamma)),
    }


def boxes(generator: torch.Generator, count: int) -> Tensor:
    corner = torch.rand(count, 2, generator=generator) * 20
    return torch.cat((corner, corner + 1 + torch.rand(count, 2, generator=generator) * 20), dim=1)


def numbers(values: Tensor) -> Any:
    def shorten(value: Any) -> Any:
        return [shorten(v) for v in value] if isinstance(value, list) else shortest(value)

    return shorten(values.detach().tolist())


def shortest(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


if __name__ == "__main__":
    main()
