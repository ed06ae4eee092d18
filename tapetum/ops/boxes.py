"""Boxes: area, overlap, formats, clipping, and the offsets that a network learns.

A box is x1 y1 x2 y2 in absolute pixels, half open: pixel i covers [i, i + 1). All arithmetic runs
in float32 at least: whatever is narrower, integers included, is widened first, and autocast never
narrows these elementwise functions. float64 stays float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

DELTA_CLIP = math.log(1000 / 16)
"""The most that a box may grow in one decoding, as a logarithm (Girshick et al., Detectron)."""

_FORMATS = ("xyxy", "xywh", "cxcywh")
_PAIRS = 2**15 - 1  # from 2 ** 15 elements on, PyTorch splits an operation over threads


def box_area(boxes: Tensor) -> Tensor:
    """Areas (...,) of boxes (..., 4), in square pixels."""
    x1, y1, x2, y2 = _wide(boxes).unbind(-1)
    return (x2 - x1) * (y2 - y1)


def box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Intersection over union (N, M) of every box of boxes1 (N, 4) with every one of boxes2 (M, 4).

    Two boxes without any area have IoU 0, so the result is finite for every finite box.
    """
    return _pairwise(_iou, _wide(boxes1), _wide(boxes2))


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Generalised IoU (N, M) in (-1, 1], Rezatofighi et al. 2019, equation 1 and algorithm 1.

    IoU minus the share of the smallest enclosing box that neither box covers, so that boxes
    apart still have a gradient towards each other.
    """
    return _pairwise(_generalized_iou, _wide(boxes1), _wide(boxes2))


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes (..., 4) moved inside a picture of `size` (height, width); they may become empty."""
    height, width = size
    x1, y1, x2, y2 = boxes.unbind(-1)
    x1, x2 = x1.clamp(0, width), x2.clamp(0, width)
    y1, y2 = y1.clamp(0, height), y2.clamp(0, height)
    return torch.stack((x1, y1, x2, y2), dim=-1)


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """Indices (K,) int64 of the boxes (N, 4) whose width and height are both >= `min_size`."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.nonzero((x2 - x1 >= min_size) & (y2 - y1 >= min_size)).flatten()


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Boxes (..., 4) from one format to another.

    "xyxy": corners; "xywh": left, top, width, height; "cxcywh": centre, width, height.

    Raises:
        ValueError: an unknown format.
    """
    for name in (in_fmt, out_fmt):
        if name not in _FORMATS:
            raise ValueError(f"box format: expected one of {', '.join(_FORMATS)}, got {name!r}")
    if in_fmt == out_fmt:
        return boxes.clone()
    return _from_corners(_to_corners(_wide(boxes), in_fmt), out_fmt)


def encode_boxes(
    reference_boxes: Tensor,
    proposals: Tensor,
    weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0),
) -> Tensor:
    """Offsets (..., 4) that lead from `proposals` to `reference_boxes`, both (..., 4).

    Shift of the centre in units of the proposal's size and logarithm of the growth (Girshick et
    al. 2014, appendix C; Ren et al. 2015, equation 2), each times its weight. Both need a positive
    width and height: the logarithm of nothing is -inf, as it should be.
    """
    target_center, target_size = _center_and_size(_wide(reference_boxes))
    center, size = _center_and_size(_wide(proposals))
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
    """Boxes (..., 4) that `deltas` (..., 4) make of `anchors` (..., 4): encode_boxes undone.

    The two broadcast: for C classes give deltas (N, C, 4) and anchors (N, 1, 4). Growth is bounded
    by exp(`clip`), so that an untrained network cannot overflow.
    """
    center, size = _center_and_size(_wide(anchors))
    dx, dy, dw, dh = (d / w for d, w in zip(_wide(deltas).unbind(-1), weights, strict=True))
    x = dx * size[..., 0] + center[..., 0]
    y = dy * size[..., 1] + center[..., 1]
    half_width = 0.5 * (torch.exp(dw.clamp(max=clip)) * size[..., 0])
    half_height = 0.5 * (torch.exp(dh.clamp(max=clip)) * size[..., 1])
    corners = (x - half_width, y - half_height, x + half_width, y + half_height)
    return torch.stack(corners, dim=-1)


def _wide(boxes: Tensor) -> Tensor:
    """The same boxes in float32, or in float64 if they are."""
    return boxes if boxes.dtype == torch.float64 else boxes.float()


def _pairwise(
    function: Callable[[Tensor, Tensor], Tensor], boxes1: Tensor, boxes2: Tensor
) -> Tensor:
    """function(boxes1, boxes2) (N, M), on the processor a few rows at a time.

    Its many intermediate results then stay in the cache and in one thread; fetching fresh memory
    for them takes several times as long as the arithmetic.
    """
    tracked = torch.is_grad_enabled() and (boxes1.requires_grad or boxes2.requires_grad)
    if torch.compiler.is_compiling() or tracked or boxes1.device.type != "cpu":
        return function(boxes1, boxes2)
    if len(boxes1) * len(boxes2) <= _PAIRS:
        return function(boxes1, boxes2)
    dtype = torch.promote_types(boxes1.dtype, boxes2.dtype)
    result = boxes1.new_empty(len(boxes1), len(boxes2), dtype=dtype)
    step = max(1, _PAIRS // len(boxes2))
    for start in range(0, len(boxes1), step):
        result[start : start + step] = function(boxes1[start : start + step], boxes2)
    return result


def _iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    return _ratio(*_intersection_and_union(boxes1, boxes2))


def _generalized_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    intersection, union = _intersection_and_union(boxes1, boxes2)
    x1, y1, x2, y2 = boxes1[:, None].unbind(-1)  # (N, 1)
    x1s, y1s, x2s, y2s = boxes2.unbind(-1)  # (M,)
    width = torch.maximum(x2, x2s) - torch.minimum(x1, x1s)
    height = torch.maximum(y2, y2s) - torch.minimum(y1, y1s)
    hull = width.clamp(min=0) * height.clamp(min=0)  # (N, M)
    return _ratio(intersection, union) - _ratio(hull - union, hull)


def _intersection_and_union(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    x1, y1, x2, y2 = boxes1[:, None].unbind(-1)  # (N, 1)
    x1s, y1s, x2s, y2s = boxes2.unbind(-1)  # (M,)
    width = torch.minimum(x2, x2s) - torch.maximum(x1, x1s)
    height = torch.minimum(y2, y2s) - torch.maximum(y1, y1s)
    intersection = width.clamp(min=0) * height.clamp(min=0)  # (N, M)
    union = _content(boxes1)[:, None] + _content(boxes2) - intersection
    return intersection, union


def _content(boxes: Tensor) -> Tensor:
    """Area of what lies inside: nothing in a box whose corners are swapped."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    return (x2 - x1).clamp(min=0) * (y2 - y1).clamp(min=0)


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    # Replacing the divisor, not the quotient, keeps NaN out of the gradient too.
    return part / torch.where(whole > 0, whole, 1)


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
