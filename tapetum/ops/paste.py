"""Masks of boxes: soft masks of a network drawn into an image, and true ones cut out to learn.

He et al. 2017, "Mask R-CNN" (arXiv 1703.06870), section 3.1: whatever the size of a box, its mask
is a small square grid. Both ways touch only the pixels of each box, so time and memory follow the
size of the objects, not that of the image.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tapetum.ops._roi_entries import align_axis


def paste_masks(
    masks: Tensor, boxes: Tensor, size: tuple[int, int], threshold: float = 0.5
) -> Tensor:
    """Paste the soft masks of boxes into an image, as masks.

    Boxes are widened by a frame of zeros and rounded to whole pixels, their last ones included, as
    in the code of the paper (Detectron; He et al. 2017), under which the published weights were
    measured.

    Args:
        masks: (N, S, S) float in [0, 1], each stretched over its box by bilinear interpolation.
        boxes: (N, 4) xyxy in pixels of the image; what lies outside of it is cut off.
        size: (height, width) in pixels of the image.
        threshold: the smallest value that is inside the mask.

    Returns:
        (N, H, W) bool.

    Raises:
        ValueError: masks and boxes of other shapes.
    """
    if masks.ndim != 3 or masks.shape[1] != masks.shape[2]:
        raise ValueError(f"masks: expected shape (N, S, S), got {tuple(masks.shape)}")
    if boxes.shape != (len(masks), 4):
        raise ValueError(f"boxes: expected shape ({len(masks)}, 4), got {tuple(boxes.shape)}")
    height, width = size
    result = torch.zeros(len(masks), height, width, dtype=torch.bool, device=masks.device)
    side = masks.shape[1]
    padded = F.pad(masks.detach(), (1, 1, 1, 1))  # (N, S + 2, S + 2)
    frames = _widen(boxes, (side + 2) / side).long().tolist()
    for mask, image, (x1, y1, x2, y2) in zip(padded, result, frames, strict=True):
        shape = (max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1))
        drawn = F.interpolate(mask[None, None], shape, mode="bilinear", align_corners=False)[0, 0]
        top, bottom = max(y1, 0), min(y1 + shape[0], height)
        left, right = max(x1, 0), min(x1 + shape[1], width)
        if top < bottom and left < right:
            inside = drawn[top - y1 : bottom - y1, left - x1 : right - x1]
            torch.ge(inside, threshold, out=image[top:bottom, left:right])
    return result


def crop_masks(masks: Tensor, boxes: Tensor, index: Tensor, size: int) -> Tensor:
    """Resample the part of a mask in each box.

    Each cell is the mean of one bilinear sample a pixel: RoI Align of the mask as a map, with the
    conventions of the published code (`roi_align` without `aligned`). A cell's weights are a
    product of one factor for rows and one for columns, so a box is two small matrix products.

    Args:
        masks: (N, H, W) bool.
        boxes: (P, 4) xyxy in pixels, at most a few times as large as the image.
        index: (P,) int64, the mask of each box.
        size: cells of each side of the result.

    Returns:
        (P, size, size) in [0, 1], in the dtype of the boxes.
    """
    result = boxes.new_zeros(len(boxes), size, size)
    if not masks.numel():
        return result
    corners = boxes.detach().cpu().numpy()
    start = corners[:, :2]
    length = np.maximum(corners[:, 2:] - start, 1)
    height, width = masks.shape[1:]
    rows, columns = (
        torch.from_numpy(align_axis(start[:, axis], length[:, axis], size, 0, cells)).to(boxes)
        for axis, cells in ((1, height), (0, width))
    )  # (P, size, H), (P, size, W)
    lowest = np.floor(start).clip(0, (width - 1, height - 1)).astype(int)
    highest = (np.floor(start + length) + 2).clip(1, (width, height)).astype(int)
    pieces = zip(index.tolist(), lowest.tolist(), highest.tolist(), strict=True)
    with torch.autocast(boxes.device.type, enabled=False):
        for place, (i, (x1, y1), (x2, y2)) in enumerate(pieces):
            piece = masks[i, y1:y2, x1:x2].to(boxes.dtype)
            result[place] = rows[place, :, y1:y2] @ piece @ columns[place, :, x1:x2].T
    return result


def _widen(boxes: Tensor, scale: float) -> Tensor:
    """Boxes (N, 4) `scale` times as wide and high around the same centres."""
    low, high = boxes[:, :2], boxes[:, 2:]
    center, half = (high + low) * 0.5, (high - low) * 0.5 * scale
    return torch.cat((center - half, center + half), dim=1)
