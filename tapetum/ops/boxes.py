"""Boxes: area, overlap, formats, clipping, and the offsets that a network learns.

A box is x1 y1 x2 y2 in absolute pixels, half open: pixel i covers [i, i + 1). All arithmetic runs
in float32 at least: whatever is narrower, integers included, is widened first, and autocast never
narrows these elementwise functions. float64 stays float64.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tapetum.ops import _overlaps
from tapetum.ops._arithmetic import wide

DELTA_CLIP = math.log(1000 / 16)
"""The most that a box may grow in one decoding, as a logarithm (Girshick et al., Detectron)."""

_FORMATS = ("xyxy", "xywh", "cxcywh")


def box_area(boxes: Tensor, fmt: str = "xyxy") -> Tensor:
    """Area of each box: width times height.

    Args:
        boxes: (..., 4) in pixels, in the format `fmt`.
        fmt: "xyxy", "xywh" or "cxcywh", as in `box_convert`.

    Returns:
        (...,) in square pixels, float32, or float64 where the boxes are. Negative where one side
        alone is.

    Raises:
        ValueError: an unknown format.
    """
    _check_format(fmt)
    if fmt != "xyxy":
        return wide(boxes)[..., 2] * wide(boxes)[..., 3]
    x1, y1, x2, y2 = wide(boxes).unbind(-1)
    return (x2 - x1) * (y2 - y1)


def box_iou(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> Tensor:
    """Intersection over union, Jaccard's index, of every box of one set with every other's.

    As PASCAL VOC measures overlap (Everingham et al. 2010).

    Args:
        boxes1: (N, 4) or (..., N, 4) in pixels, in the format `fmt`.
        boxes2: (M, 4) or (..., M, 4), likewise.
        fmt: "xyxy", "xywh" or "cxcywh", as in `box_convert`.

    Returns:
        (N, M) or (..., N, M) from 0 to 1, float32, or float64 where an input is. Two boxes without
        any area have IoU 0, so the result is finite for every finite box.

    Raises:
        ValueError: an unknown format.
    """
    _check_format(fmt)
    boxes1, boxes2 = (_to_corners(wide(boxes), fmt) for boxes in (boxes1, boxes2))
    return _overlaps.pairwise(_overlaps.iou, boxes1, boxes2)


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Generalised IoU of every box of one set with every box of another.

    IoU minus the fraction of the smallest enclosing box that neither box covers, so that boxes
    apart still have a gradient towards each other. Rezatofighi et al. 2019, "Generalized
    Intersection over Union" (arXiv 1902.09630), equation 1 and algorithm 1.

    Args:
        boxes1: (N, 4) or (..., N, 4) x1 y1 x2 y2 in pixels.
        boxes2: (M, 4) or (..., M, 4), likewise.

    Returns:
        (N, M) or (..., N, M) in (-1, 1], float32, or float64 where an input is; finite for every
        finite box, and 0 for two that are the same point.
    """
    return _overlaps.pairwise(_overlaps.generalized_iou, wide(boxes1), wide(boxes2))


def distance_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """IoU minus the squared distance of the centres, of every box of one set with every other's.

    The distance is in units of the diagonal of the smallest enclosing box. Zheng et al. 2020,
    "Distance-IoU Loss" (arXiv 1911.08287), equation 7.

    Args:
        boxes1: (N, 4) or (..., N, 4) x1 y1 x2 y2 in pixels.
        boxes2: (M, 4) or (..., M, 4), likewise.
        eps: added to the squared diagonal, in square pixels.

    Returns:
        (N, M) or (..., N, M) in (-1, 1], float32, or float64 where an input is.
    """

    def function(first: Tensor, second: Tensor) -> Tensor:
        return _overlaps.iou(first, second) - _overlaps.distance_penalty(first, second, eps)

    return _overlaps.pairwise(function, wide(boxes1), wide(boxes2))


def complete_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """The distance IoU minus a penalty for another ratio of width to height.

    Zheng et al. 2020, "Distance-IoU Loss" (arXiv 1911.08287), equations 8 to 11. The weight of the
    penalty is a constant to the gradient, as in the published code.

    Args:
        boxes1: (N, 4) or (..., N, 4) x1 y1 x2 y2 in pixels.
        boxes2: (M, 4) or (..., M, 4), likewise.
        eps: added to what is divided by; to the squared diagonal in square pixels.

    Returns:
        (N, M) or (..., N, M) in (-2, 1], float32, or float64 where an input is; finite for flat
        boxes too.
    """

    def function(first: Tensor, second: Tensor) -> Tensor:
        iou = _overlaps.iou(first, second)
        distance = _overlaps.distance_penalty(first, second, eps)
        return iou - distance - _overlaps.aspect_penalty(first, second, iou, eps)

    return _overlaps.pairwise(function, wide(boxes1), wide(boxes2))


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes moved inside an image, corner by corner; one that lies outside becomes empty.

    Args:
        boxes: (..., 4) x1 y1 x2 y2 in pixels.
        size: (height, width) of the image in pixels.

    Returns:
        (..., 4) of the dtype of `boxes`: x from 0 to width, y from 0 to height.
    """
    height, width = size
    x1, y1, x2, y2 = boxes.unbind(-1)
    x1, x2 = x1.clamp(0, width), x2.clamp(0, width)
    y1, y2 = y1.clamp(0, height), y2.clamp(0, height)
    return torch.stack((x1, y1, x2, y2), dim=-1)


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """Which boxes are large enough: those whose width and height are both >= `min_size`.

    Args:
        boxes: (N, 4) x1 y1 x2 y2 in pixels.
        min_size: the least width and height, in pixels.

    Returns:
        Their indices (K,) int64, ascending.
    """
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.nonzero((x2 - x1 >= min_size) & (y2 - y1 >= min_size)).flatten()


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Boxes from one format to another.

    "xyxy": corners; "xywh": left, top, width, height; "cxcywh": centre, width, height.

    Args:
        boxes: (..., 4) in any unit, in the format `in_fmt`.
        in_fmt: one of the three.
        out_fmt: likewise.

    Returns:
        (..., 4) float32, or float64 where the boxes are; where the formats are the same, a copy.

    Raises:
        ValueError: an unknown format.
    """
    for name in (in_fmt, out_fmt):
        _check_format(name)
    if in_fmt == out_fmt:
        return boxes.clone()
    return _from_corners(_to_corners(wide(boxes), in_fmt), out_fmt)


def encode_boxes(
    reference_boxes: Tensor,
    proposals: Tensor,
    weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0),
) -> Tensor:
    """Offsets that lead from proposals to reference boxes.

    Shift of the centre in units of the proposal's size and logarithm of the growth (Girshick et al.
    2014, appendix C; Ren et al. 2015, equation 2), each times its weight. A box without width or
    height gives -inf, the logarithm of 0.

    Args:
        reference_boxes: (..., 4) xyxy.
        proposals: (..., 4) xyxy.
        weights: of x, y, width and height.

    Returns:
        (..., 4) dx, dy, dw, dh.
    """
    target_center, target_size = _center_and_size(wide(reference_boxes))
    center, size = _center_and_size(wide(proposals))
    shift, growth = target_center - center, torch.log(target_size / size)  # (..., 2)
    wx, wy, ww, wh = weights
    dx, dy = wx * shift[..., 0] / size[..., 0], wy * shift[..., 1] / size[..., 1]
    return torch.stack((dx, dy, ww * growth[..., 0], wh * growth[..., 1]), dim=-1)


def decode_boxes(
    deltas: Tensor,
    anchors: Tensor,
    weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0),
    clip: float = DELTA_CLIP,
) -> Tensor:
    """Apply offsets to anchors: the inverse of `encode_boxes`.

    Deltas and anchors broadcast: for C classes give deltas (N, C, 4) and anchors (N, 1, 4).

    Args:
        deltas: (..., 4) dx, dy, dw, dh.
        anchors: (..., 4) xyxy.
        weights: of x, y, width and height.
        clip: upper bound of dw and dh, so that an untrained network cannot overflow.

    Returns:
        (..., 4) xyxy.
    """
    center, size = _center_and_size(wide(anchors))
    dx, dy, dw, dh = (d / w for d, w in zip(wide(deltas).unbind(-1), weights, strict=True))
    x = dx * size[..., 0] + center[..., 0]
    y = dy * size[..., 1] + center[..., 1]
    half_width = 0.5 * (torch.exp(dw.clamp(max=clip)) * size[..., 0])
    half_height = 0.5 * (torch.exp(dh.clamp(max=clip)) * size[..., 1])
    corners = (x - half_width, y - half_height, x + half_width, y + half_height)
    return torch.stack(corners, dim=-1)


def _check_format(name: str) -> None:
    if name not in _FORMATS:
        raise ValueError(f"box format: expected one of {', '.join(_FORMATS)}, got {name!r}")


def _center_and_size(boxes: Tensor) -> tuple[Tensor, Tensor]:
    low, high = boxes[..., :2], boxes[..., 2:]
    size = high - low
    return low + 0.5 * size, size  # (..., 2) each


def _to_corners(boxes: Tensor, fmt: str) -> Tensor:
    place, size = boxes[..., :2], boxes[..., 2:]
    if fmt == "xywh":
        return torch.cat((place, place + size), dim=-1)
    if fmt == "cxcywh":
        return torch.cat((place - 0.5 * size, place + 0.5 * size), dim=-1)
    return boxes


def _from_corners(boxes: Tensor, fmt: str) -> Tensor:
    low, high = boxes[..., :2], boxes[..., 2:]
    if fmt == "xywh":
        return torch.cat((low, high - low), dim=-1)
    if fmt == "cxcywh":
        return torch.cat(((low + high) / 2, high - low), dim=-1)
    return boxes
