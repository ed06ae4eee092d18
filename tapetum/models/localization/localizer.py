"""Localizer: one network predicts what an image shows and where it is, as four numbers.

Locating as regression, as in Sermanet et al. 2014, "OverFeat" (arXiv 1312.6229, section 4) and the
localization task of ImageNet (Russakovsky et al. 2015). A shared backbone makes a map; one linear
layer gives class scores and another a box, and the two losses are added. For several objects it has
as many slots, which are to hold them from left to right: enough for "the two faces", and the reason
why detectors were invented.

Differs from OverFeat: a residual backbone, one image at one scale, boxes in fractions of the
image. They go through a sigmoid, so that the centre of every box is inside the image and a fresh
model predicts the middle; a plain linear output can be a box of negative size, to which the IoU has
no gradient.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from tapetum.backbones import make_backbone
from tapetum.base.ranks import normalizer
from tapetum.models.classification.classifier import wide
from tapetum.models.classification.preprocessing import SquarePreprocessing
from tapetum.models.entry import ModelEntry
from tapetum.models.localization.slot_network import LocalizationOutput, SlotNetwork
from tapetum.models.localization.targets import IGNORED, NOTHING, first_class, slots
from tapetum.models.network import Network, NetworkModel
from tapetum.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD, boxes_to_original
from tapetum.ops.boxes import box_convert, generalized_box_iou
from tapetum.ops.losses import cross_entropy, smooth_l1_loss
from tapetum.structures import (
    DEFAULT_POSTPROCESS,
    Batch,
    ExportGraph,
    ExportRule,
    Objects,
    PostprocessOptions,
    Prediction,
    Target,
)

BOX_LOSSES = ("l2", "smooth_l1", "giou")
MIN_SIDE = 1e-3
"""Of the image: no predicted box is narrower or lower than that."""
BETA = 0.1
"""Of the image: errors up to this cost their square in smooth L1, larger ones in proportion."""


class ObjectLocalizer(NetworkModel[LocalizationOutput]):
    """A model of a network that predicts a fixed number of objects; see the module's docstring.

    Args:
        network: pixels to `LocalizationOutput`.
        preprocessing: how images are brought to one size.
        objects: number of slots of the network.
        boxes_a_slot: boxes in each slot: 1, or one a class.
        box_loss: one of BOX_LOSSES.
        box_weight: factor of the loss of the boxes.

    Raises:
        ValueError: an unknown loss.
    """

    task = "localization"

    def __init__(
        self,
        network: Network[LocalizationOutput],
        preprocessing: SquarePreprocessing,
        *,
        objects: int,
        boxes_a_slot: int,
        box_loss: str,
        box_weight: float,
    ) -> None:
        super().__init__(network)
        if box_loss not in BOX_LOSSES:
            raise ValueError(f"box_loss: expected one of {', '.join(BOX_LOSSES)}, got {box_loss!r}")
        self.preprocessing = preprocessing
        self.objects = self.max_objects = objects
        self.boxes_a_slot = boxes_a_slot
        self.box_loss = box_loss
        self.box_weight = box_weight

    def preprocess(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> Batch:
        """Images (3, H, W), uint8 or float in [0, 1], to a batch; see `SquarePreprocessing`."""
        return self.preprocessing(images, targets, like=next(self.parameters()))

    def forward(
        self,
        pixels: Tensor,
        sizes: Tensor,
        targets: Sequence[Target] | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> LocalizationOutput:
        """Class logits and boxes of all slots."""
        return self.network(pixels, None if targets is None else generators)

    def losses(self, output: LocalizationOutput, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Cross entropy of the slots, and `box_weight` times the mean loss of the boxes of objects.

        "l2" is the squared error and "smooth_l1" its tamer sibling, of cx cy w h in fractions of
        the image and added up; "giou" is 1 - GIoU. What has no object to learn from is 0.
        """
        logits, fractions = wide(output.logits), wide(output.boxes).sigmoid()
        target = slots(targets, self.objects, self.preprocessing.size, fractions.dtype)
        image, slot = torch.nonzero(target.filled, as_tuple=True)  # (T,) objects
        label = target.labels[image, slot] if self.boxes_a_slot > 1 else 0
        predicted, true = fractions[image, slot, label], target.boxes[image, slot]  # (T, 4)
        boxes = self._box_losses(predicted, true).sum() / normalizer(len(true))
        entropy = cross_entropy(logits.flatten(0, 1), target.classes.flatten(), reduction="sum")
        return {
            "classification": entropy / normalizer((target.classes != IGNORED).sum()),
            "boxes": self.box_weight * boxes,
        } | self.network.penalties()

    def _box_losses(self, predicted: Tensor, true: Tensor) -> Tensor:
        """(T,) of boxes cx cy w h (T, 4) in fractions."""
        if self.box_loss == "l2":
            return F.mse_loss(predicted, true, reduction="none").sum(dim=1)
        if self.box_loss == "smooth_l1":
            return smooth_l1_loss(predicted, true, BETA, reduction="none").sum(dim=1)
        pairs = (box_convert(boxes, "cxcywh", "xyxy") for boxes in (predicted, true))
        return 1 - generalized_box_iou(*pairs).diagonal()

    def postprocess(
        self,
        output: LocalizationOutput,
        batch: Batch,
        options: PostprocessOptions = DEFAULT_POSTPROCESS,
    ) -> list[Prediction]:
        """An object for each slot that is not empty, in the frame of the original images, by
        falling score; with one slot the class scores of the image too.

        Of the options `score_thresh` and `detections_per_img` count where there are several slots.
        """
        scores = wide(output.logits).softmax(dim=2)  # (B, K, C) or (B, K, 1 + C)
        rows = zip(scores, self._boxes(output), batch.originals.tolist(), strict=True)
        predictions = []
        for slot_scores, boxes, original in rows:
            objects = self._objects(slot_scores, boxes, tuple(original), options)
            alone = self.objects == 1
            predictions.append(
                Prediction(
                    labels=objects.labels if alone else None,
                    objects=objects,
                    class_scores=slot_scores[0] if alone else None,
                )
            )
        return predictions

    def _objects(
        self,
        scores: Tensor,
        boxes: Tensor,
        original: tuple[int, int],
        options: PostprocessOptions,
    ) -> Objects:
        """Of one image, from the scores (K, C) or (K, 1 + C) and boxes (K, A, 4) of its slots."""
        best, winner = scores.max(dim=1)  # (K,) each
        slot = best.argsort(descending=True, stable=True)
        if self.objects > 1:
            slot = slot[winner[slot] != NOTHING]
            if options.score_thresh is not None:
                slot = slot[best[slot] >= options.score_thresh]
            slot = slot[: options.detections_per_img]
        label = winner[slot] - first_class(self.objects)
        chosen = boxes[slot, label if self.boxes_a_slot > 1 else 0]  # (N, 4)
        size = self.preprocessing.size
        return Objects(
            boxes=boxes_to_original(chosen, (size, size), original),
            labels=label,
            scores=best[slot],
        )

    def _boxes(self, output: LocalizationOutput) -> Tensor:
        """Boxes xyxy (B, K, A, 4) in pixels of the preprocessed image, of MIN_SIDE at least."""
        centers, sides = wide(output.boxes).sigmoid().split(2, dim=-1)
        fractions = torch.cat((centers, sides.clamp(min=MIN_SIDE)), dim=-1)
        return box_convert(fractions, "cxcywh", "xyxy") * self.preprocessing.size

    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        """(N,) for each box, the logit of its label in the slot whose box is nearest to it."""
        batch = self.preprocess(images, targets)
        output = self(batch.pixels, batch.sizes)
        boxes = self._boxes(output).detach()  # which slot answers is no question of degree
        assert batch.targets is not None
        logits = [output.logits.new_zeros(0)]
        for slot_logits, slot_boxes, target in zip(
            output.logits, boxes, batch.targets, strict=True
        ):
            if target.objects is None:
                continue
            for box, label in zip(target.objects.boxes, target.objects.labels, strict=True):
                candidates = slot_boxes[:, label if self.boxes_a_slot > 1 else 0]  # (K, 4)
                slot = generalized_box_iou(box[None], candidates)[0].argmax()
                logits.append(slot_logits[slot, label + first_class(self.objects)][None])
        return torch.cat(logits)

    def export_graphs(self) -> list[ExportGraph]:
        """One graph, pixels of one size to logits and boxes."""

        def outputs(pixels: Tensor) -> tuple[Tensor, ...]:
            return tuple(self(pixels, torch.empty(0)))

        names, dynamic = ("logits", "boxes"), {0: ("batch", 1, 1)}
        return [ExportGraph("model", outputs, "pixels", names, lambda batch: batch.pixels, dynamic)]

    def export_rule(self) -> ExportRule:
        """A square, and slots."""
        counts = {"objects": self.objects, "boxes_a_slot": self.boxes_a_slot}
        slot_rule = {"kind": "slots", **counts, "smallest": MIN_SIDE}
        return {"preprocess": self.preprocessing.export_rule(), "postprocess": slot_rule}


def localizer(
    backbone: str = "resnet18",
    num_classes: int = 20,
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
) -> ObjectLocalizer:
    """A classifier that predicts boxes too.

    Args:
        backbone: a name in BACKBONES.
        num_classes: number of classes, without the one for an empty slot.
        objects: objects it can find in an image, the largest ones; with more than one there is a
            class for empty slots.
        box_loss: "l2", "smooth_l1" or "giou", see `ObjectLocalizer.losses`.
        box_weight: factor of the loss of the boxes.
        class_agnostic: one box a slot; else one for each class, of which that of the predicted
            class counts.
        image_size: pixels of the side of the square that every image is squashed to.
        norm: kind of norm, see `layers.norm`.
        backbone_width: channels of the stem.
        stem: "imagenet" or "small"; see `backbones.resnet`.
        image_mean: of images in [0, 1], a number a channel.
        image_std: standard deviation of images in [0, 1], a number a channel.

    Returns:
        The model with fresh weights.

    Raises:
        ValueError: an unknown loss, or no objects at all.
    """
    boxes_a_slot = 1 if class_agnostic else num_classes
    network = SlotNetwork(
        make_backbone(backbone, backbone_width, norm, stem),
        num_classes,
        image_size,
        objects=objects,
        boxes_a_slot=boxes_a_slot,
        norm=norm,
    )
    return ObjectLocalizer(
        network,
        SquarePreprocessing(image_size, tuple(image_mean), tuple(image_std)),
        objects=objects,
        boxes_a_slot=boxes_a_slot,
        box_loss=box_loss,
        box_weight=box_weight,
    )


ENTRIES: dict[str, ModelEntry] = {
    "localizer": ModelEntry(
        localizer,
        "localization",
        "Sermanet et al. 2014, arXiv 1312.6229",
        {
            "backbone": "resnet10",
            "backbone_width": 8,
            "norm": "group",
            "num_classes": 3,
            "image_size": 64,
        },
        starts_task=True,
    ),
}
