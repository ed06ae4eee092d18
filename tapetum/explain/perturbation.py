"""Maps from how the score changes when the image does; no gradient is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from tapetum.explain.gradients import total_score
from tapetum.explain.method import Method
from tapetum.structures import Model, Target

GRAY = 0.5
SQUARES_A_SIDE = 8
"""The square's side is this part of the image's short side; its step is half of its own side."""


def occlusion(model: Model, image: Tensor, target: Target, batch_size: int = 1) -> Tensor:
    """(H, W): how far the score falls when a grey square hides the place (Zeiler and Fergus 2014,
    section 4).

    The square measures an eighth of the image's short side and moves by half of its own side, so
    that 225 squares and more cover an image. The heat of a pixel is the mean fall over the squares
    that hide it, and 0 where hiding it makes the score rise: what lights up may lie beside what
    matters by up to one square. batch_size: images that are scored at once.
    """
    height, width = image.shape[-2:]
    side = max(1, min(height, width) // SQUARES_A_SIDE)
    corners = [(y, x) for y in _starts(height, side) for x in _starts(width, side)]
    whole = total_score(model, image, target)
    fall, covered = torch.zeros_like(image[0]), torch.zeros_like(image[0])  # (H, W)
    for some in _batches(corners, batch_size):
        scores = _scores(model, [_hidden(image, y, x, side) for y, x in some], target)
        for (y, x), score in zip(some, scores, strict=True):
            fall[y : y + side, x : x + side] += whole - score
            covered[y : y + side, x : x + side] += 1
    return (fall / covered).clamp(min=0)


def _starts(length: int, side: int) -> list[int]:
    """Where squares begin along an axis; the last one ends at the border."""
    last = length - side
    return [*range(0, last, max(1, side // 2)), last]


def _batches(
    corners: Sequence[tuple[int, int]], batch_size: int
) -> Iterator[Sequence[tuple[int, int]]]:
    for start in range(0, len(corners), batch_size):
        yield corners[start : start + batch_size]


def _hidden(image: Tensor, y: int, x: int, side: int) -> Tensor:
    """A copy of the image with the square from (y, x) on in grey."""
    copy = image.clone()
    copy[:, y : y + side, x : x + side] = GRAY
    return copy


def _scores(model: Model, images: Sequence[Tensor], target: Target) -> Tensor:
    """(N,): the summed scores of `target` in each image."""
    scores = model.target_logits(images, [target] * len(images))  # (N * objects,)
    return scores.unflatten(0, (len(images), -1)).sum(dim=1)


METHODS = {"occlusion": Method(occlusion, frozenset({"forwards"}), "Zeiler and Fergus 2014")}
