"""Several views of an image instead of one: mirrored and turned, answered, turned back, averaged.

What a network says of a pixel depends a little on how the image lies. Where all ways of lying
are equally likely (mirrored for streets, all eight for what has no up or down), their mean is
usually nearer the truth than one of them. It costs as many predictions as there are views.
Source: Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural
networks", 2012, section 4.1 (ten views of an image, there for its class).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

VIEWS: dict[str, tuple[tuple[int, bool], ...]] = {
    "one": ((0, False),),
    "mirror": ((0, False), (0, True)),
    "turns": tuple((quarters, mirrored) for quarters in range(4) for mirrored in (False, True)),
}
"""name -> quarter turns, and whether it is mirrored left to right after them."""


def mean_of_views(network: Callable[[Tensor], Tensor], pixels: Tensor, views: str) -> Tensor:
    """The mean of `network` over views of pixels (B, 3, H, W): maps (B, C, H, W), float32 at least
    unless there is only one.

    network: images (B, 3, h, w) to maps (B, C, h, w). views: a name in VIEWS.
    """
    if views == "one":
        return network(pixels)
    total = torch.zeros((), device=pixels.device)
    for quarters, mirrored in VIEWS[views]:
        seen = torch.rot90(pixels, quarters, (2, 3))
        found = network(_mirrored(seen) if mirrored else seen)
        found = _mirrored(found) if mirrored else found
        total = total + torch.rot90(found, -quarters, (2, 3)).to(
            torch.promote_types(found.dtype, torch.float32)
        )
    return total / len(VIEWS[views])


def _mirrored(maps: Tensor) -> Tensor:
    return maps.flip(3)
