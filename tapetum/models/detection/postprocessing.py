"""From scored boxes to a prediction: the end that detectors share."""

from __future__ import annotations

from tapetum.models.preprocessing import boxes_to_original
from tapetum.ops.boxes import clip_boxes_to_image, remove_small_boxes
from tapetum.ops.suppression import batched_nms
from tapetum.structures import Objects, Prediction

SMALLEST = 0.01
"""Pixels: boxes narrower or lower than this, after clipping, are nothing one could see."""


def as_prediction(
    candidates: Objects,
    *,
    size: tuple[int, int],
    original: tuple[int, int],
    nms_threshold: float,
    max_detections: int,
) -> Prediction:
    """Scored candidates in one image: clipped, suppressed class by class, cut, moved back.

    size: (height, width) of the prepared image, without padding, in whose frame the boxes are.
    original: (height, width) of the image as it came.
    """
    found = suppress(candidates, size, nms_threshold, max_detections)
    return Prediction(objects=to_original(found, size, original))


def suppress(
    candidates: Objects, size: tuple[int, int], nms_threshold: float, max_detections: int
) -> Objects:
    """Scored candidates clipped to `size`, suppressed class by class, cut; by falling score."""
    boxes = clip_boxes_to_image(candidates.boxes, size)
    solid = remove_small_boxes(boxes, SMALLEST)
    boxes, found = boxes[solid], candidates[solid]
    assert found.scores is not None
    keep = batched_nms(boxes, found.scores, found.labels, nms_threshold)[:max_detections]
    return found[keep].with_(boxes=boxes[keep])


def to_original(found: Objects, size: tuple[int, int], original: tuple[int, int]) -> Objects:
    """The same with boxes in the frame of the image as it came."""
    return found.with_(boxes=boxes_to_original(found.boxes, size, original))
