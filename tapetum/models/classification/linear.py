"""Linear classifier: f(x, W) = W x + b on the pixels themselves, a template for each class.

The first model of every course on vision. A class's score is the inner product of the image with
that class's row of weights, which has the shape of an image and can be looked at: it is what the
class looks like on average, and one template has to do for horses that look left and right. Learns
by the softmax's cross entropy, or by the hinge loss of a support vector machine (Weston and Watkins
1999), which is content once the right class is ahead by 1; to either comes l2 * sum of W squared.

Weights start at 0, so that all there is in a template was learnt. The penalty is a loss like the
other, and its gradient 2 * l2 * W comes with the other's: strong, it leaves of a template what its
class has on average; at 0, the pixels' fine differences take over, which look like noise. An
optimizer's weight decay would shrink the weights a second time, so this model sets it to 0
(`SETTINGS`), and a training's `weight_decay` adds one.

Expected: some 35 to 40 % on CIFAR-10.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tapetum.models.classification.classifier import ImageClassifier
from tapetum.models.classification.preprocessing import SquarePreprocessing
from tapetum.models.entry import ModelEntry
from tapetum.models.network import Network
from tapetum.ops.losses import multiclass_hinge

LOSSES = ("softmax", "hinge")
# Adam gives every weight steps of one length, also those that hardly matter: noise again.
SETTINGS: dict[str, Any] = {"optimizer": "sgd", "lr": 0.002, "weight_decay": 0.0}


class PixelClassifier(Network[Tensor]):
    """One linear layer on the pixels; class scores (B, C).

    Args:
        num_classes: number of classes.
        image_size: pixels of the side of every image.
        l2: factor of the penalty, the sum of the squared weights; biases are free of it.
    """

    def __init__(self, num_classes: int, image_size: int, l2: float) -> None:
        super().__init__()
        if not 0 <= l2 < math.inf:
            raise ValueError(f"l2: expected 0 or more, got {l2}")
        self.image_size = image_size
        self.l2 = l2
        self.head = nn.Linear(3 * image_size**2, num_classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(
        self, pixels: Tensor, generators: Sequence[torch.Generator] | None = None
    ) -> Tensor:
        return self.head(pixels.flatten(1))

    def penalties(self) -> dict[str, Tensor]:
        """ "l2", of the weights."""
        return {"l2": self.l2 * self.head.weight.square().sum()}

    def class_templates(self) -> Tensor:
        """(C, 3, S, S) float in [0, 1]: the weights of each class as an image.

        From its own least weight, black, to its own largest, white.
        """
        weights = self.head.weight.detach().unflatten(1, (3, self.image_size, self.image_size))
        low, high = weights.amin(dim=(1, 2, 3), keepdim=True), weights.amax((1, 2, 3), keepdim=True)
        return (weights - low) / torch.where(high > low, high - low, 1)


def linear(
    num_classes: int = 10, image_size: int = 32, loss: str = "softmax", l2: float = 0.04
) -> ImageClassifier:
    """A linear classifier of the pixels.

    Pixel times gradient explains it completely, as the products add up to the score.

    Args:
        num_classes: number of classes.
        image_size: pixels of the side of the square that every image is squashed to; values go
            from -1 to 1.
        loss: "softmax" or "hinge". Scores become probabilities by the softmax either way; after
            the hinge loss they tell which class is likelier, not how likely it is.
        l2: how much the sum of the squared weights counts beside the loss of the data.

    Returns:
        The model with fresh weights.

    Raises:
        ValueError: an unknown loss, or a negative l2.
    """
    if loss not in LOSSES:
        raise ValueError(f"loss: expected one of {', '.join(LOSSES)}, got {loss!r}")
    return ImageClassifier(
        PixelClassifier(num_classes, image_size, l2),
        SquarePreprocessing(image_size, (0.5,) * 3, (0.5,) * 3),
        loss=_hinge if loss == "hinge" else None,
        preferred_settings=SETTINGS,
    )


def _hinge(scores: Tensor, labels: Tensor) -> Tensor:
    return multiclass_hinge(scores, labels, reduction="none")


# What a training asks before it builds the model.
_function: Any = linear
_function.preferred_settings = SETTINGS

ENTRIES: dict[str, ModelEntry] = {
    "linear": ModelEntry(
        linear,
        "classification",
        "Weston and Watkins 1999, Support vector machines for multi-class pattern recognition",
        {"num_classes": 3},
    ),
}
