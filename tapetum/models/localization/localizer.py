"""Localizer: one network says what an image shows and where it is, as four numbers.

Locating as regression, as in Sermanet et al. 2014, "OverFeat" (arXiv 1312.6229, section 4) and the
localization task of ImageNet (Russakovsky et al. 2015). A shared backbone makes a map; one linear
layer gives class scores and another a box, and the two losses are added. For several objects it has
as many slots, which are to hold them from left to right: enough for "the two faces", and the reason
why detectors were invented.

Differs from OverFeat: a residual backbone, one image at one scale, boxes in fractions of the
image. They go through a sigmoid, so that every answer is a box that starts inside the image and
a fresh model says the middle; a plain linear output can be a box of negative size, to which the IoU
has no gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.backbones import make_backbone
from tapetum.backbones.resnet import ResNet
from tapetum.base.ranks import normalizer
from tapetum.layers.conv import ConvNorm, init_small
from tapetum.models.classification.classifier import wide
from tapetum.models.classification.preprocessing import SquarePreprocessing
from tapetum.models.localization.targets import IGNORED, NOTHING, first_class, slots
from tapetum.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD, boxes_to_original
from tapetum.ops.boxes import box_convert, generalized_box_iou
from tapetum.ops.losses import cross_entropy, smooth_l1_loss
from tapetum.structures import Batch, Objects, Prediction, Target

BOX_LOSSES = ("l2", "smooth_l1", "giou")
SMALLEST = 1e-3
"""Of the image: no answer is a box narrower or lower than that."""
BETA = 0.1
"""Of the image: errors up to this cost their square in smooth L1, larger ones in proportion."""
REDUCED = 128
"""Channels of the map that boxes are read from."""


class Output(NamedTuple):
    """B images, K slots, C classes (and before them nothing, if K > 1), A boxes a slot."""

    logits: Tensor  # (B, K, C) or (B, K, 1 + C)
    boxes: Tensor  # (B, K, A, 4) cx cy w h before the sigmoid; A is 1 or C


class Localizer(nn.Module):
    """See the module's docstring. Build one with `localizer`."""

    task = "localization"
    differentiable = True

    def __init__(
        self,
        backbone: ResNet,
        classes: int,
        preprocessing: SquarePreprocessing,
        *,
        norm: str,
        objects: int,
        box_loss: str,
        box_weight: float,
        class_agnostic: bool,
    ) -> None:
        super().__init__()
        if objects < 1:
            raise ValueError(f"objects: expected at least 1, got {objects}")
        if box_loss not in BOX_LOSSES:
            raise ValueError(f"box_loss: expected one of {', '.join(BOX_LOSSES)}, got {box_loss!r}")
        self.backbone = backbone
        self.preprocessing = preprocessing
        self.classes = classes
        self.objects = objects
        self.box_loss = box_loss
        self.box_weight = box_weight
        self.boxes_a_slot = 1 if class_agnostic else classes
        channels = backbone.channels["c5"]
        cells = math.ceil(preprocessing.size / backbone.strides["c5"]) ** 2
        self.reduce = ConvNorm(channels, REDUCED, 1, norm=norm)
        self.relu = nn.ReLU()
        places = REDUCED * cells
        # One object is the same wherever it is; which slot holds what depends on the places.
        outputs = objects * (first_class(objects) + classes)
        self.class_head = nn.Linear(channels if objects == 1 else places, outputs)
        self.box_head = nn.Linear(places, objects * self.boxes_a_slot * 4)
        init_small(self.class_head)
        init_small(self.box_head)

    def preprocess(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> Batch:
        """Images (3, H, W), uint8 or float in [0, 1], to a batch; see `SquarePreprocessing`."""
        return self.preprocessing(images, targets, like=self.box_head.weight)

    def forward(
        self,
        pixels: Tensor,
        sizes: Tensor,
        targets: Sequence[Target] | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> Output:
        """Class logits and boxes of all slots; neither truth nor chance plays a part."""
        c5 = self.backbone(pixels)["c5"]  # (B, channels, h, w)
        places = self.relu(self.reduce(c5)).flatten(1)  # (B, REDUCED * h * w)
        features = c5.mean(dim=(2, 3)) if self.objects == 1 else places
        return Output(
            logits=self.class_head(features).unflatten(1, (self.objects, -1)),
            boxes=self.box_head(places).unflatten(1, (self.objects, self.boxes_a_slot, 4)),
        )

    def losses(self, output: Output, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Cross entropy of the slots, and `box_weight` times the mean loss of the boxes of objects.

        "l2" is the squared error and "smooth_l1" its tamer sibling, of cx cy w h in fractions of
        the image and added up; "giou" is 1 - GIoU. What has no object to learn from is 0.
        """
        logits, fractions = wide(output.logits), wide(output.boxes).sigmoid()
        target = slots(targets, self.objects, self.preprocessing.size, fractions.dtype)
        image, slot = torch.nonzero(target.filled, as_tuple=True)  # (T,) objects
        label = target.labels[image, slot] if self.boxes_a_slot > 1 else 0
        found, true = fractions[image, slot, label], target.boxes[image, slot]  # (T, 4)
        entropy = cross_entropy(logits.flatten(0, 1), target.classes.flatten(), reduction="sum")
        return {
            "classification": entropy / normalizer((target.classes != IGNORED).sum()),
            "boxes": self.box_weight * self._box_losses(found, true).sum() / normalizer(len(true)),
        }

    def _box_losses(self, found: Tensor, true: Tensor) -> Tensor:
        """(T,) of boxes cx cy w h (T, 4) in fractions."""
        if self.box_loss == "l2":
            return F.mse_loss(found, true, reduction="none").sum(dim=1)
        if self.box_loss == "smooth_l1":
            return smooth_l1_loss(found, true, BETA, reduction="none").sum(dim=1)
        pairs = (box_convert(boxes, "cxcywh", "xyxy") for boxes in (found, true))
        return 1 - generalized_box_iou(*pairs).diagonal()

    def postprocess(self, output: Output, batch: Batch) -> list[Prediction]:
        """An object for each slot that does not say nothing, in the frame of the original images,
        by falling score; with one slot the class scores of the image too."""
        scores = wide(output.logits).softmax(dim=2)  # (B, K, C) or (B, K, 1 + C)
        best, winner = scores.max(dim=2)  # (B, K) each
        boxes = self._boxes(output)  # (B, K, A, 4)
        size = self.preprocessing.size
        predictions = []
        for i, original in enumerate(batch.originals.tolist()):
            order = best[i].argsort(descending=True, stable=True)
            slot = order if self.objects == 1 else order[winner[i, order] != NOTHING]
            label = winner[i, slot] - first_class(self.objects)
            own = boxes[i, slot, label if self.boxes_a_slot > 1 else 0]  # (N, 4)
            found = Objects(
                boxes=boxes_to_original(own, (size, size), tuple(original)),
                labels=label,
                scores=best[i, slot],
            )
            alone = self.objects == 1
            predictions.append(
                Prediction(
                    labels=label if alone else None,
                    objects=found,
                    class_scores=scores[i, 0] if alone else None,
                )
            )
        return predictions

    def _boxes(self, output: Output) -> Tensor:
        """xyxy (B, K, A, 4) in pixels of the prepared image, of SMALLEST at least."""
        place, sides = wide(output.boxes).sigmoid().split(2, dim=-1)
        fractions = torch.cat((place, sides.clamp(min=SMALLEST)), dim=-1)
        return box_convert(fractions, "cxcywh", "xyxy") * self.preprocessing.size

    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        """(N,) for each box, the logit of its label in the slot whose box is nearest to it."""
        batch = self.preprocess(images, targets)
        output = self(batch.pixels, batch.sizes)
        boxes = self._boxes(output).detach()  # which slot answers is no question of degree
        assert batch.targets is not None
        scores = [output.logits.new_zeros(0)]
        for logits, own, target in zip(output.logits, boxes, batch.targets, strict=True):
            if target.objects is None:
                continue
            for box, label in zip(target.objects.boxes, target.objects.labels, strict=True):
                answers = own[:, label if self.boxes_a_slot > 1 else 0]  # (K, 4)
                slot = generalized_box_iou(box[None], answers)[0].argmax()
                scores.append(logits[slot, label + first_class(self.objects)][None])
        return torch.cat(scores)

    def explain_layers(self) -> dict[str, tuple[nn.Module, Callable[[Any], Tensor]]]:
        """Backbone maps, the last one first: every slot reads all of it."""
        return {name: (self.backbone, itemgetter(name)) for name in ("c5", "c4", "c3", "c2")}


def localizer(
    backbone: str = "resnet18",
    classes: int = 20,
    objects: int = 1,
    box_loss: str = "smooth_l1",
    box_weight: float = 5.0,
    class_agnostic: bool = True,
    image_size: int = 224,
    norm: str = "batch",
    backbone_width: int = 64,
    stem: str = "imagenet",
    image_mean: Sequence[float] = IMAGENET_MEAN,
    image_std: Sequence[float] = IMAGENET_STD,
) -> Localizer:
    """A classifier that also says where.

    objects: objects it can name in an image, the largest ones; with more than one there is a class
        of its own for "nothing".
    box_loss, box_weight: "l2", "smooth_l1" or "giou", see `Localizer.losses`, and its factor.
    class_agnostic: one box a slot; else one for each class, of which the named one counts.
    image_size: pixels of the side of the square that every image is squashed to.
    backbone, backbone_width, norm, stem: a name in BACKBONES, channels of its stem, kind of norm,
        and "imagenet" or "small"; see `backbones.resnet`.
    image_mean, image_std: see `SquarePreprocessing`.

    Raises:
        ValueError: an unknown loss, or no objects at all.
    """
    return Localizer(
        make_backbone(backbone, backbone_width, norm, stem),
        classes,
        SquarePreprocessing(image_size, tuple(image_mean), tuple(image_std)),
        norm=norm,
        objects=objects,
        box_loss=box_loss,
        box_weight=box_weight,
        class_agnostic=class_agnostic,
    )
