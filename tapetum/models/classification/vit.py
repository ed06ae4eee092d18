"""ViT-B/16: a classifier without convolutions, all attention between patches.

Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words" (arXiv 2010.11929). Patches of 16 pixels
become tokens, twelve blocks of attention mix them, and the class token, or the mean of the patches,
goes through one linear layer. Differs from the paper as torchvision does, whose logits it gives: no
hidden layer in the head. A fresh head is near nothing instead of nothing, so that even an unlearnt
model can be explained.
Expected: top-1 81.1 % on ImageNet, as torchvision reports for its published weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tapetum.backbones import vit
from tapetum.backbones.vit import VisionTransformer
from tapetum.layers.conv import init_small
from tapetum.models.classification.classifier import Classifier, Output
from tapetum.models.classification.preprocessing import SquarePreprocessing
from tapetum.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from tapetum.structures import Target
from tapetum.structures.renames import Renames

POOLS = ("token", "average")
REFERENCE = {
    name: Renames((*renames.inside("backbone.", ""), ("head.*", "heads.head.*")))
    for name, renames in vit.REFERENCE.items()
}


class ViTClassifier(Classifier):
    """See the module's docstring. Build one with `vit_b_16`."""

    def __init__(
        self,
        backbone: VisionTransformer,
        classes: int,
        preprocessing: SquarePreprocessing,
        *,
        multilabel: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(preprocessing, multilabel, label_smoothing)
        self.backbone = backbone
        self.head = nn.Linear(backbone.norm.normalized_shape[0], classes)
        init_small(self.head)

    def forward(
        self,
        pixels: Tensor,
        sizes: Tensor,
        targets: Sequence[Target] | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> Output:
        """Class logits. Given the truth and a generator, some of the features are dropped."""
        tokens = self.backbone(pixels, generators if targets is not None else None)  # (B, T, width)
        summary = tokens[:, 0] if self.backbone.lead else tokens.mean(dim=1)
        return Output(self.head(summary))

    def explain_layers(self) -> dict[str, tuple[nn.Module, Callable[[Any], Tensor]]]:
        """What goes into the attention of each block, the last one first, as maps of the patches.

        Not what comes out of the last block: the classifier reads the class token alone, and after
        the last attention no patch can tell it anything any more, so their gradient is 0 there.
        """
        blocks = list(enumerate(self.backbone.blocks, start=1))
        return {
            f"block{i}": (block.get_submodule("norm1"), self.backbone.as_map)
            for i, block in reversed(blocks)
        }


def vit_b_16(
    image_size: int = 224,
    patch: int = 16,
    width: int = 768,
    depth: int = 12,
    heads: int = 12,
    mlp: int = 3072,
    classes: int = 1000,
    dropout: float = 0.0,
    pool: str = "token",
    multilabel: bool = False,
    label_smoothing: float = 0.0,
    image_mean: Sequence[float] = IMAGENET_MEAN,
    image_std: Sequence[float] = IMAGENET_STD,
    resize_size: int | None = None,
    crop_mode: str = "squash",
) -> ViTClassifier:
    """A vision transformer, by default the base size with patches of 16 pixels.

    image_size, patch: pixels of the sides of the square that the network sees of every image,
        and of the patches it is cut into. Weights fit one size of image, as there is a position a
        patch.
    width, depth, heads, mlp: values a token, blocks, parts of the attention, values inside the MLP.
    dropout: the share of the values that is dropped at every step while learning.
    pool: what the classifier reads: "token", a class token, or "average", the mean of all patches
        (then there is no class token), which learns better from few images.
    multilabel, label_smoothing: see `Classifier`.
    image_mean, image_std, resize_size, crop_mode: see `SquarePreprocessing`.

    Raises:
        ValueError: an unknown pool, or numbers that do not divide.
    """
    if pool not in POOLS:
        raise ValueError(f"pool: expected one of {', '.join(POOLS)}, got {pool!r}")
    backbone = VisionTransformer(
        image_size, patch, width, depth, heads, mlp, dropout, class_token=pool == "token"
    )
    return ViTClassifier(
        backbone,
        classes,
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
