"""How fast the models learn and answer, and which one to begin with.

Measured on 2026-11-20 by `python benchmarks/pace.py`: two cores of an AMD EPYC at 2.6 GHz, bf16 in
training, n = 1; sizes, batches and bodies as `tapetum train` takes them by itself, on built-in
scenes.
"""

from __future__ import annotations

from typing import NamedTuple


class Pace(NamedTuple):
    """pixels: of the short side. learning, answering: milliseconds an image; None for what is
    fitted in one go."""

    pixels: int
    learning: float | None
    answering: float


DEFAULTS = {
    "classification": "resnet18",
    "localization": "localizer",
    "semantic_segmentation": "unet",
    "detection": "faster_rcnn",
    "instance_segmentation": "mask_rcnn",
    "keypoint_detection": "keypoint_rcnn",
}
"""What to begin with, by task: good on little data, and no slower than it must be."""

PACE = {
    "resnet10": Pace(160, 18.5, 16.2),
    "resnet18": Pace(160, 30, 34.3),
    "resnet34": Pace(160, 40.2, 42.6),
    "resnet50": Pace(160, 54.9, 66.4),
    "resnet101": Pace(160, 87.5, 107),
    "resnet152": Pace(160, 123, 174),
    "vit_b_16": Pace(160, 198, 158),
    "airbench": Pace(32, 9.03, 27.4),
    "linear": Pace(32, 7.48, 0.53),
    "knn": Pace(32, None, 5.15),
    "localizer": Pace(128, 21.6, 25.5),
    "unet": Pace(192, 84.2, 80),
    "retinanet": Pace(320, 378, 274),
    "faster_rcnn": Pace(320, 504, 418),
    "mask_rcnn": Pace(320, 689, 972),
    "keypoint_rcnn": Pace(320, 1170, 3670),
}
