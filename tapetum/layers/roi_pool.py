"""Features of boxes, each taken from the pyramid level that suits its size."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tapetum.ops.boxes import box_area
from tapetum.ops.roi import roi_align

_CANONICAL_SIZE, _CANONICAL_LEVEL = 224, 4


class MultiScaleRoIAlign(nn.Module):
    """RoI Align over the maps of a pyramid: boxes to features (P, C, output_size, output_size).

    A box of 224 x 224 pixels, the usual crop of ImageNet, is read from the map of stride 16, one
    of half that side from stride 8, and so on (Lin et al. 2017, "Feature Pyramid Networks",
    equation 1). With other strides it is the coarsest map whose stride is not above that.

    Args:
        output_size: side of the features, in cells.
        sampling_ratio: samples per side of a cell.
        strides: pixels between the cells of each map, fine to coarse.
    """

    def __init__(
        self,
        output_size: int = 7,
        sampling_ratio: int = 2,
        strides: Sequence[int] = (4, 8, 16, 32),
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.sampling_ratio = sampling_ratio
        self.strides = tuple(strides)

    def forward(self, maps: Sequence[Tensor], boxes: Tensor, image: Tensor) -> Tensor:
        """Pool the features of boxes.

        Args:
            maps: (B, C, h, w) each, one for each of `strides`.
            boxes: (P, 4) xyxy in pixels of the padded images.
            image: (P,) int64, the image of each box.
        """
        level = self.levels(boxes)  # (P,)
        rois = torch.cat((image[:, None].to(boxes.dtype), boxes), dim=1)  # (P, 5)
        pooled, places = [], []
        for i, (features, stride) in enumerate(zip(maps, self.strides, strict=True)):
            place = torch.nonzero(level == i).flatten()
            pooled.append(
                roi_align(features, rois[place], self.output_size, 1 / stride, self.sampling_ratio)
            )  # (p, C, output_size, output_size)
            places.append(place)
        return torch.cat(pooled)[torch.argsort(torch.cat(places))]

    def levels(self, boxes: Tensor) -> Tensor:
        """(P,) int64: which of the maps, 0 the finest, each of the boxes (P, 4) is read from."""
        side = box_area(boxes).clamp(min=1e-6).sqrt()
        log_stride = _CANONICAL_LEVEL + torch.log2(side / _CANONICAL_SIZE) + 1e-6
        level = torch.zeros_like(log_stride, dtype=torch.int64)
        for stride in self.strides[1:]:
            level += log_stride >= math.log2(stride)
        return level
