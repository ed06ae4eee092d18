"""A backbone, the mean over its last map, one linear layer: a classifier on any backbone.

He et al. 2016, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385), section 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from tapetum.backbones import make_backbone, resnet
from tapetum.backbones.backbone import Backbone, ResizeWeight
from tapetum.layers.conv import init_small
from tapetum.layers.dropout import check_dropout, dropout
from tapetum.models.classification.classifier import ImageClassifier
from tapetum.models.classification.preprocessing import SquarePreprocessing
from tapetum.models.network import Network, prefixed, prefixed_groups
from tapetum.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD
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


def resnet_classifier(
    backbone: str,
    num_classes: int = 1000,
    image_size: int = 224,
    multilabel: bool = False,
    label_smoothing: float = 0.0,
    dropout: float = 0.0,
    norm: str = "batch",
    backbone_width: int = 64,
    stem: str = "imagenet",
    image_mean: Sequence[float] = IMAGENET_MEAN,
    image_std: Sequence[float] = IMAGENET_STD,
    resize_size: int | None = None,
    crop_mode: str = "squash",
) -> ImageClassifier:
    """A ResNet classifier.

    Args:
        backbone: a name in BACKBONES.
        num_classes: number of classes.
        image_size: pixels of the side of the square that the network sees of each image.
        multilabel: see `ImageClassifier`.
        label_smoothing: see `ImageClassifier`.
        dropout: fraction of the pooled features that is dropped in training, in [0, 1).
        norm: kind of norm, see `layers.norm`.
        backbone_width: channels of the stem.
        stem: "imagenet" or "small" (for images under 64 pixels); see `backbones.resnet`.
        image_mean: of images in [0, 1], a number a channel.
        image_std: standard deviation of images in [0, 1], a number a channel.
        resize_size: see `SquarePreprocessing`.
        crop_mode: see `SquarePreprocessing`.

    Returns:
        The model with fresh weights.

    Raises:
        UsageError: an unknown backbone.
        ValueError: a value out of its range.
    """
    network = make_backbone(backbone, backbone_width, norm, stem)
    return ImageClassifier(
        PooledClassifier(network, num_classes, dropout),
        SquarePreprocessing(
            image_size,
            tuple(image_mean),
            tuple(image_std),
            resize_size=resize_size,
            crop_mode=crop_mode,
        ),
        multilabel=multilabel,
        label_smoothing=label_smoothing,
    )
