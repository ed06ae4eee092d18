"""Images of any size to one batch, and boxes back to the images they came from."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from tapetum.ops.boxes import clip_boxes_to_image
from tapetum.structures import Batch, Objects, Target

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def check_normalization(mean: Sequence[float], std: Sequence[float]) -> None:
    """Check what images are normalised by.

    Args:
        mean: of each channel of images in [0, 1].
        std: of each channel.

    Raises:
        ValueError: not three finite numbers each, or a deviation that is not above 0.
    """
    for name, values in (("image_mean", mean), ("image_std", std)):
        if len(values) != 3 or not all(map(math.isfinite, values)):
            raise ValueError(f"{name}: expected three finite numbers, got {list(values)}")
    if min(std) <= 0:
        raise ValueError(f"image_std: expected numbers above 0, got {list(std)}")


@dataclass(frozen=True)
class Preprocessing:
    """Resize, normalise and pad: how a detector wants its images.

    The shorter side becomes `min_size` pixels, or less where the longer one would pass `max_size`;
    bilinear. Values become (image - mean) / std with images in [0, 1]. Zeros at the right and
    the bottom fill up to whole multiples of `multiple`, so that every level of a backbone divides.
    """

    min_size: int = 800
    max_size: int = 1333
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    multiple: int = 32

    def __post_init__(self) -> None:
        check_normalization(self.mean, self.std)

    def __call__(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None, like: Tensor
    ) -> Batch:
        """One batch of images (3, H, W), uint8 or float in [0, 1], and their targets moved along.

        Everything comes out on the device and in the dtype of `like` (boxes in float32 at least).
        Differentiable with respect to float images.

        Raises:
            ValueError: no images, an image of another shape or dtype, or unequal counts.
        """
        check_images(images, targets)
        originals = [(p.shape[-2], p.shape[-1]) for p in images]
        sizes = [self.size(*original) for original in originals]
        ground_truth = None
        if targets is not None:
            dtype = torch.promote_types(like.dtype, torch.float32)
            rows = zip(targets, originals, sizes, strict=True)
            ground_truth = tuple(
                resize_target(target.to(like.device), original, size, dtype)
                for target, original, size in rows
            )
        return Batch(
            pixels=self._pixels(images, sizes, like),
            sizes=torch.tensor(sizes, device=like.device),
            originals=torch.tensor(originals, device=like.device),
            targets=ground_truth,
        )

    def size(self, height: int, width: int) -> tuple[int, int]:
        """The size (height, width) to which an image of that size is brought, before padding."""
        short, long = min(height, width), max(height, width)
        scale = min(self.min_size / short, self.max_size / long)
        return max(1, math.floor(height * scale)), max(1, math.floor(width * scale))

    def export_rule(self) -> dict[str, Any]:
        """The same in JSON values: "preprocess" of an `ExportRule`."""
        smallest, largest = (
            None if side == sys.maxsize else side for side in (self.min_size, self.max_size)
        )
        sides = {"kind": "sides", "min_size": smallest, "max_size": largest}
        values = {"mean": list(self.mean), "std": list(self.std)}
        return {**sides, "multiple": self.multiple, "antialias": False, **values}

    def _pixels(
        self, images: Sequence[Tensor], sizes: Sequence[tuple[int, int]], like: Tensor
    ) -> Tensor:
        height, width = (
            math.ceil(max(side) / self.multiple) * self.multiple
            for side in zip(*sizes, strict=True)
        )
        pixels = like.new_zeros(len(images), 3, height, width).contiguous(
            memory_format=torch.channels_last  # what convolutions on a processor are fastest on
        )
        mean = like.new_tensor(self.mean)[:, None, None]
        std = like.new_tensor(self.std)[:, None, None]
        for i, (image, (h, w)) in enumerate(zip(images, sizes, strict=True)):
            values = resize(as_float(image.to(like.device), like.dtype), (h, w))
            pixels[i, :, :h, :w] = (values - mean) / std
        return pixels


def check_images(images: Sequence[Tensor], targets: Sequence[Target] | None) -> None:
    """Check a batch of images and targets.

    Args:
        images: to check.
        targets: one an image; None for none.

    Raises:
        ValueError: there are no images, other shapes or types, or not as many targets.
    """
    if not images:
        raise ValueError("images: expected at least one, got none")
    for image in images:
        if image.ndim != 3 or image.shape[0] != 3 or 0 in image.shape:
            raise ValueError(f"image: expected (3, H, W), got {tuple(image.shape)}")
        if image.dtype != torch.uint8 and not image.is_floating_point():
            raise ValueError(f"image: expected uint8 or float in [0, 1], got {image.dtype}")
    if targets is not None and len(targets) != len(images):
        raise ValueError(f"targets: expected {len(images)}, one an image, got {len(targets)}")


def as_float(image: Tensor, dtype: torch.dtype) -> Tensor:
    """The image with values in [0, 1].

    Args:
        image: (3, H, W), uint8 or float in [0, 1].
        dtype: a floating type.

    Returns:
        (3, H, W) of that type.
    """
    return image.to(dtype) / 255 if image.dtype == torch.uint8 else image.to(dtype)


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize an image, bilinear, without anti-aliasing.

    Args:
        image: (C, H, W) float.
        size: height and width.

    Returns:
        (C, height, width), of the same type.
    """
    if image.shape[-2:] == size:
        return image
    return F.interpolate(image[None], size, mode="bilinear", align_corners=False)[0]


def resize_target(
    target: Target, old: tuple[int, int], new: tuple[int, int], dtype: torch.dtype
) -> Target:
    """The target of an image that was resized.

    Args:
        target: of an image of size `old`.
        old: height and width.
        new: height and width.
        dtype: of the boxes and keypoints.

    Returns:
        The target of the image of size `new`.
    """
    objects, proposals = (
        None if part is None else _resize_objects(part, old, new, dtype)
        for part in (target.objects, target.proposals)
    )
    semantic = None if target.semantic is None else _nearest(target.semantic[None], new)[0]
    return replace(target, objects=objects, semantic=semantic, proposals=proposals)


def _resize_objects(
    objects: Objects, old: tuple[int, int], new: tuple[int, int], dtype: torch.dtype
) -> Objects:
    y, x = new[0] / old[0], new[1] / old[1]
    scale = torch.tensor((x, y, x, y), dtype=dtype, device=objects.boxes.device)
    masks, points, area = objects.masks, objects.keypoints, objects.area
    return objects.with_(
        boxes=objects.boxes.to(dtype) * scale,
        masks=None if masks is None else _nearest(masks, new),
        keypoints=None if points is None else points.to(dtype) * points.new_tensor((x, y, 1)),
        area=None if area is None else area * (x * y),
    )


def _nearest(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks (N, H, W) of any dtype brought to `size`; every pixel keeps a value that was there."""
    if masks.shape[-2:] == size or not len(masks):
        return masks.new_zeros(len(masks), *size) if not len(masks) else masks
    # Numbers of pixels are not checked yet; float32 holds them to 2**24.
    carrier = torch.uint8 if masks.dtype in (torch.bool, torch.uint8) else torch.float32
    return F.interpolate(masks[None].to(carrier), size, mode="nearest")[0].to(masks.dtype)


def boxes_to_original(boxes: Tensor, size: tuple[int, int], original: tuple[int, int]) -> Tensor:
    """Move boxes from the preprocessed image to the original one.

    They end inside the image, whatever the rounding.

    Args:
        boxes: (N, 4) xyxy in pixels.
        size: height and width of the preprocessed image, without padding.
        original: height and width of the original image.

    Returns:
        (N, 4) xyxy in pixels of the original image.
    """
    y, x = original[0] / size[0], original[1] / size[1]
    return clip_boxes_to_image(boxes * boxes.new_tensor((x, y, x, y)), original)
