"""Keypoints as places in a grid over a box, there and back.

He et al. 2017, "Mask R-CNN" (arXiv 1703.06870), section 5: a keypoint is one cell of a map. Cells
are half open like pixels, and a cell stands for its centre.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def keypoint_cells(keypoints: Tensor, boxes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The cell (P, K) int64, row * size + column, of each keypoint (P, K, 3) in the grid
    size x size over its box (P, 4), and (P, K) bool: is it marked (v > 0) and in the box?

    A keypoint on the right or lower edge is in the last cell. Where it is not marked or outside,
    the cell is 0.
    """
    low, high = boxes[:, None, :2], boxes[:, None, 2:]  # (P, 1, 2)
    place = keypoints[..., :2].to(boxes.dtype)
    cell = ((place - low) * (size / (high - low).clamp(min=1e-6))).floor().long()  # (P, K, 2)
    cell = torch.where(place == high, size - 1, cell)
    valid = ((cell >= 0) & (cell < size)).all(dim=2) & (keypoints[..., 2] > 0)
    x, y = cell.unbind(dim=2)
    return torch.where(valid, y * size + x, 0), valid


def bicubic_matrix(cells: int, size: int, like: Tensor) -> Tensor:
    """(size, cells): what PyTorch's bicubic interpolation makes of each of so many cells in a row,
    in the dtype of `like` and on its device."""
    each = torch.eye(cells, dtype=like.dtype, device=like.device)[None, None]
    return F.interpolate(each, (size, cells), mode="bicubic", align_corners=False)[0, 0]


def read_heatmaps(maps: Tensor, boxes: Tensor) -> Tensor:
    """The keypoints (P, K, 3), x y and the logit there, of maps (P, K, S, S) over boxes (P, 4).

    Each map is brought to the size of its box in pixels (rounded up), bicubic, and its largest
    pixel is the keypoint. One box at a time: memory follows the largest one. Enlarging is linear
    in rows and in columns, so it is two matrix products, several times as fast as sampling.
    """
    result = boxes.new_zeros(*maps.shape[:2], 3)
    maps = maps.detach().to(boxes.dtype)
    extents = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1)  # (P, 2) width, height
    shapes = extents.ceil().long().flip(1).tolist()
    cells = maps.shape[-1]
    enlarge = {n: bicubic_matrix(cells, n, maps) for shape in shapes for n in shape}
    for i, (height, width) in enumerate(shapes):
        fine = (enlarge[height] @ maps[i] @ enlarge[width].T).flatten(1)  # (K, h * w)
        place = fine.argmax(dim=1)
        pixel = torch.stack((place % width, place // width), dim=1)  # (K, 2)
        step = extents[i] / extents[i].ceil()
        result[i, :, :2] = boxes[i, :2] + (pixel + 0.5) * step
        result[i, :, 2] = fine.gather(1, place[:, None])[:, 0]
    return result
