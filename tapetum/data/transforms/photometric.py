"""Changes of color: one small matrix per image, however many are combined."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tapetum.data.transforms.transform import Size, Transform, expect_fraction, uniform
from tapetum.structures import Sample

_LUMA = (0.299, 0.587, 0.114)
"""How bright red, green and blue look (ITU-R BT.601)."""

_PIECE = 65536
"""Pixels that are adjusted at a time."""


@dataclass(frozen=True)
class ColorAdjustment:
    """An affine change of color; each part is neutral by default.

    hue: a rotation of the colors about the gray axis, in turns (1 = all the way round).
    saturation: factor on the distance from the gray of equal brightness (BT.601).
    contrast: factor on the distance from mid-gray. brightness: factor on everything.

    They apply in this order, and all of them are linear, so all together are one 3 x 4 matrix
    and one pass over the image. A rotation keeps grays gray but, unlike HSV's hue, does not
    clip on the way.
    """

    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0

    def size_after(self, size: Size) -> Size:
        """(height, width) stay as they are."""
        return size

    def matrix(self, size: Size) -> Tensor:
        """3 x 3 float64 identity: nothing moves."""
        return torch.eye(3, dtype=torch.float64)

    def apply(self, sample: Sample) -> Sample:
        """The sample with its image adjusted."""
        if self == ColorAdjustment():
            return sample
        return replace(sample, image=mix_colors(sample.image, self.color_matrix()))

    def color_matrix(self) -> Tensor:
        """3 x 4 float64: colors in [0, 1] to colors, not yet clipped to [0, 1]."""
        gray = torch.tensor(_LUMA, dtype=torch.float64).expand(3, 3)
        identity = torch.eye(3, dtype=torch.float64)
        saturate = self.saturation * identity + (1 - self.saturation) * gray
        linear = self.brightness * self.contrast * saturate @ rotation_about_gray(self.hue)
        offset = torch.full((3, 1), 0.5 * self.brightness * (1 - self.contrast)).double()
        return torch.cat((linear, offset), 1)


@dataclass(frozen=True)
class ColorJitter(Transform):
    """Factors for brightness, contrast, saturation from [1 - x, 1 + x], hue from [-x, x] turns."""

    brightness: float = 0.25
    contrast: float = 0.25
    saturation: float = 0.25
    hue: float = 0.02

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "saturation", "hue"):
            expect_fraction(name, getattr(self, name))

    def draw(self, size: Size, generator: torch.Generator) -> ColorAdjustment:
        brightness, contrast, saturation = (
            uniform(1 - limit, 1 + limit, generator)
            for limit in (self.brightness, self.contrast, self.saturation)
        )
        return ColorAdjustment(
            brightness, contrast, saturation, uniform(-self.hue, self.hue, generator)
        )


def rotation_about_gray(turns: float) -> Tensor:
    """3 x 3 float64: a rotation of RGB space about (1, 1, 1), red towards green (Rodrigues)."""
    cosine, sine = math.cos(2 * math.pi * turns), math.sin(2 * math.pi * turns) / math.sqrt(3)
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], dtype=torch.float64)
    along = torch.full((3, 3), (1 - cosine) / 3, dtype=torch.float64)
    return cosine * torch.eye(3, dtype=torch.float64) + along + sine * cross


def mix_colors(image: Tensor, matrix: Tensor) -> Tensor:
    """Image (3, H, W) with every color c replaced by matrix @ (c, 1), rounded and clipped.

    uint8 stays uint8, float stays float in [0, 1].
    """
    integer = image.dtype == torch.uint8
    largest = 255.0 if integer else 1.0
    dtype = torch.float32 if integer else image.dtype
    offset = matrix[:, 3:].to(dtype) * largest + (0.5 if integer else 0.0)
    colors = image.reshape(3, -1)
    mixed = torch.empty_like(colors)
    # In pieces that fit the cache: a float copy of the whole image costs more than the product.
    for old, new in zip(colors.split(_PIECE, 1), mixed.split(_PIECE, 1), strict=True):
        new.copy_(torch.addmm(offset, matrix[:, :3].to(dtype), old.to(dtype)).clamp_(0, largest))
    return mixed.reshape(image.shape)
