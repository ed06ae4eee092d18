"""ResNet classifiers: a residual network, the mean over the last map, one linear layer.

He et al. 2016, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385). The backbone says
what is where; the mean over all places forgets where; a linear layer weighs what is left for each
class. Differs from the paper as torchvision does, whose logits it gives (see `backbones.resnet`);
trainings here squash images to a square instead of cropping them.
Expected: top-1 69.8 % (resnet18) and 76.1 % (resnet50) on ImageNet, as torchvision reports for its
first published weights, short side 256 and a crop from the middle: so `models.catalog` has it.
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
from tapetum.models.entry import ModelEntry
from tapetum.models.network import Network, prefixed, prefixed_groups
from tapetum.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from tapetum.models.torchvision_weights import torchvision_classifier
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
        image_size: pixels of the side of the square that the network sees of every image.
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

    Raises:
        UsageError: an unknown backbone.
        ValueError: a value that cannot be.
    """
    body = make_backbone(backbone, backbone_width, norm, stem)
    return ImageClassifier(
        PooledClassifier(body, num_classes, dropout),
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


def resnet10(
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
    """One basic block a stage, for tests and small machines; arguments as `resnet_classifier`."""
    return resnet_classifier(
        "resnet10",
        num_classes,
        image_size,
        multilabel,
        label_smoothing,
        dropout,
        norm,
        backbone_width,
        stem,
        image_mean,
        image_std,
        resize_size,
        crop_mode,
    )


def resnet18(
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
    """ResNet-18 of the paper's table 1; arguments as `resnet_classifier`."""
    return resnet_classifier(
        "resnet18",
        num_classes,
        image_size,
        multilabel,
        label_smoothing,
        dropout,
        norm,
        backbone_width,
        stem,
        image_mean,
        image_std,
        resize_size,
        crop_mode,
    )


def resnet34(
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
    """ResNet-34 of the paper's table 1; arguments as `resnet_classifier`."""
    return resnet_classifier(
        "resnet34",
        num_classes,
        image_size,
        multilabel,
        label_smoothing,
        dropout,
        norm,
        backbone_width,
        stem,
        image_mean,
        image_std,
        resize_size,
        crop_mode,
    )


def resnet50(
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
    """ResNet-50 of the paper's table 1, version 1.5; arguments as `resnet_classifier`."""
    return resnet_classifier(
        "resnet50",
        num_classes,
        image_size,
        multilabel,
        label_smoothing,
        dropout,
        norm,
        backbone_width,
        stem,
        image_mean,
        image_std,
        resize_size,
        crop_mode,
    )


def resnet101(
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
    """ResNet-101 of the paper's table 1, version 1.5; arguments as `resnet_classifier`."""
    return resnet_classifier(
        "resnet101",
        num_classes,
        image_size,
        multilabel,
        label_smoothing,
        dropout,
        norm,
        backbone_width,
        stem,
        image_mean,
        image_std,
        resize_size,
        crop_mode,
    )


def resnet152(
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
    """ResNet-152 of the paper's table 1, version 1.5; arguments as `resnet_classifier`."""
    return resnet_classifier(
        "resnet152",
        num_classes,
        image_size,
        multilabel,
        label_smoothing,
        dropout,
        norm,
        backbone_width,
        stem,
        image_mean,
        image_std,
        resize_size,
        crop_mode,
    )


_PAPER = "He et al. 2016, arXiv 1512.03385"
_TINY = {"norm": "group", "num_classes": 3, "image_size": 64}
_FIXED = ("backbone_width", "stem")

ENTRIES: dict[str, ModelEntry] = {
    "resnet10": ModelEntry(resnet10, "classification", _PAPER, {**_TINY, "backbone_width": 8}),
    "resnet18": ModelEntry(
        resnet18,
        "classification",
        _PAPER,
        {**_TINY, "backbone_width": 6},
        (
            torchvision_classifier(
                *("resnet18", "f37072fd", 69.758, 89.078),
                fixed_arguments=_FIXED,
                starts_backbones=True,
            ),
        ),
        starts_task=True,
    ),
    "resnet34": ModelEntry(
        resnet34,
        "classification",
        _PAPER,
        {**_TINY, "backbone_width": 4},
        (
            torchvision_classifier(
                *("resnet34", "b627a593", 73.314, 91.420),
                fixed_arguments=_FIXED,
                starts_backbones=True,
            ),
        ),
    ),
    "resnet50": ModelEntry(
        resnet50,
        "classification",
        _PAPER,
        {**_TINY, "backbone_width": 4},
        (
            torchvision_classifier(
                *("resnet50.v2", "11ad3fa6", 80.858, 95.434),
                fixed_arguments=_FIXED,
                resize_size=232,
            ),
            torchvision_classifier(
                *("resnet50.v1", "0676ba61", 76.130, 92.862),
                fixed_arguments=_FIXED,
                starts_backbones=True,
            ),
        ),
    ),
    "resnet101": ModelEntry(
        resnet101,
        "classification",
        _PAPER,
        {**_TINY, "backbone_width": 2},
        (
            torchvision_classifier(
                *("resnet101.v2", "cd907fc2", 81.886, 95.780),
                fixed_arguments=_FIXED,
                resize_size=232,
            ),
            torchvision_classifier(
                *("resnet101.v1", "63fe2227", 77.374, 93.546),
                fixed_arguments=_FIXED,
                starts_backbones=True,
            ),
        ),
    ),
    "resnet152": ModelEntry(
        resnet152,
        "classification",
        _PAPER,
        {**_TINY, "backbone_width": 2},
        (
            torchvision_classifier(
                *("resnet152.v2", "f82ba261", 82.284, 96.002),
                fixed_arguments=_FIXED,
                resize_size=232,
            ),
            torchvision_classifier(
                *("resnet152.v1", "394f9c45", 78.312, 94.046),
                fixed_arguments=_FIXED,
                starts_backbones=True,
            ),
        ),
    ),
}
