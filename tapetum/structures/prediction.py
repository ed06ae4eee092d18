"""Prediction: what a model says of one image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tapetum.structures.target import Target


@dataclass(frozen=True, eq=False)
class Prediction(Target):
    """A Target that a model made, in the frame of the original image.

    class_scores: (C,) float, of the whole image: probabilities where the model has them.
    pixel_scores: (C, H, W) float, on request.
    """

    class_scores: Tensor | None = None
    pixel_scores: Tensor | None = None

    def to(self, device: torch.device | str) -> Prediction:
        """The same prediction with every tensor on `device`."""
        moved = super().to(device)
        assert isinstance(moved, Prediction)
        return replace(
            moved,
            class_scores=None if self.class_scores is None else self.class_scores.to(device),
            pixel_scores=None if self.pixel_scores is None else self.pixel_scores.to(device),
        )
