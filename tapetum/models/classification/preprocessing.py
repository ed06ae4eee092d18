"""Images of any size to squares of one size: how classifiers want them.

Two ways, by timm's words for `crop_mode`. "squash" shows the whole image, whatever becomes of its
proportions: what our trainings do, since a label or a box may be about what lies at the border.
"center" is the protocol by which published classifiers are measured: the short side becomes
`resize_size`, and the square in the middle is cut out (torchvision's `ImageClassification`; of an
image in bytes that one rounds to bytes in between, and this does not).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from tapetum.models.preprocessing import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    as_float,
    check_images,
    check_normalization,
    resize_target,
)
from tapetum.structures import Batch, Target

CROP_MODES = ("squash", "center")
_SHRINKS = 64
"""Pixels of a side that become one, up to which CUDA can average them."""
_LONGEST = 64
"""Widths: of an image that is longer only so much of the middle is resized before the crop, for a
line of pixels would otherwise become gigabytes."""

Size = tuple[int, int]


@dataclass(frozen=True)
class SquarePreprocessing:
    """Every image becomes (size, size), as `crop_mode` says, and is normalised.

    Bilinear; `antialias` averages over all pixels that fall together where a side shrinks
    (torchvision's `resize`, value for value), which plain sampling would skip. Values become
    (image - mean) / std with images in [0, 1].

    crop_mode: "squash", the whole image, or "center", the middle; see the module's docstring.
    resize_size: for "center": what the short side becomes before the crop, `size` unless given.
    min_training_size: images with targets that all are squares of one side, below `size` and from
        this on, stay as small as they are, which makes training on small crops cheap. None: no.

    Raises:
        ValueError: an unknown crop_mode, a side under one pixel, a resize_size under the crop's or
            without a crop.
    """

    size: int = 224
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    antialias: bool = True
    resize_size: int | None = None
    crop_mode: str = "squash"
    min_training_size: int | None = None

    def __post_init__(self) -> None:
        check_normalization(self.mean, self.std)
        if self.size < 1:
            raise ValueError(f"image_size: expected at least 1, got {self.size}")
        if self.crop_mode not in CROP_MODES:
            modes = ", ".join(CROP_MODES)
            raise ValueError(f"crop_mode: expected one of {modes}, got {self.crop_mode!r}")
        if self.resize_size is not None and not self.crops:
            raise ValueError('resize_size: only with crop_mode="center", which cuts from the rest')
        if self.short_side < self.size:
            why = f"expected at least image_size, {self.size}, got {self.resize_size}"
            raise ValueError(f"resize_size: {why}")

    @property
    def crops(self) -> bool:
        """Does the model see less than the whole image?"""
        return self.crop_mode == "center"

    @property
    def short_side(self) -> int:
        """Pixels of the short side before the crop."""
        return self.size if self.resize_size is None else self.resize_size

    def whole(self) -> SquarePreprocessing:
        """The same for whole images."""
        return replace(self, crop_mode="squash", resize_size=None)

    def __call__(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None, like: Tensor
    ) -> Batch:
        """One batch of images (3, H, W), uint8 or float in [0, 1], and their targets moved along.

        Everything comes out on the device and in the dtype of `like` (boxes in float32 at least),
        the pixels channels last. Differentiable with respect to float images. After a crop
        the target is the labels alone, and `windows` tell what was kept.

        Raises:
            ValueError: no images, an image of another shape or dtype, or unequal counts.
        """
        check_images(images, targets)
        if targets is not None and self._stay_small(images):
            return replace(self, size=images[0].shape[-1])(images, targets, like)
        originals = [(p.shape[-2], p.shape[-1]) for p in images]
        return Batch(
            pixels=self._pixels(images, like),
            sizes=torch.full((len(images), 2), self.size, device=like.device),
            originals=torch.tensor(originals, device=like.device),
            targets=None if targets is None else self._targets(targets, originals, like),
            windows=self._windows(originals, like) if self.crops else None,
        )

    def _stay_small(self, images: Sequence[Tensor]) -> bool:
        side = images[0].shape[-1]
        if self.min_training_size is None or not self.min_training_size <= side < self.size:
            return False
        return all(image.shape[1:] == (side, side) for image in images)

    def export_rule(self) -> dict[str, Any]:
        """The same in JSON values: "preprocess" of an `ExportRule`."""
        values = {"mean": list(self.mean), "std": list(self.std)}
        shape: dict[str, Any] = {"kind": "square", "size": self.size, "multiple": 1}
        if self.crops:
            shape |= {"kind": "center", "resize_size": self.short_side}
        return {**shape, "antialias": self.antialias, **values}

    def _targets(
        self, targets: Sequence[Target], originals: Sequence[Size], like: Tensor
    ) -> tuple[Target, ...]:
        moved = [target.to(like.device) for target in targets]
        if self.crops:
            return tuple(Target(labels=t.labels, label_weights=t.label_weights) for t in moved)
        dtype = torch.promote_types(like.dtype, torch.float32)
        return tuple(
            resize_target(target, original, (self.size, self.size), dtype)
            for target, original in zip(moved, originals, strict=True)
        )

    def _windows(self, originals: Sequence[Size], like: Tensor) -> Tensor:
        """(B, 4) x1 y1 x2 y2 of the crops in the frames of the originals."""
        windows = []
        for original in originals:
            kept = _middle(original)
            resized = self._resized(kept)
            spans = []
            for whole, old, new in zip(original, kept, resized, strict=True):
                first, pixel = (whole - old) // 2, old / new
                start = _start(new, self.size)
                spans.append((first + start * pixel, first + (start + self.size) * pixel))
            (top, bottom), (left, right) = spans
            windows.append((left, top, right, bottom))
        return torch.tensor(windows, dtype=torch.float32, device=like.device)

    def _pixels(self, images: Sequence[Tensor], like: Tensor) -> Tensor:
        if self._fit(images):  # thousands of small ones are faster all at once
            squares = self._crop(as_float(torch.stack(list(images)).to(like.device), like.dtype))
        else:
            moved = (as_float(p.to(like.device), like.dtype) for p in images)
            squares = torch.stack([self._square(image) for image in moved])
        mean = like.new_tensor(self.mean)[:, None, None]
        std = like.new_tensor(self.std)[:, None, None]
        pixels = (squares - mean) / std  # (B, 3, size, size)
        return pixels.contiguous(memory_format=torch.channels_last)

    def _fit(self, images: Sequence[Tensor]) -> bool:
        """Are all images squares of the right size already, and of the same dtype?"""
        first, side = images[0].dtype, self.short_side
        return all(p.shape[1:] == (side, side) and p.dtype == first for p in images)

    def _square(self, image: Tensor) -> Tensor:
        if self.crops:
            image = _center(image, _middle((image.shape[-2], image.shape[-1])))
        old = (image.shape[-2], image.shape[-1])
        size = self._resized(old)
        if old == size:
            return self._crop(image)
        # CUDA's antialiasing has no room for the many pixels that make one of a thumbnail.
        apart = image.is_cuda and self.antialias
        apart = apart and any(a > _SHRINKS * b for a, b in zip(old, size, strict=True))
        where = image.cpu() if apart else image
        found = F.interpolate(
            where[None], size, mode="bilinear", align_corners=False, antialias=self.antialias
        )
        return self._crop(found[0]).to(image.device)

    def _resized(self, size: Size) -> Size:
        """What an image of that (height, width) is resized to, before the crop."""
        if not self.crops:
            return self.size, self.size
        height, width = (self.short_side * side // min(size) for side in size)
        return height, width

    def _crop(self, values: Tensor) -> Tensor:
        """The middle (..., size, size); all there is, where nothing is to be cut."""
        return _center(values, (self.size, self.size))


def _middle(size: Size) -> Size:
    """The part of an image of that size that is resized: all, or of a very long one the middle."""
    height, width = (side - 2 * (max(0, side - _LONGEST * min(size)) // 2) for side in size)
    return height, width


def _center(values: Tensor, size: Size) -> Tensor:
    """The middle of (..., H, W), with torchvision's rounding of where it begins."""
    top, left = (_start(old, new) for old, new in zip(values.shape[-2:], size, strict=True))
    return values[..., top : top + size[0], left : left + size[1]]


def _start(old: int, new: int) -> int:
    return round((old - new) / 2)
