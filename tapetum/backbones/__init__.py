"""Images to named feature maps: one file per family, and BACKBONES, a name for each size."""

from __future__ import annotations

from collections.abc import Callable

from tapetum.backbones.resnet import (
    ResNet,
    resnet10,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
)
from tapetum.base.errors import UsageError

BACKBONES: dict[str, Callable[..., ResNet]] = {
    "resnet10": resnet10,
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "resnet101": resnet101,
    "resnet152": resnet152,
}


def make_backbone(
    name: str, width: int = 64, norm: str = "batch", stem: str = "imagenet"
) -> ResNet:
    """A fresh backbone by its name in BACKBONES.

    Raises:
        UsageError: an unknown name.
        ValueError: an unknown norm or stem.
    """
    if name not in BACKBONES:
        raise UsageError(f"unknown backbone {name!r}", hint="one of " + ", ".join(BACKBONES))
    return BACKBONES[name](width=width, norm=norm, stem=stem)


__all__ = ["BACKBONES", "make_backbone"]
