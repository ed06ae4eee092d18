"""Transforms for training: what may happen to a sample, drawn once, applied to all of it.

A transform draws its random numbers from the size of the image alone, never from its content,
and gets a `Change`: a plain value that says what is to happen. Applying the change is a pure
function, so the same change can be applied again, printed, or followed by its matrix, where it has
one. Normalising is not done here; that belongs to a model's `prepare`.
"""

from __future__ import annotations

from tapetum.data.transforms.compose import Compose, InTurn, Stages
from tapetum.data.transforms.crops import RandomResizedCrop, ZoomedCrop
from tapetum.data.transforms.elastic import ElasticDeformation, Warp
from tapetum.data.transforms.geometric import (
    AlternatingFlip,
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
from tapetum.data.transforms.movements import Framing, Turn
from tapetum.data.transforms.pairs import keypoint_pairs
from tapetum.data.transforms.photometric import ColourJitter, Recolour
from tapetum.data.transforms.presets import (
    AUGMENTATIONS,
    CLASSIFICATION_AUGMENTATIONS,
    SEGMENTATION_AUGMENTATIONS,
    classification_pixels,
    classification_transforms,
    segmentation_transforms,
    standard_pixels,
    standard_transforms,
)
from tapetum.data.transforms.transform import Change, Moment, Transform

__all__ = [
    "AUGMENTATIONS",
    "CLASSIFICATION_AUGMENTATIONS",
    "SEGMENTATION_AUGMENTATIONS",
    "AlternatingFlip",
    "Change",
    "ColourJitter",
    "Compose",
    "ElasticDeformation",
    "Framing",
    "HorizontalFlip",
    "InTurn",
    "Moment",
    "Pad",
    "RandomCrop",
    "RandomResizedCrop",
    "RandomScale",
    "Recolour",
    "Resize",
    "Rotate90",
    "ScaleJitter",
    "Stages",
    "Transform",
    "Translate",
    "Turn",
    "VerticalFlip",
    "Warp",
    "ZoomedCrop",
    "classification_pixels",
    "classification_transforms",
    "keypoint_pairs",
    "segmentation_transforms",
    "standard_pixels",
    "standard_transforms",
]
