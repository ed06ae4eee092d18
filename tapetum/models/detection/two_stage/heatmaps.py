"""Keypoints as cells of a heatmap over a box, and heatmaps back to keypoints.

He et al. 2017, "Mask R-CNN" (arXiv 1703.06870), section 5: a keypoint is one cell of a map. Cells
are half open like pixels, and a cell stands for its centre.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def keypoint_cells(keypoints: Tensor, boxes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The cell of each keypoint in a grid of size x size over its box.

    A keypoint on the right or lower edge is in the last cell.

    Args:
        keypoints: (P, K, 3) x, y, visibility.
        boxes: (P, 4) xyxy in the same pixels.
        size: cells a side.

    Returns:
        (P, K) int64, row * size + column, and (P, K) bool: is the keypoint annotated (v > 0) and
        in the box? Where it is not, the cell is 0.
    """
    low, high = boxes[:, None, :2], boxes[:, None, 2:]  # (P, 1, 2)
    place = keypoints[..., :2].to(boxes.dtype)
    cell = ((place - low) * (size / (high - low).clamp(min=1e-6))).floor().long()  # (P, K, 2)
    cell = torch.where(place == high, size - 1, cell)
    valid = ((cell >= 0) & (cell < size)).all(dim=2) & (keypoints[..., 2] > 0)
    x, y = cell.unbind(dim=2)
    return torch.where(valid, y * size + x, 0), valid


def bicubic_matrix(cells: int, size: int, like: Tensor) -> Tensor:
    """PyTorch's bicubic interpolation of a row of cells, as a matrix.

    Args:
        cells: length of the row.
        size: length to which it is interpolated.
        like: gives dtype and device.

    Returns:
        (size, cells).
    """
    identity = torch.eye(cells, dtype=like.dtype, device=like.device)[None, None]
    return F.interpolate(identity, (size, cells), mode="bicubic", align_corners=False)[0, 0]


def read_heatmaps(maps: Tensor, boxes: Tensor) -> Tensor:
    """The keypoints of heatmaps.

    Each map is resized to its box in pixels (rounded up), bicubic, and its largest pixel is the
    keypoint. One box at a time: memory is bounded by the largest one. Resizing is linear in rows
    and in columns, so it is two matrix products, several times as fast as sampling.

    Args:
        maps: (P, K, S, S) logits.
        boxes: (P, 4) xyxy in pixels.

    Returns:
        (P, K, 3) x, y, and the logit there.
    """
    result = boxes.new_zeros(*maps.shape[:2], 3)
    maps = maps.detach().to(boxes.dtype)
    extents = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1)  # (P, 2) width, height
    shapes = extents.ceil().long().flip(1).tolist()
    cells = maps.shape[-1]
    resize = {n: bicubic_matrix(cells, n, maps) for shape in shapes for n in shape}
    for i, (height, width) in enumerate(shapes):
        fine = (resize[height] @ maps[i] @ resize[width].T).flatten(1)  # (K, h * w)
        place = fine.argmax(dim=1)
        pixel = torch.stack((place % width, place // width), dim=1)  # (K, 2)
        step = extents[i] / extents[i].ceil()
        result[i, :, :2] = boxes[i, :2] + (pixel + 0.5) * step
        result[i, :, 2] = fine.gather(1, place[:, None])[:, 0]
    return result
