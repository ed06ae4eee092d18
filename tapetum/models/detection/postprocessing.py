"""From scored boxes to predictions: the last steps, which all detectors share."""

from __future__ import annotations

from typing import NamedTuple

from tapetum.models.preprocessing import boxes_to_original
from tapetum.ops.boxes import clip_boxes_to_image, remove_small_boxes
from tapetum.ops.suppression import batched_nms
from tapetum.structures import Objects, PostprocessOptions

MIN_SIZE = 0.01
"""Pixels: boxes narrower or lower than this after clipping are dropped."""


class Thresholds(NamedTuple):
    """What decides which candidates are detections.

    Attributes:
        score_thresh: a candidate's score must be above it, in [0, 1].
        nms_thresh: IoU above which the weaker of two boxes of a class is dropped, in [0, 1].
        detections_per_img: largest number of detections of an image.
    """

    score_thresh: float
    nms_thresh: float
    detections_per_img: int

    def overridden(self, options: PostprocessOptions) -> Thresholds:
        """These, with the values of `options` where it has any."""
        score, nms, count = options.score_thresh, options.nms_thresh, options.detections_per_img
        return Thresholds(
            self.score_thresh if score is None else score,
            self.nms_thresh if nms is None else nms,
            self.detections_per_img if count is None else count,
        )


def suppress(candidates: Objects, size: tuple[int, int], thresholds: Thresholds) -> Objects:
    """Clip candidates, apply non-maximum suppression within each class and keep the best.

    Args:
        candidates: scored boxes in the preprocessed image.
        size: height and width of that image in pixels, without padding.
        thresholds: of suppression; the score threshold was applied before.

    Returns:
        The detections by falling score.
    """
    boxes = clip_boxes_to_image(candidates.boxes, size)
    valid = remove_small_boxes(boxes, MIN_SIZE)
    boxes, detections = boxes[valid], candidates[valid]
    assert detections.scores is not None
    keep = batched_nms(boxes, detections.scores, detections.labels, thresholds.nms_thresh)
    keep = keep[: thresholds.detections_per_img]
    return detections[keep].with_(boxes=boxes[keep])


def to_original(detections: Objects, size: tuple[int, int], original: tuple[int, int]) -> Objects:
    """Move boxes from the preprocessed image to the original one.

    Args:
        detections: with boxes in the preprocessed image.
        size: height and width of the preprocessed image, without padding.
        original: height and width of the original image.

    Returns:
        The same objects with boxes in the original image.
    """
    return detections.with_(boxes=boxes_to_original(detections.boxes, size, original))
