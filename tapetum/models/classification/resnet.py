"""ResNet classifiers: a residual network, the mean over the last map, one linear layer.

He et al. 2016, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385). The last map of
the backbone is averaged over all places, and a linear layer makes logits of the mean. Differs from
the paper as torchvision does, whose logits it gives (see `backbones.resnet`); trainings here squash
images to a square instead of cropping them.
Expected: top-1 69.8 % (resnet18) and 76.1 % (resnet50) on ImageNet, as torchvision reports for its
first published weights, short side 256 and a crop from the middle: so ENTRIES has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tapetum.backbones import make_backbone
from tapetum.models.classification.classifier import ImageClassifier
from tapetum.models.classification.pooled import PooledClassifier
from tapetum.models.classification.preprocessing import SquarePreprocessing
from tapetum.models.entry import ModelEntry, PublishedWeights
from tapetum.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from tapetum.models.torchvision_weights import torchvision_classifier


@dataclass(frozen=True)
class ResNetClassifierOptions:
    """Arguments of `resnet10` to `resnet152`."""

    num_classes: int = 1000
    """Number of classes."""
    image_size: int = 224
    """Pixels of the side of the square that the network sees of each image."""
    multilabel: bool = False
    """Any number of classes an image; see `ImageClassifier`."""
    label_smoothing: float = 0.0
    """See `ImageClassifier`."""
    dropout: float = 0.0
    """Fraction of the pooled features that is dropped in training, in [0, 1)."""
    norm: str = "batch"
    """Kind of norm, see `layers.norm`."""
    backbone_width: int = 64
    """Channels of the stem."""
    stem: str = "imagenet"
    """Either "imagenet" or "small" (for images under 64 pixels); see `backbones.resnet`."""
    image_mean: Sequence[float] = IMAGENET_MEAN
    """Of images in [0, 1], a number a channel."""
    image_std: Sequence[float] = IMAGENET_STD
    """Standard deviation of images in [0, 1], a number a channel."""
    resize_size: int | None = None
    """Pixels of the short side before a crop; see `SquarePreprocessing`."""
    crop_mode: str = "squash"
    """Either "squash" or "center"; see `SquarePreprocessing`."""


def resnet_classifier(
    backbone: str, options: ResNetClassifierOptions | None = None, /, **arguments: Any
) -> ImageClassifier:
    """A classifier on a backbone of BACKBONES.

    Args:
        backbone: a name in BACKBONES.
        options: all arguments; by default `ResNetClassifierOptions()`.
        **arguments: fields of `ResNetClassifierOptions` by name, in place of those of `options`.

    Returns:
        The model with fresh weights.

    Raises:
        UsageError: an unknown backbone.
        TypeError: an unknown argument.
        ValueError: a value out of its range.
    """
    options = replace(options or ResNetClassifierOptions(), **arguments)
    network = make_backbone(backbone, options.backbone_width, options.norm, options.stem)
    return ImageClassifier(
        PooledClassifier(network, options.num_classes, options.dropout),
        SquarePreprocessing(
            options.image_size,
            tuple(options.image_mean),
            tuple(options.image_std),
            resize_size=options.resize_size,
            crop_mode=options.crop_mode,
        ),
        multilabel=options.multilabel,
        label_smoothing=options.label_smoothing,
    )


def resnet10(
    options: ResNetClassifierOptions | None = None, /, **arguments: Any
) -> ImageClassifier:
    """One basic block a stage, for tests and small machines.

    Args:
        options: see `resnet_classifier`.
        **arguments: see `resnet_classifier`.

    Returns:
        The model with fresh weights.
    """
    return resnet_classifier("resnet10", options, **arguments)


def resnet18(
    options: ResNetClassifierOptions | None = None, /, **arguments: Any
) -> ImageClassifier:
    """ResNet-18 (He et al. 2016, table 1).

    Args:
        options: see `resnet_classifier`.
        **arguments: see `resnet_classifier`.

    Returns:
        The model with fresh weights.
    """
    return resnet_classifier("resnet18", options, **arguments)


def resnet34(
    options: ResNetClassifierOptions | None = None, /, **arguments: Any
) -> ImageClassifier:
    """ResNet-34 (He et al. 2016, table 1).

    Args:
        options: see `resnet_classifier`.
        **arguments: see `resnet_classifier`.

    Returns:
        The model with fresh weights.
    """
    return resnet_classifier("resnet34", options, **arguments)


def resnet50(
    options: ResNetClassifierOptions | None = None, /, **arguments: Any
) -> ImageClassifier:
    """ResNet-50 (He et al. 2016, table 1).

    Args:
        options: see `resnet_classifier`.
        **arguments: see `resnet_classifier`.

    Returns:
        The model with fresh weights.
    """
    return resnet_classifier("resnet50", options, **arguments)


def resnet101(
    options: ResNetClassifierOptions | None = None, /, **arguments: Any
) -> ImageClassifier:
    """ResNet-101 (He et al. 2016, table 1).

    Args:
        options: see `resnet_classifier`.
        **arguments: see `resnet_classifier`.

    Returns:
        The model with fresh weights.
    """
    return resnet_classifier("resnet101", options, **arguments)


def resnet152(
    options: ResNetClassifierOptions | None = None, /, **arguments: Any
) -> ImageClassifier:
    """ResNet-152 (He et al. 2016, table 1).

    Args:
        options: see `resnet_classifier`.
        **arguments: see `resnet_classifier`.

    Returns:
        The model with fresh weights.
    """
    return resnet_classifier("resnet152", options, **arguments)


_TINY = {"norm": "group", "num_classes": 3, "image_size": 64}


def _entry(
    build: Any, backbone_width: int, *weights: PublishedWeights, starts_task: bool = False
) -> ModelEntry:
    """backbone_width: of the tiny one, for tests."""
    return ModelEntry(
        build,
        "classification",
        "He et al. 2016, arXiv 1512.03385",
        tiny={**_TINY, "backbone_width": backbone_width},
        weights=weights,
        options=ResNetClassifierOptions,
        starts_task=starts_task,
    )


def _v1(name: str, digest: str, top1: float, top5: float) -> PublishedWeights:
    """The first weights of torchvision for a network, which its detectors started from."""
    fixed = ("backbone_width", "stem")
    return torchvision_classifier(
        name, digest, top1, top5, fixed_arguments=fixed, starts_backbones=True
    )


def _v2(name: str, digest: str, top1: float, top5: float) -> PublishedWeights:
    """The later weights of torchvision, whose images were resized to another size."""
    fixed = ("backbone_width", "stem")
    return torchvision_classifier(name, digest, top1, top5, fixed_arguments=fixed, resize_size=232)


ENTRIES: dict[str, ModelEntry] = {
    "resnet10": _entry(resnet10, 8),
    "resnet18": _entry(resnet18, 6, _v1("resnet18", "f37072fd", 69.758, 89.078), starts_task=True),
    "resnet34": _entry(resnet34, 4, _v1("resnet34", "b627a593", 73.314, 91.420)),
    "resnet50": _entry(
        resnet50,
        4,
        _v2("resnet50.v2", "11ad3fa6", 80.858, 95.434),
        _v1("resnet50.v1", "0676ba61", 76.130, 92.862),
    ),
    "resnet101": _entry(
        resnet101,
        2,
        _v2("resnet101.v2", "cd907fc2", 81.886, 95.780),
        _v1("resnet101.v1", "63fe2227", 77.374, 93.546),
    ),
    "resnet152": _entry(
        resnet152,
        2,
        _v2("resnet152.v2", "f82ba261", 82.284, 96.002),
        _v1("resnet152.v1", "394f9c45", 78.312, 94.046),
    ),
}
