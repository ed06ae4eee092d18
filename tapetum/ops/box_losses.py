"""Losses of boxes in pairs: 1 - IoU, and what draws boxes together that do not overlap.

Each box of `boxes1` is compared with the one of `boxes2` in the same place. Computed in float32 at
least; a mean over no boxes is 0, still connected to the input.
"""

from __future__ import annotations

from torch import Tensor

from tapetum.ops import _overlaps
from tapetum.ops._arithmetic import reduce_loss, wide


def generalized_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """1 - generalised IoU: also boxes apart have a gradient towards each other.

    Rezatofighi et al. 2019, "Generalized Intersection over Union" (arXiv 1902.09630), algorithm 2.

    Args:
        boxes1: (N, 4) or (..., 4) x1 y1 x2 y2, in any unit; a box whose corners are swapped covers
            nothing.
        boxes2: as many boxes, in the same unit.
        reduction: "none", "mean" or "sum".
        eps: added to areas that are divided by, in square units.

    Returns:
        The loss from 0 (equal boxes) to 2 of each pair (N,) or (...,), or one number; float32, or
        float64 where an input is.

    Raises:
        ValueError: shapes that differ or do not end in 4, or an unknown `reduction`.
    """
    boxes1, boxes2 = _pairs(boxes1, boxes2)
    intersection, union = _overlaps.intersection_and_union(boxes1, boxes2)
    width, height = _overlaps.hull(boxes1, boxes2)
    hull = width * height
    loss = 1 - intersection / (union + eps) + (hull - union) / (hull + eps)
    return reduce_loss(loss, reduction)


def distance_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """1 - IoU plus the squared distance of the centres, in units of the common hull's diagonal.

    Zheng et al. 2020, "Distance-IoU Loss" (arXiv 1911.08287), equation 7.

    Args:
        boxes1: (N, 4) or (..., 4) x1 y1 x2 y2, in any unit; a box whose corners are swapped covers
            nothing.
        boxes2: as many boxes, in the same unit.
        reduction: "none", "mean" or "sum".
        eps: added to areas that are divided by, in square units.

    Returns:
        The loss from 0 (equal boxes) to 2 of each pair (N,) or (...,), or one number; float32, or
        float64 where an input is.

    Raises:
        ValueError: shapes that differ or do not end in 4, or an unknown `reduction`.
    """
    boxes1, boxes2 = _pairs(boxes1, boxes2)
    loss = 1 - _iou(boxes1, boxes2, eps) + _overlaps.distance_penalty(boxes1, boxes2, eps)
    return reduce_loss(loss, reduction)


def complete_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """The distance IoU loss plus a penalty for another ratio of width to height.

    Zheng et al. 2020, "Distance-IoU Loss" (arXiv 1911.08287), equations 8 to 11. The weight of the
    penalty is a constant to the gradient, as in the published code.

    Args:
        boxes1: (N, 4) or (..., 4) x1 y1 x2 y2, in any unit; a box whose corners are swapped covers
            nothing, and a point has the ratio 0.
        boxes2: as many boxes, in the same unit.
        reduction: "none", "mean" or "sum".
        eps: added to what is divided by; to areas in square units.

    Returns:
        The loss from 0 (equal boxes) to below 3 of each pair (N,) or (...,), or one number;
        float32, or float64 where an input is.

    Raises:
        ValueError: shapes that differ or do not end in 4, or an unknown `reduction`.
    """
    boxes1, boxes2 = _pairs(boxes1, boxes2)
    iou = _iou(boxes1, boxes2, eps)
    distance = _overlaps.distance_penalty(boxes1, boxes2, eps)
    loss = 1 - iou + distance + _overlaps.aspect_penalty(boxes1, boxes2, iou, eps)
    return reduce_loss(loss, reduction)


def _pairs(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    if boxes1.ndim == 0 or boxes1.shape[-1] != 4:
        raise ValueError(f"boxes1: expected shape (..., 4), got {tuple(boxes1.shape)}")
    if boxes1.shape != boxes2.shape:
        expected = tuple(boxes1.shape)
        raise ValueError(f"boxes2: expected shape {expected}, got {tuple(boxes2.shape)}")
    return wide(boxes1), wide(boxes2)


def _iou(boxes1: Tensor, boxes2: Tensor, eps: float) -> Tensor:
    intersection, union = _overlaps.intersection_and_union(boxes1, boxes2)
    return intersection / (union + eps)
