"""Elastic deformation of images and semantic maps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from tapetum.data.transforms.transform import Size, Transform, expect_range
from tapetum.structures import Sample

Nodes = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class DisplacementField:
    """Every pixel shows what lies some way off; how far is interpolated between a few nodes.

    right, down: in pixels, at a grid of nodes that spans the image from border to border, rows
    from top to bottom. In between they are bicubic. Beyond its border the image is mirrored.
    Images are resampled bilinearly, semantic maps take the pixel in which the point lies.
    """

    right: Nodes
    down: Nodes

    def size_after(self, size: Size) -> Size:
        """(height, width) stay as they are."""
        return size

    def matrix(self, size: Size) -> Tensor:
        """Raises ValueError: there is none."""
        raise ValueError("an elastic deformation has no matrix")

    def apply(self, sample: Sample) -> Sample:
        """The sample with its image and map deformed; labels of the image stay.

        Raises:
            ValueError: it has objects: boxes and keypoints cannot be deformed.
        """
        if sample.target.objects is not None:
            raise ValueError("elastic deformation: expected a sample without objects, got some")
        x, y = self.sources(sample.size)
        semantic = sample.target.semantic
        if semantic is not None:
            semantic = take_nearest(semantic, x, y)
        target = replace(sample.target, semantic=semantic)
        return replace(sample, image=take_bilinear(sample.image, x, y), target=target)

    def sources(self, size: Size) -> tuple[Tensor, Tensor]:
        """x, y (H, W) float64: the point of the image that each pixel shows."""
        nodes = torch.tensor((self.right, self.down), dtype=torch.float64)  # (2, G, G)
        shifts = F.interpolate(nodes[None], size, mode="bicubic", align_corners=True)[0]
        rows = torch.arange(size[0], dtype=torch.float64)[:, None] + 0.5
        columns = torch.arange(size[1], dtype=torch.float64) + 0.5
        return columns + shifts[0], rows + shifts[1]


@dataclass(frozen=True)
class ElasticTransform(Transform):
    """Random shifts at a coarse grid, normally distributed, and smooth in between.

    The idea is that of Simard et al. 2003 (section 2), the form that of U-Net (Ronneberger et al.
    2015, section 3.1): 3 x 3 nodes, 10 pixels of standard deviation, bicubic.
    """

    deviation: float = 10.0
    nodes: int = 3

    def __post_init__(self) -> None:
        expect_range("deviation", 0, self.deviation, 0)
        expect_range("nodes", 2, self.nodes, 2)

    def draw(self, size: Size, generator: torch.Generator) -> DisplacementField:
        shape = (2, self.nodes, self.nodes)
        shifts = self.deviation * torch.randn(shape, dtype=torch.float64, generator=generator)
        right, down = (tuple(tuple(row) for row in part) for part in shifts.tolist())
        return DisplacementField(right, down)


def take_nearest(values: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The values (H, W) of the pixels in which points lie, mirrored beyond the border."""
    height, width = values.shape
    return values[_mirrored(y, height).long(), _mirrored(x, width).long()]


def take_bilinear(image: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Image (3, H, W) at points, mirrored beyond the border; uint8 stays uint8, rounded."""
    height, width = image.shape[-2:]
    dtype = image.dtype if image.is_floating_point() else torch.float32
    grid = torch.stack((2 * x / width - 1, 2 * y / height - 1), -1).to(dtype)  # (H, W, 2)
    taken = F.grid_sample(
        image[None].to(dtype), grid[None], padding_mode="reflection", align_corners=False
    )[0]
    return taken if image.is_floating_point() else taken.round_().clamp_(0, 255).to(image.dtype)


def _mirrored(points: Tensor, side: int) -> Tensor:
    """Coordinates in a row of `side` pixels that is mirrored for ever, below `side`."""
    folded = side - (points.remainder(2 * side) - side).abs()
    return folded.clamp(0, side - 0.5)
