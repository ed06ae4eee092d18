"""What the contract asks with: pictures and truth for every task, and how answers are compared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from tapetum.base.runtime import generator
from tapetum.models import MODELS
from tapetum.structures import Fits, Learns, Objects, Prediction, Sample, Target

from .tiny import TINY

BOXED = ("detection", "instances", "keypoints", "localization")
"""Tasks whose answers are objects."""
Row = tuple[float, float, float, float, int]


def picture(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(3, height, width, generator=generator(seed, height, width))


PICTURES = [picture(96, 128, 1), picture(96, 128, 2), picture(120, 90, 3)]
ROWS: list[list[Row]] = [
    [(10, 10, 60, 50, 0), (70, 30, 120, 90, 1)],
    [],
    [(5, 20, 80, 110, 2)],
]


def target(task: str, size: tuple[int, int], *rows: Row, crowd: bool = False) -> Target:
    """The truth of a picture of `size` with things at `rows` (x1, y1, x2, y2, class), as a task
    has it: a class a picture is that of the first thing, and 255 where there is nothing."""
    if task == "classification":
        return Target(labels=torch.tensor([row[4] for row in rows[:1]], dtype=torch.int64))
    if task == "segmentation":
        semantic = torch.full(size, 255, dtype=torch.uint8)
        for x1, y1, x2, y2, label in rows:
            semantic[int(y1) : int(y2), int(x1) : int(x2)] = label
        return Target(semantic=semantic)
    objects = boxes(rows, crowd)
    if task == "instances":
        objects = objects.with_(masks=filled(objects.boxes, size))
    if task == "keypoints":
        objects = objects.with_(labels=objects.labels * 0, keypoints=corners(objects.boxes))
    return Target(objects=objects)


def targets(task: str) -> list[Target]:
    sizes = [tuple(p.shape[1:]) for p in PICTURES]
    return [target(task, size, *rows) for size, rows in zip(sizes, ROWS, strict=True)]


def owners(task: str) -> list[int]:
    """The picture of each score that `targets` gets."""
    return [0, 0, 2] if task in BOXED else [0, 2]


def boxes(rows: tuple[Row, ...], crowd: bool = False) -> Objects:
    return Objects(
        boxes=torch.tensor([row[:4] for row in rows], dtype=torch.float32).reshape(-1, 4),
        labels=torch.tensor([row[4] for row in rows], dtype=torch.int64),
        crowd=torch.full((len(rows),), crowd),
    )


def filled(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, H, W) bool: each box without its upper left quarter, so that masks are not just boxes."""
    masks = torch.zeros(len(boxes), *size, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.round().long().tolist(), strict=True):
        mask[y1:y2, x1:x2] = True
        mask[y1 : (y1 + y2) // 2, x1 : (x1 + x2) // 2] = False
    return masks


def corners(boxes: Tensor) -> Tensor:
    """(N, 3, 3): three points in each box; the second is hidden."""
    x1, y1, x2, y2 = boxes.unbind(1)
    middle = torch.stack([(x1 + x2) / 2, (y1 + y2) / 2], 1)
    places = torch.stack([boxes[:, :2] + 3, middle, boxes[:, 2:] - 3], 1)
    seen = torch.tensor([2.0, 1.0, 2.0]).expand(len(boxes), 3)
    return torch.cat([places, seen[:, :, None]], 2)


def build(name: str, seed: int = 0, **changes: Any) -> Any:
    """A tiny model whose scores are spread out: fresh heads say nearly the same everywhere, and
    then rounding, not the pictures, would decide what is found first. Fitted, if it is fitted."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: Any = MODELS[name](**{**TINY[name], **changes})
        for parameter in model.parameters():
            if parameter.ndim > 1:
                nn.init.kaiming_normal_(parameter, nonlinearity="linear")
    if isinstance(model, Fits) and not isinstance(model, Learns):
        samples = [
            Sample(one, target(model.task, (one.shape[1], one.shape[2]), (0, 0, 90, 90, label)))
            for label, one in enumerate(PICTURES)
        ]
        model.fit(samples, generator(seed))
    return model.eval()


def assert_same(first: Prediction, second: Prediction, tolerance: float = 0.0) -> None:
    """Two answers to one picture agree; a few pixels of a map or mask may lie on an edge."""
    close = {"rtol": tolerance, "atol": tolerance, "check_dtype": False}
    if first.class_scores is not None:
        torch.testing.assert_close(first.class_scores, second.class_scores, **close)
        assert torch.equal(first.labels, second.labels)
    if first.semantic is not None:
        assert_same_pixels(first.semantic, second.semantic, tolerance)
    if first.objects is None:
        return
    a, b = first.objects, second.objects
    assert torch.equal(a.labels, b.labels)
    torch.testing.assert_close(a.scores, b.scores, **close)
    torch.testing.assert_close(a.boxes, b.boxes, **{**close, "atol": tolerance * 128})
    if a.masks is not None:
        assert_same_pixels(a.masks, b.masks, tolerance)
    if a.keypoints is not None:
        torch.testing.assert_close(a.keypoints, b.keypoints, **{**close, "atol": tolerance * 1000})


def assert_same_pixels(a: Tensor, b: Tensor, tolerance: float) -> None:
    share = float((a != b).double().mean()) if a.numel() else 0.0
    assert share <= (1e-3 if tolerance else 0.0)


def answered(prediction: Prediction) -> int:
    """How many things a prediction names."""
    if prediction.objects is not None:
        return len(prediction.objects)
    if prediction.semantic is not None:
        return len(prediction.semantic.unique())
    return len(prediction.class_scores)


def as_truth(prediction: Prediction) -> Target:
    """A prediction taken as truth."""
    objects = prediction.objects
    if objects is not None:
        objects = objects.with_(scores=None)
    return Target(prediction.labels, objects, prediction.semantic)


def without(one: Target) -> Target:
    """The same truth with nothing in it."""
    objects = one.objects
    return replace(
        one,
        labels=None if one.labels is None else one.labels[:0],
        objects=None if objects is None else objects[:0],
        semantic=None if one.semantic is None else torch.full_like(one.semantic, 255),
    )
