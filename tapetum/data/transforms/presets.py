"""Recipes: which transforms a training uses, by the task and what its images are like."""

from __future__ import annotations

import math

from tapetum.base.errors import UsageError
from tapetum.data.transforms.compose import Compose, Stages
from tapetum.data.transforms.crops import RandomResizedCrop, ZoomedCrop
from tapetum.data.transforms.elastic import ElasticDeformation
from tapetum.data.transforms.geometric import (
    AlternatingFlip,
    HorizontalFlip,
    RandomCrop,
    Resize,
    Rotate90,
    ScaleJitter,
    Translate,
    VerticalFlip,
)
from tapetum.data.transforms.movements import Pairs
from tapetum.data.transforms.photometric import ColourJitter
from tapetum.data.transforms.transform import Size, Transform

AUGMENTATIONS = ("default", "microscope", "any-orientation", "flip", "none")
"""What `standard_transforms` knows."""

CLASSIFICATION_AUGMENTATIONS = (
    "default",
    "small",
    "small-no-flip",
    "growing",
    "digits",
    "flip",
    "none",
)
"""What `classification_transforms` knows."""

SEGMENTATION_AUGMENTATIONS = ("default", "any-orientation", "elastic", "flip", "none")
"""What `segmentation_transforms` knows."""


def standard_transforms(size: int, augmentation: str = "default", *, pairs: Pairs = ()) -> Compose:
    """What a detector that starts from scratch on little data sees; shorter side `size` pixels.

    "default": mirrored half of the time, grown or shrunk by up to a quarter in a frame that
    keeps the image's proportions (so it also wanders), colours varied mildly. Each can be
    true of a photograph of the same place. "microscope": also mirrored upside down.
    "any-orientation": the same with all eight turns, for views from above; batches that mix upright
    and lying images hold more padding. "flip": mirrored only, for short trials. "none": nothing
    random. The longer side is at most twice the shorter one's `size`.

    Raises:
        UsageError: an unknown recipe.
    """
    _expect(augmentation, AUGMENTATIONS)
    resize = Resize(size, longest=2 * size)
    flip = HorizontalFlip(pairs=pairs)
    if augmentation in ("flip", "none"):
        return Compose((flip, resize) if augmentation == "flip" else (resize,))
    turns: tuple[Transform, ...] = (flip,)
    if augmentation == "microscope":
        turns = (flip, VerticalFlip(pairs=pairs))
    elif augmentation == "any-orientation":
        turns = (Rotate90(pairs=pairs),)
    return Compose((*turns, ScaleJitter(size=size, longest=2 * size), ColourJitter()))


def standard_pixels(size: int, augmentation: str = "default") -> int:
    """The short side in pixels beyond which `standard_transforms` see no more of an image."""
    return size if augmentation in ("flip", "none") else math.ceil(size * ScaleJitter.high)


def classification_transforms(size: int, augmentation: str = "default") -> Compose | Stages:
    """What a classifier sees: squares of `size` pixels; the label holds for each of them.

    "default", for photographs: a window of 35 to 100 % of the image's area and of proportions
    3:4 to 4:3 (Szegedy et al. 2015, section 6, with a larger least area, since little data should
    show their object), mirrored half of the time, colours varied. "small", for images of up to 64
    pixels: mirrored, and shifted by up to an eighth, 2 to 4 pixels, the border mirrored (He et al.
    2016, section 4.2, who pad with zeros). "small-no-flip": shifted only, where left and right
    matter. "growing": mirrored in every other epoch, and a window at a random place, of 3/4 of the
    side for a quarter of the training, of 7/8 for another, and then the whole, shifted;
    cheaper steps for models that take windows as they come (airbench). "digits": shifted by up to 2
    pixels. "flip": mirrored only. "none": nothing random.

    Raises:
        UsageError: an unknown recipe.
    """
    _expect(augmentation, CLASSIFICATION_AUGMENTATIONS)
    square, flip, other = Resize((size, size)), HorizontalFlip(), AlternatingFlip()
    if augmentation == "default":
        return Compose((RandomResizedCrop((size, size)), flip, ColourJitter()))
    far = 2 if augmentation == "digits" else max(2, min(4, size // 8))
    steps: dict[str, tuple[Transform, ...]] = {
        "small": (flip, square, _shift(far)),
        "growing": (other, square, _shift(2)),
        "small-no-flip": (square, _shift(far)),
        "digits": (square, _shift(far)),
        "flip": (flip, square),
        "none": (square,),
    }
    whole = Compose(steps[augmentation])
    if augmentation != "growing":
        return whole
    first, then = (RandomCrop((side, side)) for side in (size * 3 // 4, size * 7 // 8))
    windows = (Compose((other, square, window)) for window in (first, then))
    return Stages(tuple(zip((1 / 4, 1 / 2, 1), (*windows, whole), strict=True)))


def classification_pixels(size: int, augmentation: str = "default") -> int:
    """The short side in pixels beyond which `classification_transforms` see no more of an image:
    the smallest window of the default is enlarged by less than two."""
    return 2 * size if augmentation == "default" else size


def segmentation_transforms(crop: Size, augmentation: str = "default") -> Compose:
    """What a model of semantic maps sees: windows of `crop` (height, width), 255 where they reach
    beyond the image.

    "default": mirrored half of the time, grown or shrunk by a factor from 0.6 to 1.4, colours
    varied. "any-orientation", for microscopes and views from above: all eight turns, a factor from
    0.75 to 1.33. "elastic", for tissue under one microscope: all eight turns, deformed smoothly, at
    their own scale (U-Net, section 3.1); images with boxes cannot be. "flip": whole images,
    mirrored only. "none": as they are.

    Raises:
        UsageError: an unknown recipe.
    """
    _expect(augmentation, SEGMENTATION_AUGMENTATIONS)
    if augmentation in ("flip", "none"):
        return Compose((HorizontalFlip(),) if augmentation == "flip" else ())
    if augmentation == "default":
        return Compose((HorizontalFlip(), ZoomedCrop(crop, 0.6, 1.4), ColourJitter()))
    if augmentation == "elastic":
        bend = ElasticDeformation()
        return Compose((Rotate90(), ZoomedCrop(crop, 1.0, 1.0), bend, ColourJitter()))
    return Compose((Rotate90(), ZoomedCrop(crop, 0.75, 4 / 3), ColourJitter()))


def _shift(pixels: int) -> Translate:
    return Translate(pixels, pixels, fill=None)


def _expect(augmentation: str, known: tuple[str, ...]) -> None:
    if augmentation not in known:
        raise UsageError(f"unknown recipe {augmentation!r}", hint="one of " + ", ".join(known))
