"""Non-maximum suppression: of boxes that overlap too much, only the best stays.

One operator of `torch.library`, so that models which use it export and compile: on the processor it
runs in NumPy (`_nms_cpu.py`), on any other device in PyTorch on that device.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tapetum.ops import _nms_cpu

_BLOCK = 1024
_PAIRS = 2**24
"""Pairs of boxes compared at a time on a device: some 64 MB for each intermediate result."""


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Non-maximum suppression: of boxes that overlap too much, only the best stays.

    A box goes if its IoU with a surviving box of a better score is > `iou_threshold`. Of equal
    scores the first counts as better. Computed in float32, or float64 where the boxes are. The
    greedy rule of Felzenszwalb et al. 2010, "Object Detection with Discriminatively Trained
    Part-Based Models", section 7.2, with IoU as Girshick et al. 2014 (R-CNN, section 2.2) have it.

    Args:
        boxes: (N, 4) x1 y1 x2 y2 in pixels; one whose corners are swapped overlaps nothing.
        scores: (N,), higher is better.
        iou_threshold: >= 0; from 1 on nothing is suppressed.

    Returns:
        Indices (K,) int64 of the boxes that survive, best score first.

    Raises:
        ValueError: shapes that do not fit, or a negative threshold.
    """
    return _suppress(boxes, scores, None, iou_threshold)


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """As `nms`, but boxes suppress each other only inside a group, usually a class.

    Exactly the same boxes as one call per group (Girshick et al. 2014, R-CNN, section 2.2).

    Args:
        boxes: (N, 4) x1 y1 x2 y2 in pixels; one whose corners are swapped overlaps nothing.
        scores: (N,), higher is better.
        idxs: (N,) integers: boxes of the same number are a group.
        iou_threshold: >= 0; from 1 on nothing is suppressed.

    Returns:
        Indices (K,) int64 of the boxes that survive in any group, best score first.

    Raises:
        ValueError: shapes that do not fit, or a negative threshold.
    """
    if idxs.shape != scores.shape:
        raise ValueError(f"idxs: expected shape {tuple(scores.shape)}, got {tuple(idxs.shape)}")
    return _suppress(boxes, scores, idxs, iou_threshold)


def _suppress(boxes: Tensor, scores: Tensor, groups: Tensor | None, threshold: float) -> Tensor:
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes: expected shape (N, 4), got {tuple(boxes.shape)}")
    if scores.ndim != 1 or scores.shape[0] != boxes.shape[0]:
        raise ValueError(f"scores: expected shape ({len(boxes)},), got {tuple(scores.shape)}")
    if not threshold >= 0:
        raise ValueError(f"iou_threshold: expected a value >= 0, got {threshold}")
    boxes, scores = boxes.detach(), scores.detach()
    if boxes.dtype != torch.float64:
        boxes = boxes.float()
    return torch.ops.tapetum.nms(boxes, scores, groups, threshold)


def _nms_on_cpu(boxes: Tensor, scores: Tensor, groups: Tensor | None, threshold: float) -> Tensor:
    order = _by_score(scores)
    sequence = order.numpy()
    ranked = boxes.numpy().take(sequence, axis=0)
    lanes = None if groups is None else groups.numpy().take(sequence)
    kept = _nms_cpu.greedy(ranked, lanes, threshold)
    return torch.from_numpy(sequence.take(kept))


def _nms_on_device(
    boxes: Tensor, scores: Tensor, groups: Tensor | None, threshold: float
) -> Tensor:
    order = _by_score(scores)
    boxes = boxes[order]
    lanes = None if groups is None else groups[order]
    limit = _limit(threshold, boxes.dtype)
    alive = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    block = max(1, min(_BLOCK, _PAIRS // max(len(boxes), 1)))
    for start in range(0, len(boxes), block):
        size = min(block, len(boxes) - start)
        conflict = _conflicts(boxes[start : start + size], boxes[start:], limit)  # (size, rest)
        if lanes is not None:
            conflict &= lanes[start : start + size, None] == lanes[start:]
        here = alive[start:]
        kept = _settle(here[:size], conflict[:, :size].triu(1))
        here[:size] = kept
        here[size:] &= ~(conflict[:, size:] & kept[:, None]).any(dim=0)
    return order[alive]


def _nms_shape(boxes: Tensor, scores: Tensor, groups: Tensor | None, threshold: float) -> Tensor:
    survivors = torch.library.get_ctx().new_dynamic_size()
    return boxes.new_empty(survivors, dtype=torch.int64)


def _by_score(scores: Tensor) -> Tensor:
    return torch.argsort(scores, descending=True, stable=True)


def _settle(candidates: Tensor, conflict: Tensor) -> Tensor:
    """Greedy choice (n,) among candidates (n,), by conflicts (n, n) of better ones with worse ones.

    The first box is decided; each round decides at least the next. Every round waits once for the
    device.
    """
    kept = candidates
    while True:
        suppressed = (conflict & kept[:, None]).any(dim=0)
        new = candidates & ~suppressed
        if torch.equal(new, kept):
            return kept
        kept = new


def _conflicts(first: Tensor, second: Tensor, limit: float) -> Tensor:
    """Where IoU > limit, (n, m): the same arithmetic, step by step, as on the processor."""
    x1, y1, x2, y2 = first[:, :, None].unbind(1)  # (n, 1)
    x1s, y1s, x2s, y2s = second.unbind(1)  # (m,)
    width = (torch.minimum(x2, x2s) - torch.maximum(x1, x1s)).clamp_(min=0)
    height = (torch.minimum(y2, y2s) - torch.maximum(y1, y1s)).clamp_(min=0)
    intersection = width.mul_(height)
    union = (x2 - x1) * (y2 - y1) + (x2s - x1s) * (y2s - y1s) - intersection
    return intersection / union > limit


def _limit(threshold: float, dtype: torch.dtype) -> float:
    number = np.dtype(np.float64 if dtype == torch.float64 else np.float32)
    return float(_nms_cpu.round_down(threshold, number))


torch.library.define(
    "tapetum::nms", "(Tensor boxes, Tensor scores, Tensor? groups, float threshold) -> Tensor"
)
torch.library.impl("tapetum::nms", "CPU", _nms_on_cpu)
torch.library.impl("tapetum::nms", "CompositeExplicitAutograd", _nms_on_device)
torch.library.register_fake("tapetum::nms", _nms_shape)
