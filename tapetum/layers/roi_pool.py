"""Features of boxes, each taken from the pyramid level that suits its size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tapetum.ops.boxes import box_area
from tapetum.ops.roi import roi_align


class MultiScaleRoIAlign(nn.Module):
    """RoI Align over a pyramid p2, p3, ...: boxes to maps (P, C, size, size).

    A box of 224 x 224 pixels, ImageNet's usual crop, is read from p4, half of that side from p3,
    and so on (Lin et al. 2017, "Feature Pyramid Networks", equation 1).
    """

    def __init__(self, size: int = 7, samples: int = 2, finest: int = 2) -> None:
        """size: of the output maps; samples: per side of an output cell; finest: 2 for p2."""
        super().__init__()
        self.size = size
        self.samples = samples
        self.finest = finest

    def forward(self, maps: Sequence[Tensor], boxes: Tensor, image: Tensor) -> Tensor:
        """Maps (B, C, h, w), finest first, and boxes (P, 4) in pixels in images (P,)."""
        level = self.levels(boxes, len(maps))  # (P,)
        rois = torch.cat((image[:, None].to(boxes.dtype), boxes), dim=1)  # (P, 5)
        pooled, places = [], []
        for i, features in enumerate(maps):
            place = torch.nonzero(level == i).flatten()
            stride = 2 ** (self.finest + i)
            pooled.append(
                roi_align(features, rois[place], self.size, 1 / stride, self.samples)
            )  # (p, C, size, size)
            places.append(place)
        return torch.cat(pooled)[torch.argsort(torch.cat(places))]

    def levels(self, boxes: Tensor, count: int) -> Tensor:
        """(P,) int64: which of `count` maps, 0 the finest, each box is read from."""
        side = box_area(boxes).clamp(min=1e-6).sqrt()
        level = torch.floor(4 + torch.log2(side / 224) + 1e-6).long()
        return level.clamp(self.finest, self.finest + count - 1) - self.finest
