"""Prediction: what a model says of one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, overload

from torch import Tensor

from tapetum.structures.objects import Objects
from tapetum.structures.target import Target


@dataclass(frozen=True, eq=False)
class Prediction(Target):
    """A Target that a model made, in the frame of the original image.

    class_scores: (C,) float, of the whole image: probabilities where the model has them.
    pixel_scores: (C, H, W) float, the probabilities of the classes at every pixel, where
        `PostprocessOptions.pixel_scores` asks for them.
    """

    class_scores: Tensor | None = None
    pixel_scores: Tensor | None = None

    @overload
    def require(self, name: Literal["objects", "proposals"]) -> Objects: ...

    @overload
    def require(
        self,
        name: Literal["labels", "semantic", "label_weights", "class_scores", "pixel_scores"],
    ) -> Tensor: ...

    def require(self, name: str) -> Objects | Tensor:
        """As `Target.require`, with the scores too."""
        return self._required(name)
