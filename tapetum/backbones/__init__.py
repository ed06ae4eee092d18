"""Images to named feature maps: one file per family, and BACKBONES, a name for each size."""

from __future__ import annotations

from collections.abc import Callable

from tapetum.backbones.backbone import Backbone
from tapetum.backbones.resnet import (
    resnet10,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
)
from tapetum.base.errors import UsageError

BACKBONES: dict[str, Callable[..., Backbone]] = {
    "resnet10": resnet10,
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "resnet101": resnet101,
    "resnet152": resnet152,
}
"""Name -> function of width, norm and stem."""


def make_backbone(
    name: str, width: int = 64, norm: str = "batch", stem: str = "imagenet"
) -> Backbone:
    """Build a backbone with fresh weights.

    Args:
        name: one of BACKBONES.
        width: channels of the stem.
        norm: kind of norm, see `layers.norm`.
        stem: "imagenet" or "small"; see `backbones.resnet`.

    Returns:
        The backbone, its weights drawn from PyTorch's global random state.

    Raises:
        UsageError: an unknown name.
        ValueError: an unknown norm or stem.
    """
    if name not in BACKBONES:
        raise UsageError(f"unknown backbone {name!r}", hint="one of " + ", ".join(BACKBONES))
    return BACKBONES[name](width=width, norm=norm, stem=stem)


__all__ = ["BACKBONES", "Backbone", "make_backbone"]
