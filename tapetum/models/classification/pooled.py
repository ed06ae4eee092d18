"""A backbone, the mean over its last map, one linear layer: a classifier on any backbone.

He et al. 2016, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385), section 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from tapetum.backbones import resnet
from tapetum.backbones.backbone import Backbone, ResizeWeight
from tapetum.layers.conv import init_small
from tapetum.layers.dropout import check_dropout, dropout
from tapetum.models.network import Network, prefixed, prefixed_groups
from tapetum.structures import ExplainLayer
from tapetum.structures.renames import Renames


class PooledClassifier(Network[Tensor]):
    """A backbone, the mean over its last map, one linear layer; class logits (B, C).

    Args:
        backbone: images to maps.
        num_classes: number of classes.
        dropout: fraction of the pooled features that is dropped in training, in [0, 1).
    """

    references: ClassVar[Mapping[str, Renames]] = {
        "torchvision": Renames(
            (*resnet.REFERENCE["torchvision"].inside("backbone.", ""), ("head.*", "fc.*"))
        )
    }
    min_image_size: ClassVar[int | None] = 64  # the last map of a ResNet is more than a point

    def __init__(self, backbone: Backbone, num_classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        check_dropout(dropout)
        self.backbone = backbone
        self.dropout = dropout
        *_, (self.last, channels) = backbone.channels.items()
        self.head = nn.Linear(channels, num_classes)
        init_small(self.head)

    def forward(
        self, pixels: Tensor, generators: Sequence[torch.Generator] | None = None
    ) -> Tensor:
        features = self.backbone(pixels)[self.last].mean(dim=(2, 3))  # (B, channels)
        return self.head(dropout(features, self.dropout, generators))

    def explain_layers(self) -> dict[str, ExplainLayer]:
        """Backbone maps, the last one first: the logits are linear in its mean."""
        return self.backbone.explain_layers()

    def layer_groups(self) -> list[tuple[str, ...]]:
        """Those of the backbone."""
        return prefixed_groups("backbone.", self.backbone.layer_groups())

    def resizable_weights(self) -> dict[str, ResizeWeight]:
        """Those of the backbone."""
        return prefixed("backbone.", self.backbone.resizable_weights())
