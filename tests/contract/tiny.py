"""The smallest sensible arguments of every model: under half a million parameters, small pictures.

JSON values only, as every run stores them.
"""

from __future__ import annotations

from typing import Any

BODY: dict[str, Any] = {"backbone": "resnet10", "backbone_width": 8, "norm": "group"}

TINY: dict[str, dict[str, Any]] = {
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
    "faster_rcnn": {
        **BODY,
        "classes": 3,
        "fpn_channels": 32,
        "head_width": 64,
        "anchor_sizes": [8, 16, 32, 64, 128],
        "min_size": 96,
        "max_size": 160,
        "proposals": 50,
        "training_proposals": 100,
        "sampled_anchors": 64,
        "sampled_regions": 32,
    },
}
