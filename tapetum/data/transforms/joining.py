"""Targets of several samples in one: weighted labels, objects side by side or on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from tapetum.data.transforms.transform import Size
from tapetum.structures import IGNORE_INDEX, Objects, Sample, Target


def blend_targets(first: Target, second: Target, weight: float) -> Target:
    """The labels of both images, each with its weight.

    Args:
        first: weighs `weight`; has labels only.
        second: weighs 1 - `weight`; has labels only.
        weight: in [0, 1].

    Returns:
        Each label once, ascending, with `label_weights` that sum up to those of the two.

    Raises:
        ValueError: one of them has no labels, or has objects or a semantic map.
    """
    for target in (first, second):
        if target.labels is None or target.objects is not None or target.semantic is not None:
            raise ValueError("mixing: expected targets with labels of images and nothing else")
    labels = torch.cat((first.require("labels"), second.require("labels")))
    weights = torch.cat((weight * label_weights(first), (1 - weight) * label_weights(second)))
    unique, places = labels.unique(return_inverse=True)
    summed = torch.zeros(len(unique), dtype=weights.dtype).index_add_(0, places, weights)
    return Target(labels=unique, label_weights=summed)


def label_weights(target: Target) -> Tensor:
    """(L,) float32: those of the target, or else one for each of its labels."""
    if target.label_weights is not None:
        return target.label_weights.float()
    return torch.ones(len(target.require("labels")))


def move_target(target: Target, corner: tuple[int, int], size: Size, canvas: Size) -> Target:
    """The target of a tile in the frame of the image that it is a part of.

    Args:
        target: in the frame of the tile.
        corner: (top, left) of the tile in the canvas.
        size: (height, width) of the tile.
        canvas: (height, width) of the whole; 255 and False outside of the tile.
    """
    top, left = corner
    pad = (left, canvas[1] - left - size[1], top, canvas[0] - top - size[0])
    objects, semantic = target.objects, target.semantic
    if objects is not None:
        objects = _moved_objects(objects, corner, pad)
    if semantic is not None:
        semantic = F.pad(semantic, pad, value=IGNORE_INDEX)
    return replace(target, objects=objects, semantic=semantic, proposals=None)


def _moved_objects(
    objects: Objects, corner: tuple[int, int], pad: tuple[int, int, int, int]
) -> Objects:
    top, left = corner
    shift = objects.boxes.new_tensor((left, top, left, top))
    masks, points = objects.masks, objects.keypoints
    if points is not None:
        absent = points[..., 2:] <= 0
        points = (points + points.new_tensor((left, top, 0))).masked_fill(absent, 0)
    return objects.with_(
        boxes=objects.boxes + shift,
        masks=None if masks is None else F.pad(masks, pad),
        keypoints=points,
    )


def join_targets(targets: Sequence[Target]) -> Target:
    """One target for tiles that do not overlap, all in the frame of the whole.

    Args:
        targets: as `move_target` gives them.

    Raises:
        ValueError: some have objects, semantic maps, masks or keypoints, and others have not.
    """
    objects = [target.objects for target in targets if target.objects is not None]
    maps = [target.semantic for target in targets if target.semantic is not None]
    if len(objects) not in (0, len(targets)) or len(maps) not in (0, len(targets)):
        raise ValueError("mixing: expected all targets to have objects, or none; maps likewise")
    semantic = torch.stack(maps).amin(0) if maps else None  # 255 outside of each tile
    return Target(objects=join_objects(objects) if objects else None, semantic=semantic)


def join_objects(parts: Sequence[Objects]) -> Objects:
    """All objects of several images in one; ids are dropped, since they are of different images.

    Args:
        parts: `crowd` and `difficult` may be missing in some; `area` stays where all have it.

    Raises:
        ValueError: some have masks or keypoints, and others with objects have not.
    """
    return Objects.cat(_alike([part for part in parts if len(part)] or list(parts[:1])))


def _alike(parts: Sequence[Objects]) -> list[Objects]:
    """The same objects with the same optional fields."""
    flags = [n for n in ("crowd", "difficult") if any(getattr(p, n) is not None for p in parts)]
    measured = all(part.area is not None for part in parts)
    return [
        part.with_(
            ids=None,
            area=part.area if measured else None,
            **{n: _flag(getattr(part, n), len(part)) for n in flags},
        )
        for part in parts
    ]


def _flag(values: Tensor | None, count: int) -> Tensor:
    return torch.zeros(count, dtype=torch.bool) if values is None else values


def paste_objects(
    sample: Sample, other: Sample, generator: torch.Generator, min_visible: float
) -> Sample:
    """Some objects of one sample on top of another of the same size.

    Args:
        sample: what is pasted into.
        other: whose objects are pasted, each with probability 1/2; crowds are not.
        generator: of the choice.
        min_visible: an object below of which less of the area is left is dropped.

    Raises:
        ValueError: one of the two has no `objects`.
    """
    below, above = sample.target.objects, other.target.objects
    if below is None or above is None:
        raise ValueError("copy-paste: expected targets with objects")
    chosen = torch.rand(len(above), generator=generator) < 0.5
    above = above[chosen & ~_flag(above.crowd, len(above))]
    if not len(above):
        return sample
    cover = regions(above, sample.size).any(0)  # (H, W)
    image = torch.where(cover, other.image, sample.image)
    objects = join_objects([_covered(below, cover, min_visible), above])
    return replace(sample, image=image, target=replace(sample.target, objects=objects))


def regions(objects: Objects, size: Size) -> Tensor:
    """(N, H, W) bool: the masks, or else the pixels whose centers are in the boxes."""
    if objects.masks is not None:
        return objects.masks
    y, x = (torch.arange(side) + 0.5 for side in size)
    x1, y1, x2, y2 = (edge[:, None] for edge in objects.boxes.unbind(1))
    rows, columns = (y >= y1) & (y < y2), (x >= x1) & (x < x2)
    return rows[:, :, None] & columns[:, None, :]


def _covered(objects: Objects, cover: Tensor, min_visible: float) -> Objects:
    """What is left of objects under a cover (H, W)."""
    before = regions(objects, (cover.shape[0], cover.shape[1]))
    left = before & ~cover
    areas, rest = before.flatten(1).sum(1), left.flatten(1).sum(1)
    touched = rest < areas
    kept = ~touched | ((rest >= min_visible * areas) & (rest > 0))
    if objects.area is not None:
        fraction = rest / areas.clamp(min=1)
        area = torch.where(touched, objects.area * fraction, objects.area)
        objects = objects.with_(area=area.to(objects.area.dtype))
    if objects.masks is not None:
        boxes = torch.where(touched[:, None], _hulls(left).to(objects.boxes), objects.boxes)
        objects = objects.with_(masks=left, boxes=boxes)
    if objects.keypoints is not None:
        objects = objects.with_(keypoints=_hidden(objects.keypoints, cover))
    return objects[kept]


def _hulls(masks: Tensor) -> Tensor:
    """(N, 4) the tight boxes around masks (N, H, W); 0 for an empty one."""
    boxes = torch.zeros(len(masks), 4)
    for number, mask in enumerate(masks):
        y, x = mask.nonzero().unbind(1)
        if len(y):
            boxes[number] = torch.stack((x.min(), y.min(), x.max() + 1, y.max() + 1)).float()
    return boxes


def _hidden(points: Tensor, cover: Tensor) -> Tensor:
    """Keypoints (N, K, 3) with visibility 1 where visible ones are under a cover (H, W)."""
    height, width = cover.shape
    x = points[..., 0].floor().long().clamp(0, width - 1)
    y = points[..., 1].floor().long().clamp(0, height - 1)
    hidden = (points[..., 2] == 2) & cover[y, x]
    return torch.cat((points[..., :2], torch.where(hidden, 1.0, points[..., 2])[..., None]), -1)
