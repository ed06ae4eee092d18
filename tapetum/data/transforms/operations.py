"""Geometric operations on a whole sample: flips and quarter turns, or a resize with a crop.

Every geometric transform draws one of two operations. `Dihedral` is a symmetry of the square: flips
and quarter turns. `ResizeCrop` scales the image and cuts a window out of the result: resize, crop,
pad and translate are all of this kind. An operation has a 3 x 3 matrix that maps continuous
coordinates (x, y, 1) of the old image to those of the new one, pixel i covering [i, i + 1); boxes
and keypoints follow the matrix, images, masks and semantic maps follow by their pixels. Everything
runs on the CPU.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tapetum.data.transforms.keypoints import Pairs, hide_outside, swap_keypoints
from tapetum.data.transforms.transform import Size
from tapetum.structures import IGNORE_INDEX, Objects, Sample

Color = tuple[int, int, int]

MEAN_COLOR: Color = (124, 116, 104)
"""ImageNet's mean, in 0 ... 255: what models subtract, so this padding becomes zero, as theirs."""


@dataclass(frozen=True)
class Dihedral:
    """Flip left-right, then flip top-bottom, then swap the axes: eight turns in all (D4).

    pairs: keypoints that trade places when the image is mirrored, such as both eyes.
    """

    flip_x: bool = False
    flip_y: bool = False
    transpose: bool = False
    pairs: Pairs = ()

    @property
    def mirrors(self) -> bool:
        """Does left become right in a way that no rotation undoes?"""
        return self.flip_x ^ self.flip_y ^ self.transpose

    def size_after(self, size: Size) -> Size:
        """(height, width) of what comes out of an image of `size`."""
        return (size[1], size[0]) if self.transpose else size

    def matrix(self, size: Size) -> Tensor:
        """3 x 3 float64, from coordinates in an image of `size` to those of the result."""
        height, width = size
        x = [-1.0, 0.0, width] if self.flip_x else [1.0, 0.0, 0.0]
        y = [0.0, -1.0, height] if self.flip_y else [0.0, 1.0, 0.0]
        rows = [y, x] if self.transpose else [x, y]
        return torch.tensor([*rows, [0.0, 0.0, 1.0]], dtype=torch.float64)

    def apply(self, sample: Sample) -> Sample:
        """The sample flipped, with its target."""
        if not (self.flip_x or self.flip_y or self.transpose):
            return sample
        target, size = sample.target, sample.size
        moved = (
            None if objects is None else self._flip_objects(objects, size)
            for objects in (target.objects, target.proposals)
        )
        semantic = None if target.semantic is None else self.flip_pixels(target.semantic)
        objects, proposals = moved
        target = replace(target, objects=objects, semantic=semantic, proposals=proposals)
        return replace(sample, image=self.flip_pixels(sample.image), target=target)

    def flip_pixels(self, pixels: Tensor) -> Tensor:
        """An image, masks or a map (..., H, W), turned."""
        axes = [-1] * self.flip_x + [-2] * self.flip_y
        turned = pixels.flip(axes) if axes else pixels
        return turned.transpose(-2, -1).contiguous() if self.transpose else turned

    def _flip_objects(self, objects: Objects, size: Size) -> Objects:
        matrix = self.matrix(size)
        masks, keypoints = objects.masks, objects.keypoints
        if keypoints is not None:
            keypoints = move_keypoints(keypoints, matrix)
            keypoints = swap_keypoints(keypoints, self.pairs) if self.mirrors else keypoints
        return objects.with_(
            boxes=move_boxes(objects.boxes, matrix).to(objects.boxes.dtype),
            masks=None if masks is None else self.flip_pixels(masks),
            keypoints=keypoints,
        )


@dataclass(frozen=True)
class ResizeCrop:
    """Scale an image to `scaled` (height, width), then show the window of `size` at (top, left).

    The window may reach beyond the image: there the image shows `fill` (None: the image as in
    a mirror along its border), semantic maps 255, masks nothing. Images are resampled bilinearly
    with antialiasing; a pixel of a mask or of a map takes the value of the old pixel in which its
    center lies.

    With `min_visible` None every object is kept and its box only moved. With a number, boxes are
    clipped to the image, and an object goes, with its label, mask and all else, when less than
    that fraction of its box stays, when its box is under 1 pixel wide or high, or when nothing is
    left of its mask. Keypoints outside become absent. `area` shrinks in proportion to the box.
    Labels of the whole image stay as they are.
    """

    scaled: Size
    top: int
    left: int
    size: Size
    fill: Color | None = MEAN_COLOR
    min_visible: float | None = None

    def size_after(self, size: Size) -> Size:
        """(height, width) of what comes out, whatever goes in."""
        return self.size

    def matrix(self, size: Size) -> Tensor:
        """3 x 3 float64, from coordinates in an image of `size` to those of the result."""
        y, x = self.scaled[0] / size[0], self.scaled[1] / size[1]
        rows = [[x, 0.0, -self.left], [0.0, y, -self.top], [0.0, 0.0, 1.0]]
        return torch.tensor(rows, dtype=torch.float64)

    def apply(self, sample: Sample) -> Sample:
        """The sample resized and cropped, with its target."""
        still = sample.size == self.scaled == self.size and self.top == self.left == 0
        if still and self.min_visible is None:
            return sample
        target, size = sample.target, sample.size
        moved = (
            None if objects is None else self._crop_objects(objects, size)
            for objects in (target.objects, target.proposals)
        )
        semantic = None if target.semantic is None else self.apply_to_semantic(target.semantic)
        objects, proposals = moved
        target = replace(target, objects=objects, semantic=semantic, proposals=proposals)
        return replace(sample, image=self.apply_to_image(sample.image), target=target)

    def apply_to_image(self, image: Tensor) -> Tensor:
        """An image (3, H, W), uint8 or float."""
        scaled = resize_image(image, self.scaled)
        if self.fill is None:
            down = _mirrored(self.top, self.size[0], self.scaled[0])
            across = _mirrored(self.left, self.size[1], self.scaled[1])
            return torch.from_numpy(scaled.numpy().take(down, 1).take(across, 2))
        fill = torch.tensor(self.fill, dtype=torch.float32)
        if image.is_floating_point():
            fill = fill / 255
        rows, columns, inner = self._inside()
        if rows == slice(0, self.size[0]) and columns == slice(0, self.size[1]):
            return scaled[:, inner[0], inner[1]].contiguous()
        cropped = fill.to(image.dtype)[:, None, None].repeat(1, *self.size)  # (3, h, w)
        cropped[:, rows, columns] = scaled[:, inner[0], inner[1]]
        return cropped

    def apply_to_semantic(self, semantic: Tensor) -> Tensor:
        """A semantic map (H, W); 255 outside the image."""
        return self._crop_nearest(semantic[None], IGNORE_INDEX)[0]

    def apply_to_masks(self, masks: Tensor) -> Tensor:
        """Masks (N, H, W); False outside the image."""
        return self._crop_nearest(masks, 0)

    def _crop_nearest(self, layers: Tensor, outside: int) -> Tensor:
        rows, columns, inner = self._inside()
        cropped = layers.new_full((len(layers), *self.size), outside)
        if layers.shape[-2:] == self.scaled:
            cropped[:, rows, columns] = layers[:, inner[0], inner[1]]
            return cropped
        source_rows = _nearest(layers.shape[-2], self.scaled[0])[inner[0]]
        source_columns = _nearest(layers.shape[-1], self.scaled[1])[inner[1]]
        # NumPy gathers bytes twice as fast as torch does.
        old, new = layers.numpy(), cropped.numpy()
        new[:, rows, columns] = old.take(source_columns, 2).take(source_rows, 1)
        return cropped

    def _inside(self) -> tuple[slice, slice, tuple[slice, slice]]:
        """Where the image lies in the window (rows, columns), and which part of it that is."""
        rows, inner_rows = _overlap(self.top, self.size[0], self.scaled[0])
        columns, inner_columns = _overlap(self.left, self.size[1], self.scaled[1])
        return rows, columns, (inner_rows, inner_columns)

    def _crop_objects(self, objects: Objects, size: Size) -> Objects:
        matrix = self.matrix(size)
        moved = move_boxes(objects.boxes, matrix)  # (N, 4) float64
        clipped = moved
        if self.min_visible is not None:
            clipped = clip_boxes(moved, self.size)
            kept = is_visible(moved, clipped, self.min_visible)
            objects, moved, clipped = objects[kept], moved[kept], clipped[kept]
        keypoints = objects.keypoints
        if keypoints is not None:
            keypoints = hide_outside(move_keypoints(keypoints, matrix), self.size)
        area = objects.area
        if area is not None:
            area = (area * matrix[:2, :2].det() * fraction_left(moved, clipped)).to(area.dtype)
        masks = None if objects.masks is None else self.apply_to_masks(objects.masks)
        boxes = clipped.to(objects.boxes.dtype)
        objects = objects.with_(boxes=boxes, masks=masks, keypoints=keypoints, area=area)
        if self.min_visible is None or masks is None:
            return objects
        return objects[masks.flatten(1).any(1)]


def resize_image(image: Tensor, size: Size) -> Tensor:
    """Image (3, H, W) scaled to `size`, bilinear with antialiasing; uint8 stays uint8."""
    if image.shape[-2:] == size:
        return image
    # In this memory layout torch's uint8 kernel is three times as fast.
    batch = image[None].contiguous(memory_format=torch.channels_last)
    resized = F.interpolate(batch, size, mode="bilinear", antialias=True)
    return resized[0].contiguous()


def move_boxes(boxes: Tensor, matrix: Tensor) -> Tensor:
    """Boxes (N, 4) under a map that keeps the axes parallel: (N, 4) float64, corners in order."""
    first, second = _move_points(boxes[:, :2], matrix), _move_points(boxes[:, 2:], matrix)
    return torch.cat((torch.minimum(first, second), torch.maximum(first, second)), 1)


def clip_boxes(boxes: Tensor, size: Size) -> Tensor:
    """Boxes (N, 4) cut at the borders of an image of `size`."""
    height, width = size
    return boxes.clamp(min=0).minimum(boxes.new_tensor([width, height, width, height]))


def fraction_left(boxes: Tensor, clipped: Tensor) -> Tensor:
    """(N,) which fraction of each box's area is left after clipping; 1 for a box without area."""
    area, left = (boxes[:, 2:] - boxes[:, :2]).prod(1), (clipped[:, 2:] - clipped[:, :2]).prod(1)
    return torch.where(area > 0, left / area, 1.0)


def is_visible(boxes: Tensor, clipped: Tensor, min_visible: float) -> Tensor:
    """(N,) bool: at least that fraction of the box is left, and 1 pixel each way."""
    wide_enough = (clipped[:, 2:] - clipped[:, :2] >= 1).all(1)
    return wide_enough & (fraction_left(boxes, clipped) >= min_visible)


def move_keypoints(keypoints: Tensor, matrix: Tensor) -> Tensor:
    """Keypoints (N, K, 3) moved; absent ones (visibility 0) are 0, 0, 0."""
    points = _move_points(keypoints[..., :2], matrix).to(keypoints.dtype)
    return torch.cat((points, keypoints[..., 2:]), -1) * (keypoints[..., 2:] > 0)


def _move_points(points: Tensor, matrix: Tensor) -> Tensor:
    """Points (..., 2) under an affine matrix, float64."""
    return points.double() @ matrix[:2, :2].T + matrix[:2, 2]


def _nearest(old: int, new: int) -> np.ndarray:
    """(new,) the old pixel in which the center of each new pixel lies, in exact integers."""
    return (2 * np.arange(new) + 1) * old // (2 * new)


def _mirrored(start: int, length: int, total: int) -> np.ndarray:
    """(length,) the pixels start, start + 1, ... of a row of `total` that is mirrored for ever."""
    places = np.arange(start, start + length) % (2 * total)
    return np.minimum(places, 2 * total - 1 - places)


def _overlap(start: int, length: int, total: int) -> tuple[slice, slice]:
    """Where [0, total) lies in the window [start, start + length), and which part of it."""
    first, last = max(start, 0), max(min(start + length, total), max(start, 0))
    return slice(first - start, last - start), slice(first, last)
