"""Backbone: images to feature maps, and what others may ask about them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn

from tapetum.structures.model import ExplainLayer
from tapetum.structures.renames import Renames

ResizeWeight = Callable[[Tensor, Tensor], Tensor | None]
"""The file's tensor and ours -> the file's in our shape, or None where that cannot be."""


class Backbone(nn.Module, ABC):
    """A network that makes feature maps of images; whatever needs maps works on any of them.

    Attributes:
        channels: number of channels of each map by its name, from fine to coarse.
        strides: pixels of the image between neighbouring cells of each map, by its name.
    """

    channels: dict[str, int]
    strides: dict[str, int]
    norm_epsilon: ClassVar[float] = 1e-5
    """What its norms add to the variance."""
    references: ClassVar[Mapping[str, Renames]] = {}
    """Names of its weights in other code bases, by the name of the code base."""

    if TYPE_CHECKING:  # nn.Module types its call as Any

        def __call__(self, pixels: Tensor) -> dict[str, Tensor]: ...

    @abstractmethod
    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """Compute the feature maps.

        Args:
            pixels: (B, C, H, W) normalised images.

        Returns:
            Map (B, channels, h, w) by name, from fine to coarse, as `channels` lists them.
        """

    def layer_groups(self) -> list[tuple[str, ...]]:
        """Prefixes of the weights of each stage, from the image on; [] without stages."""
        return []

    def first_convolutions(self) -> tuple[str, ...]:
        """Names of the weights that see the channels of the image."""
        return ()

    def explain_layers(self) -> dict[str, ExplainLayer]:
        """The maps, for explanations; see `Model.explain_layers`. The coarsest map first."""
        return {name: (self, itemgetter(name)) for name in reversed(self.channels)}

    def resizable_weights(self) -> dict[str, ResizeWeight]:
        """Weights that a checkpoint may hold in another shape; see `Model.resizable_weights`."""
        return dict.fromkeys(self.first_convolutions(), resize_input_channels)


def resize_input_channels(theirs: Tensor, ours: Tensor) -> Tensor | None:
    """A first convolution for another number of input channels.

    Args:
        theirs: (out, in, h, w) of the file.
        ours: (out, other in, h, w).

    Returns:
        The mean of `theirs` over the input channels for each of ours; the sum over all inputs
        stays the same. None where anything but the number of input channels differs.
    """
    if theirs.ndim != 4 or ours.ndim != 4:
        return None
    if theirs.shape[2:] != ours.shape[2:] or len(theirs) != len(ours):
        return None
    channels = ours.shape[1]
    mean = theirs.mean(dim=1, keepdim=True) * (theirs.shape[1] / channels)
    return mean.repeat(1, channels, 1, 1)
