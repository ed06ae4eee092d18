"""Transforms for training: random parameters, drawn once, applied to image and target together.

A transform draws an `Operation`, a plain value with the parameters, from the size of the image and
a generator alone, never from the image's content. Applying it is a pure function, so the same
operation can be applied again, printed, or followed by its matrix, where it has one. Names are
those of torchvision.transforms.v2 where the transform is the same. Transforms that combine several
samples (`MixUp`, `CutMix`, `Mosaic`, `CopyPaste`) get the others from an `EpochContext`.
Normalising is not done here; it belongs to a model's `preprocess`.
"""

from __future__ import annotations

from tapetum.data.transforms.compose import Compose, OperationSequence, Stages
from tapetum.data.transforms.copy_paste import CopyPaste
from tapetum.data.transforms.crops import RandomResizedCrop, RandomScaledCrop
from tapetum.data.transforms.elastic import DisplacementField, ElasticTransform
from tapetum.data.transforms.geometric import (
    AlternatingFlip,
    Pad,
    RandomCrop,
    RandomHorizontalFlip,
    RandomRotate90,
    RandomShortestSize,
    RandomTranslate,
    RandomVerticalFlip,
    Resize,
    ScaleJitter,
)
from tapetum.data.transforms.keypoints import keypoint_pairs
from tapetum.data.transforms.mixing import CutMix, MixUp
from tapetum.data.transforms.mosaic import Mosaic
from tapetum.data.transforms.operations import Dihedral, ResizeCrop
from tapetum.data.transforms.photometric import ColorAdjustment, ColorJitter
from tapetum.data.transforms.presets import (
    CLASSIFICATION_AUGMENTATIONS,
    DETECTION_AUGMENTATIONS,
    LOCALIZATION_AUGMENTATIONS,
    SEGMENTATION_AUGMENTATIONS,
    classification_pixels,
    classification_transforms,
    detection_pixels,
    detection_transforms,
    segmentation_transforms,
)
from tapetum.data.transforms.transform import EpochContext, Operation, Transform

__all__ = [
    "CLASSIFICATION_AUGMENTATIONS",
    "DETECTION_AUGMENTATIONS",
    "LOCALIZATION_AUGMENTATIONS",
    "SEGMENTATION_AUGMENTATIONS",
    "AlternatingFlip",
    "ColorAdjustment",
    "ColorJitter",
    "Compose",
    "CopyPaste",
    "CutMix",
    "Dihedral",
    "DisplacementField",
    "ElasticTransform",
    "EpochContext",
    "MixUp",
    "Mosaic",
    "Operation",
    "OperationSequence",
    "Pad",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomRotate90",
    "RandomScaledCrop",
    "RandomShortestSize",
    "RandomTranslate",
    "RandomVerticalFlip",
    "Resize",
    "ResizeCrop",
    "ScaleJitter",
    "Stages",
    "Transform",
    "classification_pixels",
    "classification_transforms",
    "detection_pixels",
    "detection_transforms",
    "keypoint_pairs",
    "segmentation_transforms",
]
