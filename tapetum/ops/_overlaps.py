"""How much two boxes overlap, as arithmetic on boxes that broadcast against each other.

All take boxes (..., 4), x1 y1 x2 y2, in float32 or float64. For all pairs give `pairwise` the
function; for boxes in pairs call it as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from tapetum.ops._arithmetic import ratio

_PAIRS = 2**15 - 1  # from 2 ** 15 elements on, PyTorch splits an operation over threads


def pairwise(
    function: Callable[[Tensor, Tensor], Tensor], boxes1: Tensor, boxes2: Tensor
) -> Tensor:
    """The function of every box of boxes1 (..., N, 4) with every one of boxes2 (..., M, 4).

    On the processor it runs a few rows at a time: its many intermediate results then stay in the
    cache and in one thread; fetching fresh memory for them takes several times as long as the
    arithmetic.
    """
    tracked = torch.is_grad_enabled() and (boxes1.requires_grad or boxes2.requires_grad)
    columns = boxes2[..., None, :, :]  # (..., 1, M, 4)
    if torch.compiler.is_compiling() or tracked or boxes1.device.type != "cpu":
        return function(boxes1[..., None, :], columns)
    batched = boxes1.ndim > 2 or boxes2.ndim > 2
    if batched or len(boxes1) * len(boxes2) <= _PAIRS:
        return function(boxes1[..., None, :], columns)
    dtype = torch.promote_types(boxes1.dtype, boxes2.dtype)
    result = boxes1.new_empty(len(boxes1), len(boxes2), dtype=dtype)
    step = max(1, _PAIRS // len(boxes2))
    for start in range(0, len(boxes1), step):
        rows = slice(start, start + step)
        result[rows] = function(boxes1[rows, None], columns)
    return result


def iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    return ratio(*intersection_and_union(boxes1, boxes2))


def generalized_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    intersection, union = intersection_and_union(boxes1, boxes2)
    width, height = hull(boxes1, boxes2)
    area = width * height
    return ratio(intersection, union) - ratio(area - union, area)


def intersection_and_union(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    x1, y1, x2, y2 = boxes1.unbind(-1)
    x1s, y1s, x2s, y2s = boxes2.unbind(-1)
    width = torch.minimum(x2, x2s) - torch.maximum(x1, x1s)
    height = torch.minimum(y2, y2s) - torch.maximum(y1, y1s)
    intersection = width.clamp(min=0) * height.clamp(min=0)
    union = _content(boxes1) + _content(boxes2) - intersection
    return intersection, union


def hull(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """Width and height of the smallest box around both."""
    x1, y1, x2, y2 = boxes1.unbind(-1)
    x1s, y1s, x2s, y2s = boxes2.unbind(-1)
    width = torch.maximum(x2, x2s) - torch.minimum(x1, x1s)
    height = torch.maximum(y2, y2s) - torch.minimum(y1, y1s)
    return width.clamp(min=0), height.clamp(min=0)


def distance_penalty(boxes1: Tensor, boxes2: Tensor, eps: float) -> Tensor:
    """Squared distance of the centres by the squared diagonal of the hull, from 0 to 1."""
    boxes1, boxes2 = _ordered(boxes1), _ordered(boxes2)
    width, height = hull(boxes1, boxes2)
    x1, y1, x2, y2 = boxes1.unbind(-1)
    x1s, y1s, x2s, y2s = boxes2.unbind(-1)
    x, y = (x1 + x2) / 2 - (x1s + x2s) / 2, (y1 + y2) / 2 - (y1s + y2s) / 2
    return (x**2 + y**2) / (width**2 + height**2 + eps)


def aspect_penalty(boxes1: Tensor, boxes2: Tensor, overlap: Tensor, eps: float) -> Tensor:
    """How far two shapes differ, the more it counts the more the boxes overlap (their IoU).

    Zheng et al. 2020, equations 8, 9 and 11; the weight is a constant to the gradient.
    """
    difference = 4 / math.pi**2 * (_slope(boxes1) - _slope(boxes2)) ** 2
    weight = (difference / (1 - overlap + difference + eps)).detach()
    return weight * difference


def _ordered(boxes: Tensor) -> Tensor:
    """The same boxes with no corners swapped: their hull is never smaller than their distance."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return torch.cat((torch.minimum(low, high), torch.maximum(low, high)), dim=-1)


def _slope(boxes: Tensor) -> Tensor:
    """arctan(width / height), finite with its gradient for flat boxes too; 0 for a point."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    width, height = x2 - x1, y2 - y1
    width = torch.where(height < 0, -width, width)
    point = (width == 0) & (height == 0)
    return torch.atan2(width, torch.where(point, 1, height.abs()))


def _content(boxes: Tensor) -> Tensor:
    """Area of what lies inside: nothing in a box whose corners are swapped."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    return (x2 - x1).clamp(min=0) * (y2 - y1).clamp(min=0)
