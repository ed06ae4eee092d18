"""What detectors with a further head on each region share: where the head looks.

He et al. 2017, "Mask R-CNN" (arXiv 1703.06870), section 3. In training the head sees the regions
that are objects; in prediction it sees the detections, once they are final: fewer and better boxes
than the proposals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tapetum.models.detection.assign import matched_objects
from tapetum.models.detection.two_stage.faster_rcnn import FasterRCNN, FasterRCNNOutput
from tapetum.models.detection.two_stage.roi_heads import image_index
from tapetum.structures import Objects, Target


class RoIs(NamedTuple):
    """The regions of a head: P boxes of all images one after the other."""

    boxes: Tensor  # (P, 4) xyxy in pixels of the preprocessed image
    labels: Tensor  # (P,) int64, the class of the object or of the detection
    image: Tensor  # (P,) int64, the image of each
    scores: Tensor | None  # (P,) without targets: the detector's score
    match: Tensor | None  # (P,) with targets: the object of each


def rois_of(objects: Sequence[Objects]) -> RoIs:
    """The boxes of the objects of all images.

    Args:
        objects: one an image.

    Returns:
        The regions, with scores where the objects have them.
    """
    boxes = [o.boxes for o in objects]
    scores = [o.scores for o in objects if o.scores is not None]
    return RoIs(
        boxes=torch.cat(boxes),
        labels=torch.cat([o.labels for o in objects]),
        image=image_index(boxes),
        scores=torch.cat(scores) if len(scores) == len(objects) else None,
        match=None,
    )


def head_rois(
    detector: FasterRCNN,
    detection: FasterRCNNOutput,
    sizes: Tensor,
    targets: Sequence[Target] | None,
) -> RoIs:
    """Where the head looks: at the objects among the regions, or without targets at detections.

    Args:
        detector: whose detections are looked at.
        detection: output of its forward.
        sizes: (B, 2) height and width of the images without padding.
        targets: one an image; None in prediction.

    Returns:
        The regions.
    """
    if targets is None:
        return rois_of(detector.detections(detection, sizes))
    return positive_rois(detection, targets)


def positive_rois(detection: FasterRCNNOutput, targets: Sequence[Target]) -> RoIs:
    """The regions, among those of a forward with targets, that are objects.

    Args:
        detection: output of a forward with targets.
        targets: one an image.

    Returns:
        The regions, with the index of their objects.
    """
    assert detection.roi_match is not None
    positive = torch.nonzero(detection.roi_match >= 0).flatten()
    image, match = detection.image[positive], detection.roi_match[positive]
    _, labels = matched_objects(targets, image, match)
    return RoIs(detection.rois[positive], labels, image, scores=None, match=match)


def split_by_image(rois: RoIs, logits: Tensor, count: int) -> list[tuple[Objects, Tensor]]:
    """Detections and logits of the head for each image.

    Args:
        rois: detections of all images.
        logits: (N, ...) of the head, one a region.
        count: of images.

    Returns:
        For each image its detections and their logits.

    Raises:
        ValueError: they come from a forward with targets, which detects nothing.
    """
    if rois.scores is None:
        raise ValueError("output: expected from forward without targets, got it from one with")
    parts = []
    for i in range(count):
        here = rois.image == i
        objects = Objects(rois.boxes[here], rois.labels[here], rois.scores[here])
        parts.append((objects, logits[here]))
    return parts
