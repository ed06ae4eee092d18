"""The network of a localizer: a backbone, and for each slot class scores and a box."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tapetum.backbones.backbone import Backbone, ResizeWeight
from tapetum.layers.conv import ConvNorm, init_small
from tapetum.models.localization.targets import first_class
from tapetum.models.network import Network, prefixed, prefixed_groups
from tapetum.structures import ExplainLayer

REDUCED = 128
"""Channels of the map that boxes are read from."""


class LocalizationOutput(NamedTuple):
    """B images, K slots, C classes (and before them nothing, if K > 1), A boxes a slot."""

    logits: Tensor  # (B, K, C) or (B, K, 1 + C)
    boxes: Tensor  # (B, K, A, 4) cx cy w h before the sigmoid; A is 1 or C


class SlotNetwork(Network[LocalizationOutput]):
    """A backbone and two linear layers, one for classes and one for boxes.

    Args:
        backbone: images to maps, of which the coarsest is read.
        num_classes: number of classes.
        image_size: pixels of the side of every image.
        objects: number of slots.
        boxes_a_slot: 1, or `num_classes` for a box a class.
        norm: kind of norm of the convolution that reduces the map.

    Raises:
        ValueError: no slots.
    """

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        image_size: int,
        *,
        objects: int,
        boxes_a_slot: int,
        norm: str,
    ) -> None:
        super().__init__()
        if objects < 1:
            raise ValueError(f"objects: expected at least 1, got {objects}")
        self.backbone = backbone
        self.objects = objects
        self.boxes_a_slot = boxes_a_slot
        *_, (self.last, channels) = backbone.channels.items()
        cells = math.ceil(image_size / backbone.strides[self.last]) ** 2
        self.reduce = ConvNorm(channels, REDUCED, 1, norm=norm)
        self.relu = nn.ReLU()
        places = REDUCED * cells
        # One object is the same wherever it is; which slot holds what depends on the places.
        outputs = objects * (first_class(objects) + num_classes)
        self.class_head = nn.Linear(channels if objects == 1 else places, outputs)
        self.box_head = nn.Linear(places, objects * boxes_a_slot * 4)
        init_small(self.class_head)
        init_small(self.box_head)

    def forward(
        self, pixels: Tensor, generators: Sequence[torch.Generator] | None = None
    ) -> LocalizationOutput:
        last = self.backbone(pixels)[self.last]  # (B, channels, h, w)
        places = self.relu(self.reduce(last)).flatten(1)  # (B, REDUCED * h * w)
        features = last.mean(dim=(2, 3)) if self.objects == 1 else places
        return LocalizationOutput(
            logits=self.class_head(features).unflatten(1, (self.objects, -1)),
            boxes=self.box_head(places).unflatten(1, (self.objects, self.boxes_a_slot, 4)),
        )

    def explain_layers(self) -> dict[str, ExplainLayer]:
        """Backbone maps, the last one first: every slot reads all of it."""
        return self.backbone.explain_layers()

    def layer_groups(self) -> list[tuple[str, ...]]:
        """Those of the backbone."""
        return prefixed_groups("backbone.", self.backbone.layer_groups())

    def resizable_weights(self) -> dict[str, ResizeWeight]:
        """Those of the backbone."""
        return prefixed("backbone.", self.backbone.resizable_weights())
