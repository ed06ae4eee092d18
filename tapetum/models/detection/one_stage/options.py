"""Arguments of the one-stage detectors; torchvision's names and values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RetinaNetOptions:
    """Arguments of `retinanet`. The defaults are torchvision's."""

    backbone: str = "resnet50"
    """Name in BACKBONES."""
    num_classes: int = 91
    """Without background. Torchvision's published network has one that is never used."""
    norm: str = "batch"
    """Norm of the backbone: "batch", "frozen" or "group"."""
    backbone_width: int = 64
    """Channels of the backbone's stem."""
    fpn_channels: int = 256
    """Channels of all pyramid maps."""
    head_convs: int = 4
    """Convolutions of each of the two towers."""
    head_norm: str = "none"
    """After each of them: "none", as published, or "group", which learns faster from scratch."""
    anchor_sizes: Sequence[int] = (32, 64, 128, 256, 512)
    """Side in pixels of the smallest square anchor of each pyramid level, fine to coarse."""
    anchor_octaves: int = 3
    """Sizes of a level, spread evenly (in log scale) between the smallest and twice it."""
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
    score_thresh: float = 0.05
    """A detection's score must be above it."""
    nms_thresh: float = 0.5
    """IoU above which the weaker of two detections of a class is dropped."""
    detections_per_img: int = 300
    """Most detections of an image."""
    fg_iou_thresh: float = 0.5
    """IoU with an object from which an anchor learns it."""
    bg_iou_thresh: float = 0.4
    """IoU below which an anchor is background."""
    topk_candidates: int = 1000
    """Best pairs of anchor and class of each level before suppression."""
    prior: float = 0.01
    """Score of each class at each anchor before training."""
