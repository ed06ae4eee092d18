"""ResNet classifiers: a residual network, the mean over the last map, one linear layer.

He et al. 2016, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385). The backbone says
what is where; the mean over all places forgets where; a linear layer weighs what is left for each
class. Differs from the paper as torchvision does, whose logits it gives (see `backbones.resnet`);
a training of our own squashes images to a square instead of cropping them.
Expected: top-1 69.8 % (resnet18) and 76.1 % (resnet50) on ImageNet, as torchvision reports for its
first published weights, short side 256 and a crop from the middle: so `models.published` has it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor, nn

from tapetum.backbones import make_backbone, resnet
from tapetum.backbones.resnet import ResNet
from tapetum.layers.conv import init_small
from tapetum.layers.dropout import check_dropout, dropout
from tapetum.models.classification.classifier import Classifier, Output
from tapetum.models.classification.preprocessing import SquarePreprocessing
from tapetum.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from tapetum.structures import Target
from tapetum.structures.renames import Renames

REFERENCE = {
    "torchvision": Renames(
        (*resnet.REFERENCE["torchvision"].inside("backbone.", ""), ("head.*", "fc.*"))
    )
}


class ResNetClassifier(Classifier):
    """See the module's docstring. Build one with `resnet18` and its siblings."""

    def __init__(
        self,
        backbone: ResNet,
        classes: int,
        preprocessing: SquarePreprocessing,
        *,
        multilabel: bool = False,
        label_smoothing: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(preprocessing, multilabel, label_smoothing)
        check_dropout(dropout)
        self.backbone = backbone
        self.dropout = dropout
        self.head = nn.Linear(backbone.channels["c5"], classes)
        init_small(self.head)

    def forward(
        self,
        pixels: Tensor,
        sizes: Tensor,
        targets: Sequence[Target] | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> Output:
        """Class logits. Given the truth and a generator, some of the features are dropped."""
        features = self.backbone(pixels)["c5"].mean(dim=(2, 3))  # (B, C)
        if targets is not None:
            features = dropout(features, self.dropout, generators)
        return Output(self.head(features))

    def explain_layers(self) -> dict[str, tuple[nn.Module, Callable[[Any], Tensor]]]:
        """Backbone maps, the last one first: the logits are linear in its mean."""
        return {name: (self.backbone, itemgetter(name)) for name in ("c5", "c4", "c3", "c2")}


def _on(backbone: str) -> Callable[..., ResNetClassifier]:
    """The function for one size; all of them take the same arguments."""

    def model(
        classes: int = 1000,
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
    ) -> ResNetClassifier:
        """A ResNet classifier.

        image_size: pixels of the side of the square that the network sees of every image.
        multilabel, label_smoothing: see `Classifier`.
        dropout: the share of the pooled features that is dropped while learning.
        backbone_width, norm, stem: channels of the stem, kind of norm, and "imagenet" or "small"
            (for images under 64 pixels); see `backbones.resnet`.
        image_mean, image_std, resize_size, crop_mode: see `SquarePreprocessing`.
        """
        return ResNetClassifier(
            make_backbone(backbone, backbone_width, norm, stem),
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
            dropout=dropout,
        )

    model.__name__ = model.__qualname__ = backbone
    return model


resnet10 = _on("resnet10")
"""One block a stage, for tests and small machines; the others are those of the paper's table 1."""
resnet18 = _on("resnet18")
resnet34 = _on("resnet34")
resnet50 = _on("resnet50")
resnet101 = _on("resnet101")
resnet152 = _on("resnet152")
