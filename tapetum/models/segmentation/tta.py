"""Test-time augmentation: flipped and rotated copies are predicted, turned back and averaged.

What a network predicts for a pixel depends a little on the orientation of the image. Where all
orientations are equally likely (flipped for streets, all eight for microscopy), their mean is
usually more accurate than one of them. It costs as many predictions as there are copies.
Source: Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural
networks", 2012, section 4.1 (ten views of an image, there for its class).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

AUGMENTATIONS: dict[str, tuple[tuple[int, bool], ...]] = {
    "none": ((0, False),),
    "hflip": ((0, False), (0, True)),
    "d4": tuple((quarters, flipped) for quarters in range(4) for flipped in (False, True)),
}
"""name -> quarter turns, and whether it is flipped left to right after them. d4: the dihedral
group of the square, all eight of its symmetries."""


def augmented_mean(network: Callable[[Tensor], Tensor], pixels: Tensor, name: str) -> Tensor:
    """The mean of a network's maps over flipped and rotated copies of images.

    Args:
        network: images (B, 3, h, w) to maps (B, C, h, w).
        pixels: (B, 3, H, W).
        name: one of AUGMENTATIONS.

    Returns:
        (B, C, H, W), float32 at least unless there is only one copy.
    """
    if name == "none":
        return network(pixels)
    total = torch.zeros((), device=pixels.device)
    for quarters, flipped in AUGMENTATIONS[name]:
        copy = torch.rot90(pixels, quarters, (2, 3))
        maps = network(_flipped(copy) if flipped else copy)
        maps = _flipped(maps) if flipped else maps
        total = total + torch.rot90(maps, -quarters, (2, 3)).to(
            torch.promote_types(maps.dtype, torch.float32)
        )
    return total / len(AUGMENTATIONS[name])


def _flipped(maps: Tensor) -> Tensor:
    return maps.flip(3)
