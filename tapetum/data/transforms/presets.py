"""Presets: which transforms a training uses, by the task and what its images are like."""

from __future__ import annotations

import math

from tapetum.base.errors import UsageError
from tapetum.data.transforms.compose import Compose, Stages
from tapetum.data.transforms.copy_paste import CopyPaste
from tapetum.data.transforms.crops import RandomResizedCrop, RandomScaledCrop
from tapetum.data.transforms.elastic import ElasticTransform
from tapetum.data.transforms.geometric import (
    AlternatingFlip,
    RandomCrop,
    RandomHorizontalFlip,
    RandomRotate90,
    RandomTranslate,
    RandomVerticalFlip,
    Resize,
    ScaleJitter,
)
from tapetum.data.transforms.keypoints import Pairs
from tapetum.data.transforms.mixing import CutMix, MixUp
from tapetum.data.transforms.mosaic import Mosaic
from tapetum.data.transforms.photometric import ColorJitter
from tapetum.data.transforms.transform import Size, Transform

LOCALIZATION_AUGMENTATIONS = ("default", "microscope", "any-orientation", "flip", "none")
"""Those of `detection_transforms` that keep an image of one object so."""

DETECTION_AUGMENTATIONS = (*LOCALIZATION_AUGMENTATIONS, "mosaic", "copy-paste")
"""Names that `detection_transforms` takes."""

CLASSIFICATION_AUGMENTATIONS = (
    "default",
    "small",
    "small-no-flip",
    "growing",
    "digits",
    "mixup",
    "cutmix",
    "flip",
    "none",
)
"""Names that `classification_transforms` takes."""

SMALL = 64
"""Short side in pixels up to which images are mirrored and shifted, rather than cropped."""

MOSAIC_FRACTION = 0.85
"""Of a training; the rest sees plain images, as YOLOX does (Ge et al. 2021, section 2.1)."""

SEGMENTATION_AUGMENTATIONS = ("default", "any-orientation", "elastic", "flip", "none")
"""Names that `segmentation_transforms` takes."""


def detection_transforms(
    size: int, augmentation: str = "default", *, pairs: Pairs = ()
) -> Compose | Stages | CopyPaste:
    """What a detector that starts from scratch on little data sees.

    "default": mirrored half of the time, grown or shrunk by up to a quarter in a frame that
    keeps the image's proportions (so it also moves), colors varied mildly. Each can be
    true of a photograph of the same place. "microscope": also mirrored upside down.
    "any-orientation": the same with all eight turns, for views from above; batches that mix upright
    and lying images hold more padding. "mosaic": squares of four images each, and the default for
    the last 15 % of the training. "copy-paste": the default, with objects of another image pasted
    in half of the time. "flip": mirrored only, for short trainings. "none": nothing random.

    Args:
        size: of the shorter side in pixels; the longer one is at most twice as long.
        augmentation: one of `DETECTION_AUGMENTATIONS`.
        pairs: keypoints that swap when the image is mirrored.

    Returns:
        The transform of training samples.

    Raises:
        UsageError: an unknown augmentation.
    """
    _expect(augmentation, DETECTION_AUGMENTATIONS)
    resize = Resize(size, max_size=2 * size)
    flip = RandomHorizontalFlip(pairs=pairs)
    if augmentation in ("flip", "none"):
        return Compose((flip, resize) if augmentation == "flip" else (resize,))
    turns: tuple[Transform, ...] = (flip,)
    if augmentation == "microscope":
        turns = (flip, RandomVerticalFlip(pairs=pairs))
    elif augmentation == "any-orientation":
        turns = (RandomRotate90(pairs=pairs),)
    varied = Compose((*turns, ScaleJitter(size=size, max_size=2 * size), ColorJitter()))
    if augmentation == "copy-paste":
        return CopyPaste(varied)
    if augmentation == "mosaic":
        tiles = Compose((Mosaic((size, size)), flip, resize, ColorJitter()))
        return Stages(((MOSAIC_FRACTION, tiles), (1.0, varied)))
    return varied


def detection_pixels(size: int, augmentation: str = "default") -> int:
    """The short side beyond which `detection_transforms` use no more pixels of an image.

    Args:
        size: of the shorter side in the training, in pixels.
        augmentation: one of `DETECTION_AUGMENTATIONS`.

    Returns:
        Pixels of the shorter side.
    """
    return size if augmentation in ("flip", "none") else math.ceil(size * ScaleJitter.high)


def classification_transforms(size: int, augmentation: str = "default") -> Transform:
    """What a classifier sees: squares of `size` pixels; the label holds for each of them.

    "default", for photographs: a window of 35 to 100 % of the image's area and of proportions
    3:4 to 4:3 (Szegedy et al. 2015, section 6, with a larger minimum, since little data should show
    their object), mirrored half of the time, colors varied. "small", for images of up to 64
    pixels: mirrored, and shifted by up to an eighth, 2 to 4 pixels, the border mirrored (He et al.
    2016, section 4.2, who pad with zeros). "small-no-flip": shifted only, where left and right
    matter. "growing": mirrored in every other epoch, and a window at a random place, of 3/4 of the
    side for a quarter of the training, of 7/8 for another, and then the whole, shifted;
    cheaper steps for models that take windows as they come (airbench). "digits": shifted by up to 2
    pixels. "mixup", "cutmix": the default ("small" up to 64 pixels), and mixed with another image.
    "flip": mirrored only. "none": nothing random.

    Args:
        size: of the squares, in pixels.
        augmentation: one of `CLASSIFICATION_AUGMENTATIONS`.

    Returns:
        The transform of training samples.

    Raises:
        UsageError: an unknown preset.
    """
    _expect(augmentation, CLASSIFICATION_AUGMENTATIONS)
    if augmentation in ("mixup", "cutmix"):
        single = classification_transforms(size, _unmixed(size))
        return MixUp(single) if augmentation == "mixup" else CutMix(single)
    square, flip, other = Resize((size, size)), RandomHorizontalFlip(), AlternatingFlip()
    if augmentation == "default":
        return Compose((RandomResizedCrop((size, size)), flip, ColorJitter()))
    far = 2 if augmentation == "digits" else max(2, min(4, size // 8))
    steps: dict[str, tuple[Transform, ...]] = {
        "small": (flip, square, _shift(far)),
        "growing": (other, square, _shift(2)),
        "small-no-flip": (square, _shift(far)),
        "digits": (square, _shift(far)),
        "flip": (flip, square),
        "none": (square,),
    }
    full = Compose(steps[augmentation])
    if augmentation != "growing":
        return full
    first, then = (RandomCrop((side, side)) for side in (size * 3 // 4, size * 7 // 8))
    windows = (Compose((other, square, window)) for window in (first, then))
    return Stages(tuple(zip((1 / 4, 1 / 2, 1), (*windows, full), strict=True)))


def classification_pixels(size: int, augmentation: str = "default") -> int:
    """The short side beyond which `classification_transforms` use no more pixels of an image.

    The smallest window of the default is enlarged by less than two.

    Args:
        size: of the squares, in pixels.
        augmentation: one of `CLASSIFICATION_AUGMENTATIONS`.

    Returns:
        Pixels of the shorter side.
    """
    if augmentation in ("mixup", "cutmix"):
        augmentation = _unmixed(size)
    return 2 * size if augmentation == "default" else size


def segmentation_transforms(crop: Size, augmentation: str = "default") -> Compose:
    """What a model of semantic maps sees: windows of `crop` (height, width), 255 where they reach
    beyond the image.

    "default": mirrored half of the time, grown or shrunk by a factor from 0.6 to 1.4, colors
    varied. "any-orientation", for microscopes and views from above: all eight turns, a factor from
    0.75 to 1.33. "elastic", for tissue under one microscope: all eight turns, deformed smoothly, at
    their own scale (U-Net, section 3.1); images with boxes cannot be. "flip": whole images,
    mirrored only. "none": as they are.

    Args:
        crop: (height, width) of the windows, in pixels.
        augmentation: one of `SEGMENTATION_AUGMENTATIONS`.

    Returns:
        The transform of training samples.

    Raises:
        UsageError: an unknown preset.
    """
    _expect(augmentation, SEGMENTATION_AUGMENTATIONS)
    if augmentation in ("flip", "none"):
        return Compose((RandomHorizontalFlip(),) if augmentation == "flip" else ())
    if augmentation == "default":
        return Compose((RandomHorizontalFlip(), RandomScaledCrop(crop, 0.6, 1.4), ColorJitter()))
    if augmentation == "elastic":
        bend = ElasticTransform()
        return Compose((RandomRotate90(), RandomScaledCrop(crop, 1.0, 1.0), bend, ColorJitter()))
    return Compose((RandomRotate90(), RandomScaledCrop(crop, 0.75, 4 / 3), ColorJitter()))


def _unmixed(size: int) -> str:
    """What happens to the images before they are mixed."""
    return "small" if size <= SMALL else "default"


def _shift(pixels: int) -> RandomTranslate:
    return RandomTranslate(pixels, pixels, fill=None)


def _expect(augmentation: str, known: tuple[str, ...]) -> None:
    if augmentation not in known:
        raise UsageError(
            f"unknown augmentation {augmentation!r}", hint="one of " + ", ".join(known)
        )
