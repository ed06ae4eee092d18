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
(`settings`), and `weight_decay` adds one.

Expected: some 35 to 40 % on CIFAR-10.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tapetum.models.classification.classifier import Classifier, Output, label_loss
from tapetum.models.classification.preprocessing import SquarePreprocessing
from tapetum.ops.losses import multiclass_hinge
from tapetum.structures import Target

LOSSES = ("softmax", "hinge")


class LinearClassifier(Classifier):
    """See the module's docstring. Build one with `linear`."""

    # Adam gives every weight steps of one length, also those that hardly matter: noise again.
    settings: ClassVar[Mapping[str, Any]] = {"optimizer": "sgd", "lr": 0.002, "weight_decay": 0.0}

    def __init__(
        self, classes: int, preprocessing: SquarePreprocessing, loss: str, l2: float
    ) -> None:
        super().__init__(preprocessing)
        if loss not in LOSSES:
            raise ValueError(f"loss: expected one of {', '.join(LOSSES)}, got {loss!r}")
        if not 0 <= l2 < math.inf:
            raise ValueError(f"l2: expected 0 or more, got {l2}")
        self.loss = loss
        self.l2 = l2
        self.head = nn.Linear(3 * preprocessing.size**2, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(
        self,
        pixels: Tensor,
        sizes: Tensor,
        targets: Sequence[Target] | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> Output:
        """Class scores; neither truth nor chance plays a part."""
        return Output(self.head(pixels.flatten(1)))

    def losses(self, output: Output, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Cross entropy or hinge loss of the labels, and "l2", the penalty of the weights; biases
        are free of it."""
        penalty = {"l2": self.l2 * self.head.weight.square().sum()}
        if self.loss == "softmax":
            return super().losses(output, targets) | penalty

        def hinge(scores: Tensor, labels: Tensor) -> Tensor:
            return multiclass_hinge(scores, labels, reduction="none")

        return {"classification": label_loss(output.logits, targets, hinge)} | penalty

    def templates(self) -> Tensor:
        """(C, 3, S, S) float in [0, 1]: the weights of each class as an image.

        From its own least weight, black, to its own largest, white.
        """
        size = self.preprocessing.size
        weights = self.head.weight.detach().unflatten(1, (3, size, size))
        low, high = weights.amin(dim=(1, 2, 3), keepdim=True), weights.amax((1, 2, 3), keepdim=True)
        return (weights - low) / torch.where(high > low, high - low, 1)

    def explain_layers(self) -> dict[str, tuple[nn.Module, Callable[[Any], Tensor]]]:
        """None: there is nothing between the pixels and the score. Pixel times gradient says all
        there is to say, as the products add up to the score."""
        return {}


def linear(
    classes: int = 10, image_size: int = 32, loss: str = "softmax", l2: float = 0.04
) -> LinearClassifier:
    """A linear classifier of the pixels.

    image_size: pixels of the side of the square that every image is squashed to; values go
        from -1 to 1.
    loss: "softmax" or "hinge". Scores become probabilities by the softmax either way; after the
        hinge loss they tell which class is likelier, not how likely it is.
    l2: how much the sum of the squared weights counts beside the loss of the data.

    Raises:
        ValueError: an unknown loss, or a negative l2.
    """
    preprocessing = SquarePreprocessing(image_size, (0.5,) * 3, (0.5,) * 3)
    return LinearClassifier(classes, preprocessing, loss, l2)
