"""ViT-B/16: a classifier without convolutions, all attention between patches.

Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words" (arXiv 2010.11929). Patches of 16 pixels
become tokens, twelve blocks of attention mix them, and the class token, or the mean of the patches,
goes through one linear layer. Differs from the paper as torchvision does, whose logits it gives: no
hidden layer in the head. A fresh head is near nothing instead of nothing, so that even an unlearnt
model can be explained.
Expected: top-1 81.1 % on ImageNet, as torchvision reports for its published weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from tapetum.backbones import vit
from tapetum.backbones.backbone import ResizeWeight
from tapetum.backbones.vit import VisionTransformer
from tapetum.layers.conv import init_small
from tapetum.models.classification.classifier import ImageClassifier
from tapetum.models.classification.preprocessing import SquarePreprocessing
from tapetum.models.entry import ModelEntry
from tapetum.models.network import Network, prefixed, prefixed_groups
from tapetum.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from tapetum.models.torchvision_weights import torchvision_classifier
from tapetum.structures import ExplainLayer
from tapetum.structures.renames import Renames

POOLS = ("token", "average")


class TokenClassifier(Network[Tensor]):
    """A vision transformer and one linear layer; class logits (B, C).

    Args:
        backbone: images to tokens; with a class token that is read, else the mean of all.
        num_classes: number of classes.
    """

    references: ClassVar[Mapping[str, Renames]] = {
        name: Renames((*renames.inside("backbone.", ""), ("head.*", "heads.head.*")))
        for name, renames in vit.REFERENCE.items()
    }

    def __init__(self, backbone: VisionTransformer, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.norm.normalized_shape[0], num_classes)
        init_small(self.head)

    def forward(
        self, pixels: Tensor, generators: Sequence[torch.Generator] | None = None
    ) -> Tensor:
        tokens = self.backbone.tokens(pixels, generators)  # (B, T, width)
        return self.head(tokens[:, 0] if self.backbone.lead else tokens.mean(dim=1))

    def explain_layers(self) -> dict[str, ExplainLayer]:
        """What goes into the attention of each block, the last one first, as maps of the patches.

        Not what comes out of the last block: the classifier reads the class token alone, and after
        the last attention no patch can reach it any more, so their gradient is 0 there.
        """
        blocks = list(enumerate(self.backbone.blocks, start=1))
        return {
            f"block{i}": (block.get_submodule("norm1"), self.backbone.as_map)
            for i, block in reversed(blocks)
        }

    def layer_groups(self) -> list[tuple[str, ...]]:
        """Those of the backbone."""
        return prefixed_groups("backbone.", self.backbone.layer_groups())

    def resizable_weights(self) -> dict[str, ResizeWeight]:
        """Those of the backbone."""
        return prefixed("backbone.", self.backbone.resizable_weights())


def vit_b_16(
    image_size: int = 224,
    patch: int = 16,
    width: int = 768,
    depth: int = 12,
    heads: int = 12,
    mlp: int = 3072,
    num_classes: int = 1000,
    dropout: float = 0.0,
    pool: str = "token",
    multilabel: bool = False,
    label_smoothing: float = 0.0,
    image_mean: Sequence[float] = IMAGENET_MEAN,
    image_std: Sequence[float] = IMAGENET_STD,
    resize_size: int | None = None,
    crop_mode: str = "squash",
) -> ImageClassifier:
    """A vision transformer, by default the base size with patches of 16 pixels.

    Args:
        image_size: pixels of the side of the square that the network sees of every image. Weights
            fit one size, as there is a position a patch.
        patch: pixels of the side of the patches that it is cut into.
        width: values of a token.
        depth: number of blocks.
        heads: of the attention in each block.
        mlp: hidden values of the MLP in each block.
        num_classes: number of classes.
        dropout: fraction of the values that is dropped at every step in training, in [0, 1).
        pool: what the classifier reads: "token", a class token, or "average", the mean of all
            patches (then there is no class token), which learns better from few images.
        multilabel: see `ImageClassifier`.
        label_smoothing: see `ImageClassifier`.
        image_mean: of images in [0, 1], a number a channel.
        image_std: standard deviation of images in [0, 1], a number a channel.
        resize_size: see `SquarePreprocessing`.
        crop_mode: see `SquarePreprocessing`.

    Returns:
        The model with fresh weights.

    Raises:
        ValueError: an unknown pool, or numbers that do not divide.
    """
    if pool not in POOLS:
        raise ValueError(f"pool: expected one of {', '.join(POOLS)}, got {pool!r}")
    backbone = VisionTransformer(
        image_size, patch, width, depth, heads, mlp, dropout, class_token=pool == "token"
    )
    return ImageClassifier(
        TokenClassifier(backbone, num_classes),
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


ENTRIES: dict[str, ModelEntry] = {
    "vit_b_16": ModelEntry(
        vit_b_16,
        "classification",
        "Dosovitskiy et al. 2021, arXiv 2010.11929",
        {
            "num_classes": 3,
            "image_size": 64,
            "patch": 16,
            "width": 32,
            "depth": 2,
            "heads": 4,
            "mlp": 64,
        },
        (
            torchvision_classifier(
                *("vit_b_16", "c867db91", 81.072, 95.318),
                fixed_arguments=("pool", "mlp", "patch", "width", "depth", "heads"),
            ),
        ),
    ),
}
