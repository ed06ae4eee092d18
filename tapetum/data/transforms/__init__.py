"""Transforms for training: what may happen to a sample, drawn once, applied to all of it.

A transform draws its random numbers from the size of the picture alone, never from its content,
and gets a `Change`: a plain value that says what is to happen. Applying the change is a pure
function, so the same change can be applied again, printed, or followed by its matrix. Normalising
is not done here; that belongs to a model's `prepare`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tapetum.base.errors import UsageError
from tapetum.data.transforms.change import Change, Size, Transform
from tapetum.data.transforms.geometric import (
    HorizontalFlip,
    Pad,
    RandomCrop,
    RandomScale,
    Resize,
    Rotate90,
    ScaleJitter,
    Translate,
    VerticalFlip,
)
from tapetum.data.transforms.movements import Framing, Pairs, Turn
from tapetum.data.transforms.photometric import ColourJitter, Recolour
from tapetum.structures import Sample

__all__ = [
    "RECIPES",
    "Change",
    "ColourJitter",
    "Compose",
    "Framing",
    "HorizontalFlip",
    "InTurn",
    "Pad",
    "RandomCrop",
    "RandomScale",
    "Recolour",
    "Resize",
    "Rotate90",
    "ScaleJitter",
    "Transform",
    "Translate",
    "Turn",
    "VerticalFlip",
    "standard_transforms",
]

RECIPES = ("default", "microscope", "any-orientation", "flip", "none")
"""What `standard_transforms` knows."""


@dataclass(frozen=True)
class InTurn:
    """Several changes, one after the other."""

    changes: tuple[Change, ...]

    def size_after(self, size: Size) -> Size:
        for change in self.changes:
            size = change.size_after(size)
        return size

    def matrix(self, size: Size) -> Tensor:
        whole = torch.eye(3, dtype=torch.float64)
        for change in self.changes:
            whole, size = change.matrix(size) @ whole, change.size_after(size)
        return whole

    def apply(self, sample: Sample) -> Sample:
        for change in self.changes:
            sample = change.apply(sample)
        return sample


@dataclass(frozen=True)
class Compose(Transform):
    """Several transforms, one after the other."""

    transforms: tuple[Transform, ...]

    def draw(self, size: Size, generator: torch.Generator) -> InTurn:
        changes = []
        for transform in self.transforms:
            changes.append(transform.draw(size, generator))
            size = changes[-1].size_after(size)
        return InTurn(tuple(changes))


def standard_transforms(size: int, recipe: str = "default", *, pairs: Pairs = ()) -> Compose:
    """What a detector that starts from scratch on little data sees; shorter side `size` pixels.

    "default": mirrored half of the time, grown or shrunk by up to a quarter in a frame that
    keeps the picture's proportions (so it also wanders), colours varied mildly. Each can be
    true of a photograph of the same place. "microscope": also mirrored upside down.
    "any-orientation": the same with all eight turns, for views from above; batches that mix upright
    and lying pictures hold more padding. "flip": mirrored only, for short trials. "none": nothing
    random. The longer side is at most twice the shorter one's `size`.

    Raises:
        UsageError: an unknown recipe.
    """
    if recipe not in RECIPES:
        raise UsageError(f"unknown recipe {recipe!r}", hint="one of " + ", ".join(RECIPES))
    resize = Resize(size, longest=2 * size)
    flip = HorizontalFlip(pairs=pairs)
    if recipe in ("flip", "none"):
        return Compose((flip, resize) if recipe == "flip" else (resize,))
    turns: tuple[Transform, ...] = (flip,)
    if recipe == "microscope":
        turns = (flip, VerticalFlip(pairs=pairs))
    elif recipe == "any-orientation":
        turns = (Rotate90(pairs=pairs),)
    return Compose((*turns, ScaleJitter(size=size, longest=2 * size), ColourJitter()))
