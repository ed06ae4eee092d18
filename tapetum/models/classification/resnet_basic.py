"""ResNet classifiers of basic blocks, two 3 x 3 convolutions (He et al. 2016, figure 5, left)."""

from __future__ import annotations

from collections.abc import Sequence

from tapetum.models.classification.classifier import ImageClassifier
from tapetum.models.classification.pooled import resnet_classifier
from tapetum.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD


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
    """A ResNet with one basic block a stage, for tests and small machines.

    Args:
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
        ValueError: a value out of its range.
    """
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
    """ResNet-18 (He et al. 2016, table 1).

    Args:
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
        ValueError: a value out of its range.
    """
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
    """ResNet-34 (He et al. 2016, table 1).

    Args:
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
        ValueError: a value out of its range.
    """
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
