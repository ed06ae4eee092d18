"""Linear classifier: f(x, W) = W x + b on the pixels themselves, a template for each class.

The first model of every course on vision. A class's score is the inner product of the picture with
that class's row of weights, which has the shape of a picture and can be looked at: it is what the
class looks like on average, and one template has to do for horses that look left and right. Learns
by the softmax's cross entropy, or by the hinge loss of a support vector machine (Weston and Watkins
1999), which is content once the right class is ahead by 1.

Expected: some 35 to 40 % on CIFAR-10.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tapetum.layers.conv import init_small
from tapetum.models.classification.classifier import Classifier, Raw, label_loss
from tapetum.models.classification.preparing import SquarePreparation
from tapetum.ops.losses import multiclass_hinge
from tapetum.structures import Target

LOSSES = ("softmax", "hinge")


class LinearClassifier(Classifier):
    """See the module's docstring. Build one with `linear`."""

    def __init__(self, classes: int, preparation: SquarePreparation, loss: str) -> None:
        super().__init__(preparation)
        if loss not in LOSSES:
            raise ValueError(f"loss: expected one of {', '.join(LOSSES)}, got {loss!r}")
        self.loss = loss
        self.head = nn.Linear(3 * preparation.size**2, classes)
        init_small(self.head)

    def forward(
        self,
        pixels: Tensor,
        sizes: Tensor,
        truth: Sequence[Target] | None = None,
        generator: torch.Generator | None = None,
    ) -> Raw:
        """Class scores; neither truth nor chance plays a part."""
        return Raw(self.head(pixels.flatten(1)))

    def losses(self, raw: Raw, truth: Sequence[Target]) -> dict[str, Tensor]:
        """Cross entropy or hinge loss of the labels."""
        if self.loss == "softmax":
            return super().losses(raw, truth)

        def hinge(scores: Tensor, labels: Tensor) -> Tensor:
            return multiclass_hinge(scores, labels, reduction="none")

        return {"classification": label_loss(raw.logits, truth, hinge)}

    def templates(self) -> Tensor:
        """(C, 3, S, S) float in [0, 1]: the weights of each class as a picture.

        From its own least weight, black, to its own largest, white.
        """
        size = self.preparation.size
        weights = self.head.weight.detach().unflatten(1, (3, size, size))
        low, high = weights.amin(dim=(1, 2, 3), keepdim=True), weights.amax((1, 2, 3), keepdim=True)
        return (weights - low) / torch.where(high > low, high - low, 1)

    def explain_layers(self) -> dict[str, tuple[nn.Module, Callable[[Any], Tensor]]]:
        """None: there is nothing between the pixels and the score. Pixel times gradient says all
        there is to say, as the products add up to the score."""
        return {}


def linear(classes: int = 10, image_size: int = 32, loss: str = "softmax") -> LinearClassifier:
    """A linear classifier of the pixels.

    image_size: pixels of the side of the square that every picture is squashed to; values go
        from -1 to 1.
    loss: "softmax" or "hinge". Scores become probabilities by the softmax either way; after the
        hinge loss they tell which class is likelier, not how likely it is.

    Raises:
        ValueError: an unknown loss.
    """
    return LinearClassifier(classes, SquarePreparation(image_size, (0.5,) * 3, (0.5,) * 3), loss)
