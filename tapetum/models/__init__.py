"""One method per file, and MODELS, a function for each that takes JSON values."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from tapetum.models.detection.faster_rcnn import faster_rcnn
from tapetum.models.detection.retinanet import retinanet

MODELS: dict[str, Callable[..., nn.Module]] = {
    "retinanet": retinanet,
    "faster_rcnn": faster_rcnn,
}

__all__ = ["MODELS"]
