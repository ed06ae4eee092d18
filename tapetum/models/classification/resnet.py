"""ResNet classifiers: a residual network, the mean over the last map, one linear layer.

He et al. 2016, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385). The last map of
the backbone is averaged over all places, and a linear layer makes logits of the mean. Differs from
the paper as torchvision does, whose logits it gives (see `backbones.resnet`); trainings here squash
images to a square instead of cropping them.
Expected: top-1 69.8 % (resnet18) and 76.1 % (resnet50) on ImageNet, as torchvision reports for its
first published weights, short side 256 and a crop from the middle: so ENTRIES has it.
"""

from __future__ import annotations

from tapetum.models.classification.pooled import PooledClassifier, resnet_classifier
from tapetum.models.classification.resnet_basic import resnet10, resnet18, resnet34
from tapetum.models.classification.resnet_bottleneck import resnet50, resnet101, resnet152
from tapetum.models.entry import ModelEntry
from tapetum.models.torchvision_weights import torchvision_classifier

__all__ = [
    "ENTRIES",
    "PooledClassifier",
    "resnet10",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnet_classifier",
]

_PAPER = "He et al. 2016, arXiv 1512.03385"
_TINY = {"norm": "group", "num_classes": 3, "image_size": 64}
_FIXED = ("backbone_width", "stem")

ENTRIES: dict[str, ModelEntry] = {
    "resnet10": ModelEntry(resnet10, "classification", _PAPER, {**_TINY, "backbone_width": 8}),
    "resnet18": ModelEntry(
        resnet18,
        "classification",
        _PAPER,
        {**_TINY, "backbone_width": 6},
        (
            torchvision_classifier(
                *("resnet18", "f37072fd", 69.758, 89.078),
                fixed_arguments=_FIXED,
                starts_backbones=True,
            ),
        ),
        starts_task=True,
    ),
    "resnet34": ModelEntry(
        resnet34,
        "classification",
        _PAPER,
        {**_TINY, "backbone_width": 4},
        (
            torchvision_classifier(
                *("resnet34", "b627a593", 73.314, 91.420),
                fixed_arguments=_FIXED,
                starts_backbones=True,
            ),
        ),
    ),
    "resnet50": ModelEntry(
        resnet50,
        "classification",
        _PAPER,
        {**_TINY, "backbone_width": 4},
        (
            torchvision_classifier(
                *("resnet50.v2", "11ad3fa6", 80.858, 95.434),
                fixed_arguments=_FIXED,
                resize_size=232,
            ),
            torchvision_classifier(
                *("resnet50.v1", "0676ba61", 76.130, 92.862),
                fixed_arguments=_FIXED,
                starts_backbones=True,
            ),
        ),
    ),
    "resnet101": ModelEntry(
        resnet101,
        "classification",
        _PAPER,
        {**_TINY, "backbone_width": 2},
        (
            torchvision_classifier(
                *("resnet101.v2", "cd907fc2", 81.886, 95.780),
                fixed_arguments=_FIXED,
                resize_size=232,
            ),
            torchvision_classifier(
                *("resnet101.v1", "63fe2227", 77.374, 93.546),
                fixed_arguments=_FIXED,
                starts_backbones=True,
            ),
        ),
    ),
    "resnet152": ModelEntry(
        resnet152,
        "classification",
        _PAPER,
        {**_TINY, "backbone_width": 2},
        (
            torchvision_classifier(
                *("resnet152.v2", "f82ba261", 82.284, 96.002),
                fixed_arguments=_FIXED,
                resize_size=232,
            ),
            torchvision_classifier(
                *("resnet152.v1", "394f9c45", 78.312, 94.046),
                fixed_arguments=_FIXED,
                starts_backbones=True,
            ),
        ),
    ),
}
