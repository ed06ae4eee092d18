"""Arguments of the two-stage detectors: one dataclass for each; torchvision's names and values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FasterRCNNOptions:
    """Arguments of `faster_rcnn`. The defaults are torchvision's."""

    backbone: str = "resnet50"
    """Name in BACKBONES."""
    num_classes: int = 90
    """Without background."""
    norm: str = "batch"
    """Norm of the backbone: "batch", "frozen" or "group"."""
    backbone_width: int = 64
    """Channels of the backbone's stem."""
    fpn_channels: int = 256
    """Channels of all pyramid maps."""
    head_width: int = 1024
    """Outputs of each of the two dense layers of the box head."""
    anchor_sizes: Sequence[int] = (32, 64, 128, 256, 512)
    """Side in pixels of the square anchor of each pyramid level, fine to coarse."""
    anchor_ratios: Sequence[float] = (0.5, 1.0, 2.0)
    """Height / width of the anchors of each cell."""
    min_size: int = 800
    """Pixels of an image's short side after resizing."""
    max_size: int = 1333
    """Most pixels of its long side."""
    image_mean: Sequence[float] = (0.485, 0.456, 0.406)
    """Subtracted from the channels of images in [0, 1]; ImageNet's."""
    image_std: Sequence[float] = (0.229, 0.224, 0.225)
    """Divides them afterwards."""
    rpn_pre_nms_top_n_train: int = 2000
    """Proposals of each pyramid level before suppression, in training."""
    rpn_pre_nms_top_n_test: int = 1000
    """The same in prediction."""
    rpn_post_nms_top_n_train: int = 2000
    """Proposals of an image after suppression, in training."""
    rpn_post_nms_top_n_test: int = 1000
    """The same in prediction."""
    rpn_nms_thresh: float = 0.7
    """IoU above which the weaker of two proposals of a level is dropped."""
    rpn_fg_iou_thresh: float = 0.7
    """IoU with an object from which an anchor learns it."""
    rpn_bg_iou_thresh: float = 0.3
    """IoU below which an anchor is background."""
    rpn_batch_size_per_image: int = 256
    """Anchors of an image in the losses of the proposals."""
    rpn_positive_fraction: float = 0.5
    """Most of these, as a fraction, that learn an object."""
    box_score_thresh: float = 0.05
    """A detection's score must be above it."""
    box_nms_thresh: float = 0.5
    """IoU above which the weaker of two detections of a class is dropped."""
    box_detections_per_img: int = 100
    """Most detections of an image."""
    box_fg_iou_thresh: float = 0.5
    """IoU with an object from which a proposal learns it."""
    box_bg_iou_thresh: float = 0.5
    """IoU below which a proposal is background."""
    box_batch_size_per_image: int = 512
    """Proposals of an image in the losses of the box head."""
    box_positive_fraction: float = 0.25
    """Most of these, as a fraction, that learn an object."""


@dataclass(frozen=True)
class MaskRCNNOptions(FasterRCNNOptions):
    """Arguments of `mask_rcnn`: those of `faster_rcnn` and of the mask head."""

    mask_width: int = 256
    """Channels of the convolutions of the mask head."""
    mask_convs: int = 4
    """Number of these convolutions."""


@dataclass(frozen=True)
class KeypointRCNNOptions(FasterRCNNOptions):
    """Arguments of `keypoint_rcnn`: those of `faster_rcnn` and of the keypoint head."""

    num_classes: int = 1
    """Without background."""
    keypoints: int = 17
    """Keypoints of each object, whatever its class."""
    keypoint_width: int = 512
    """Channels of the convolutions of the keypoint head."""
    keypoint_convs: int = 8
    """Number of these convolutions."""


TINY = {
    "backbone": "resnet10",
    "backbone_width": 8,
    "norm": "group",
    "num_classes": 3,
    "fpn_channels": 32,
    "head_width": 64,
    "min_size": 96,
    "max_size": 160,
    "anchor_sizes": [8, 16, 32, 64, 128],
    "rpn_pre_nms_top_n_test": 50,
    "rpn_post_nms_top_n_test": 50,
    "rpn_pre_nms_top_n_train": 100,
    "rpn_post_nms_top_n_train": 100,
    "rpn_batch_size_per_image": 64,
    "box_batch_size_per_image": 32,
}
"""Smallest arguments of the two-stage detectors, for tests."""

FIXED_ARGUMENTS = (
    *("backbone", "backbone_width", "fpn_channels", "head_width"),
    *("anchor_sizes", "anchor_ratios"),
)
"""Arguments that decide whether published weights fit."""
