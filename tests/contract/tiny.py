"""The smallest sensible arguments of every model: under half a million parameters, small images.

JSON values only, as every run stores them.
"""

from __future__ import annotations

from typing import Any

BODY: dict[str, Any] = {"backbone": "resnet10", "backbone_width": 8, "norm": "group"}

CLASSIFIER: dict[str, Any] = {"norm": "group", "num_classes": 3, "image_size": 64}

REGIONS: dict[str, Any] = {
    **BODY,
    "fpn_channels": 32,
    "head_width": 64,
    "anchor_sizes": [8, 16, 32, 64, 128],
    "min_size": 96,
    "max_size": 160,
    "proposals": 50,
    "training_proposals": 100,
    "sampled_anchors": 64,
    "sampled_regions": 32,
}

TINY: dict[str, dict[str, Any]] = {
    "resnet10": {**CLASSIFIER, "backbone_width": 8},
    "resnet18": {**CLASSIFIER, "backbone_width": 6},
    "resnet34": {**CLASSIFIER, "backbone_width": 4},
    "resnet50": {**CLASSIFIER, "backbone_width": 4},
    "resnet101": {**CLASSIFIER, "backbone_width": 2},
    "resnet152": {**CLASSIFIER, "backbone_width": 2},
    "vit_b_16": {
        "num_classes": 3,
        "image_size": 64,
        "patch": 16,
        "width": 32,
        "depth": 2,
        "heads": 4,
        "mlp": 64,
    },
    "airbench": {"num_classes": 3, "image_size": 32, "widths": [8, 16, 16]},
    "linear": {"num_classes": 3},
    "knn": {"num_classes": 3, "k": 2},
    "localizer": {**BODY, "num_classes": 3, "image_size": 64},
    "retinanet": {
        **BODY,
        "classes": 3,
        "fpn_channels": 32,
        "head_convs": 1,
        "anchor_sizes": [12, 24, 48, 96, 192],
        "anchor_octaves": 2,
        "min_size": 96,
        "max_size": 160,
    },
    "faster_rcnn": {**REGIONS, "classes": 3},
    "mask_rcnn": {**REGIONS, "classes": 3, "mask_width": 16, "mask_convs": 1},
    "keypoint_rcnn": {
        **REGIONS,
        "classes": 1,
        "keypoints": 3,
        "keypoint_width": 16,
        "keypoint_convs": 1,
    },
    "unet": {
        "encoder": "resnet10",
        "num_classes": 3,
        "width": 8,
        "norm": "group",
        "decoder_channels": [32, 16, 16, 8, 8],
    },
}
