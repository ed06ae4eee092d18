"""Prediction: what a model says of one picture."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from tapetum.structures.target import Target


@dataclass(frozen=True, eq=False)
class Prediction(Target):
    """A Target that a model made, in the frame of the original picture.

    class_scores: (C,) float, of the whole picture.
    pixel_scores: (C, H, W) float, on request.
    """

    class_scores: Tensor | None = None
    pixel_scores: Tensor | None = None
