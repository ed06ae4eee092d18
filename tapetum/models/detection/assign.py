"""Which object each candidate box (anchor or proposal) learns, crowd regions included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tapetum.ops.boxes import box_area, box_iou
from tapetum.ops.matching import BACKGROUND, BETWEEN, match_boxes, sample_balanced
from tapetum.structures import Objects, Target

CROWD_OVERLAP = 0.5
"""Fraction of a candidate inside a crowd region from which it is ignored, not background."""


@dataclass(frozen=True)
class Sampler:
    """Draws the candidates of an image that take part in a loss.

    Attributes:
        fg_iou_thresh: IoU with an object from which a candidate learns it.
        bg_iou_thresh: IoU below which a candidate is background.
        batch_size_per_image: largest number of candidates of an image.
        positive_fraction: largest fraction of these that learn an object.
        allow_low_quality: see `match_boxes`.
    """

    fg_iou_thresh: float
    bg_iou_thresh: float
    batch_size_per_image: int
    positive_fraction: float
    allow_low_quality: bool = False

    def __call__(
        self, objects: Objects, candidates: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Match candidates (N, 4) with the objects of their image, and draw a sample.

        Args:
            objects: of the image.
            candidates: (N, 4) xyxy in pixels.
            generator: draws on its own device; without one the first of each kind are taken.

        Returns:
            (S,) int64, the index of each candidate of the sample, those with an object first, and
            (S,) int64, the index of its object, -1 for background.
        """
        matches = assign(
            objects, candidates, self.fg_iou_thresh, self.bg_iou_thresh, self.allow_low_quality
        )
        size, fraction = self.batch_size_per_image, self.positive_fraction
        index = torch.cat(sample_balanced(matches, size, fraction, generator))
        return index, matches[index]


def assign(
    objects: Objects, candidates: Tensor, high: float, low: float, allow_low_quality: bool = False
) -> Tensor:
    """Match candidates with objects, thresholds as in `match_boxes`.

    A crowd region is no object to learn: it may hold many objects that were not annotated one by
    one, so background candidates with half of their area inside are ignored. Objects whose boxes
    have no area are left out.

    Args:
        objects: of one image, M.
        candidates: (N, 4) xyxy in pixels.
        high: IoU from which a candidate is matched.
        low: IoU below which it is background.
        allow_low_quality: match the best candidates of each object, too.

    Returns:
        (N,) int64, for each of the candidates (N, 4) the index of its object, -1 for background,
        -2 for ignored.
    """
    crowd = crowd_of(objects)
    valid = (objects.boxes[:, 2:] > objects.boxes[:, :2]).all(dim=1)
    single = torch.nonzero(valid & ~crowd).flatten()  # (M,)
    overlap = box_iou(objects.boxes[single], candidates)  # (M, N)
    matches = match_boxes(overlap, high, low, allow_low_quality)
    if len(single):
        matches = torch.where(matches >= 0, single[matches.clamp(min=0)], matches)
    if crowd.any():
        inside = fraction_inside(candidates, objects.boxes[crowd]).amax(dim=1)
        matches[(matches == BACKGROUND) & (inside >= CROWD_OVERLAP)] = BETWEEN
    return matches


def crowd_of(objects: Objects) -> Tensor:
    """Which of the objects are crowd regions.

    Args:
        objects: N of them.

    Returns:
        (N,) bool, all False where the field is absent.
    """
    if objects.crowd is not None:
        return objects.crowd
    return torch.zeros(len(objects), dtype=torch.bool, device=objects.boxes.device)


def fraction_inside(boxes: Tensor, regions: Tensor) -> Tensor:
    """The fraction of the area of each box that lies in each region.

    Args:
        boxes: (N, 4) xyxy.
        regions: (M, 4) xyxy.

    Returns:
        (N, M) in [0, 1].
    """
    iou, area = box_iou(boxes, regions), box_area(boxes)[:, None]
    # IoU = I / (A + B - I), so I = IoU (A + B) / (1 + IoU).
    intersection = iou / (1 + iou) * (area + box_area(regions))
    return intersection / area.clamp(min=1e-9)


def objects_of(target: Target) -> Objects:
    """The objects of a target.

    Args:
        target: of an image for detection.

    Returns:
        Its objects, none or more.

    Raises:
        ValueError: it has none, not even an empty `Objects`: it is not a target for detection.
    """
    if target.objects is None:
        raise ValueError("target: expected objects (Objects.empty() for none), got None")
    return target.objects


def matched_objects(
    targets: Sequence[Target], image: Tensor, match: Tensor
) -> tuple[Tensor, Tensor]:
    """Boxes and labels of matched objects.

    Args:
        targets: one an image.
        image: (S,) int64, an index into `targets`.
        match: (S,) int64, an index into the objects of that image.

    Returns:
        (S, 4) boxes and (S,) labels.
    """
    objects = [objects_of(target) for target in targets]
    counts = torch.tensor([0, *(len(o) for o in objects)], device=match.device)
    index = match + counts.cumsum(0)[image]
    boxes = torch.cat([o.boxes for o in objects])
    labels = torch.cat([o.labels for o in objects])
    return boxes[index], labels[index]
