"""Mask R-CNN: a detector that also predicts which pixels of a box belong to the object.

He et al. 2017, "Mask R-CNN" (arXiv 1703.06870), on Faster R-CNN with a feature pyramid. A small
convolutional head predicts a mask of 28 x 28 for each region, one for each class without any
competition between them: the class comes from the classifier. Regions are pooled to 14 x 14 by
RoI Align, which rounds nothing, because a mask shows every misplaced pixel.

Differs from the paper as torchvision does, whose numbers it gives. Differs from torchvision as
`faster_rcnn` does; and an object whose mask has no pixels has no mask to learn, instead of an
empty one. Channel 0 of the last layer would be the mask of the background: published weights have
it, and it is never used.
Expected: box AP 37.9, mask AP 34.6 on COCO val2017, as torchvision reports for its published
ResNet-50 weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.backbones import make_backbone
from tapetum.backbones.backbone import Backbone
from tapetum.base.ranks import normalizer
from tapetum.layers.roi_pool import MultiScaleRoIAlign
from tapetum.models.class_names import coco_classes
from tapetum.models.detection.assign import objects_of
from tapetum.models.detection.postprocessing import to_original
from tapetum.models.detection.two_stage.export import region_graph
from tapetum.models.detection.two_stage.faster_rcnn import FasterRCNN, FasterRCNNOutput
from tapetum.models.detection.two_stage.options import FIXED_ARGUMENTS, TINY, MaskRCNNOptions
from tapetum.models.detection.two_stage.references import mask_references
from tapetum.models.detection.two_stage.roi_branch import RoIs, head_rois, rois_of, split_by_image
from tapetum.models.entry import ModelEntry
from tapetum.models.network import prefixed, prefixed_groups
from tapetum.models.torchvision_weights import torchvision_detector
from tapetum.ops.paste import crop_masks, paste_masks
from tapetum.structures import (
    DEFAULT_POSTPROCESS,
    Batch,
    ExplainLayer,
    ExportGraph,
    ExportRule,
    Model,
    Objects,
    PostprocessOptions,
    Prediction,
    Target,
)

POOLED = 14
"""Side of the features that the head reads; its masks are twice as fine."""


class MaskHead(nn.Module):
    """Convolutions, then twice the resolution, then a mask for each class.

    Args:
        channels: of the pooled features.
        width: channels of the convolutions.
        convs: number of convolutions.
        num_classes: without background.
    """

    def __init__(self, channels: int, width: int, convs: int, num_classes: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(width if i else channels, width, 3, padding=1) for i in range(convs)
        )
        self.up = nn.ConvTranspose2d(width if convs else channels, width, 2, stride=2)
        self.predict = nn.Conv2d(width, 1 + num_classes, 1)
        self.relu = nn.ReLU(inplace=True)
        for layer in (*self.convs, self.up, self.predict):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, pooled: Tensor) -> Tensor:
        """Features (P, C, s, s) to logits (P, 1 + K, 2 s, 2 s)."""
        for conv in self.convs:
            pooled = self.relu(conv(pooled))
        logits: Tensor = self.predict(self.relu(self.up(pooled)))
        return logits


class MaskRCNNOutput(NamedTuple):
    """The output of the detector, and P masks of S x S over regions of all images."""

    detection: FasterRCNNOutput
    rois: RoIs
    logits: Tensor  # (P, S, S), of the class of each region
    maps: tuple[Tensor, ...] = ()  # of the pyramid, without targets


class MaskRCNN(Model[MaskRCNNOutput]):
    """Boxes with masks; see the module's docstring.

    Args:
        backbone: see `FasterRCNN`.
        options: see `FasterRCNN`.
    """

    task = "instance_segmentation"
    has_nms = True

    def __init__(self, backbone: Backbone, options: MaskRCNNOptions) -> None:
        super().__init__()
        self.detector = FasterRCNN(backbone, options)
        self.mask_roi_pool = MultiScaleRoIAlign(POOLED, strides=self.detector.pyramid.map_strides)
        self.mask_head = MaskHead(
            options.fpn_channels, options.mask_width, options.mask_convs, options.num_classes
        )
        self.references = mask_references(self.detector.references)

    def preprocess(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> Batch:
        """Resize, pad and normalize images; see `Preprocessing`."""
        return self.detector.preprocess(images, targets)

    def forward(
        self,
        pixels: Tensor,
        sizes: Tensor,
        targets: Sequence[Target] | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> MaskRCNNOutput:
        """Detections and their masks.

        With targets: the masks of the regions that are objects, among those that
        `FasterRCNN.forward` draws.
        """
        maps = self.detector.maps(pixels)
        detection = self.detector.detect(maps, pixels, sizes, targets, generators)
        rois = head_rois(self.detector, detection, sizes, targets)
        kept = tuple(maps) if targets is None else ()
        return MaskRCNNOutput(detection, rois, self.mask_logits(maps, rois), kept)

    def mask_logits(self, maps: Sequence[Tensor], rois: RoIs) -> Tensor:
        """(P, S, S) for each region the mask of its class."""
        pooled = self.detector.pool(self.mask_roi_pool, maps, rois.boxes, rois.image)
        logits: Tensor = self.mask_head(pooled)  # (P, 1 + K, S, S)
        return logits[torch.arange(len(logits), device=logits.device), 1 + rois.labels]

    def losses(self, output: MaskRCNNOutput, targets: Sequence[Target]) -> dict[str, Tensor]:
        """The detector's losses, and the binary cross entropy of the masks.

        It is the mean over the pixels of the regions that are objects.

        Raises:
            ValueError: `output` comes from a forward without targets, or objects lack masks.
        """
        losses = self.detector.losses(output.detection, targets)
        size = output.logits.shape[-1]
        target, present = mask_targets(output.rois, targets, size)  # (P, S, S), (P,)
        target, logits = target[present], output.logits[present].to(target.dtype)
        entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="sum")
        return losses | {"loss_mask": entropy / normalizer(target.numel())}

    def postprocess(
        self,
        output: MaskRCNNOutput,
        batch: Batch,
        options: PostprocessOptions = DEFAULT_POSTPROCESS,
    ) -> list[Prediction]:
        """Detections with masks in the frame of the original images, by falling score.

        Raises:
            ValueError: `output` comes from a forward with targets, which detects nothing.
        """
        parts = split_by_image(*self._detected(output, batch, options), len(batch.sizes))
        frames = zip(parts, batch.sizes.tolist(), batch.originals.tolist(), strict=True)
        predictions = []
        for (detections, logits), size, original in frames:
            objects = to_original(detections, tuple(size), tuple(original))
            soft = torch.sigmoid(logits.to(objects.boxes.dtype))
            masks = paste_masks(soft, objects.boxes, tuple(original))
            predictions.append(Prediction(objects=objects.with_(masks=masks)))
        return predictions

    def _detected(
        self, output: MaskRCNNOutput, batch: Batch, options: PostprocessOptions
    ) -> tuple[RoIs, Tensor]:
        """The detections and their masks; other options find others than forward did."""
        if options == DEFAULT_POSTPROCESS or output.rois.scores is None:
            return output.rois, output.logits
        rois = rois_of(self.detector.detections(output.detection, batch.sizes, options))
        dtype = self.mask_head.predict.weight.dtype  # maps may come from autocast
        return rois, self.mask_logits([x.to(dtype) for x in output.maps], rois)

    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        """(N,) for each object, its box taken as the only region: the mean logit inside its mask,
        and where it has no mask the logit of its label."""
        batch = self.preprocess(images, targets)
        assert batch.targets is not None
        objects = [objects_of(target) for target in batch.targets]
        maps = self.detector.maps(batch.pixels)
        of_label = self.detector.label_logits(maps, objects)  # (N,)
        mean, marked = mean_inside(self.mask_logits(maps, rois_of(objects)), objects)
        return torch.where(marked, mean.to(of_label.dtype), of_label)

    def explain_layers(self) -> dict[str, ExplainLayer]:
        """Those of the detector: the mask head reads the same maps."""
        return self.detector.explain_layers()

    def layer_groups(self) -> list[tuple[str, ...]]:
        """Those of the detector."""
        return prefixed_groups("detector.", self.detector.layer_groups())

    def resizable_weights(self) -> Mapping[str, Callable[[Tensor, Tensor], Tensor | None]]:
        """Those of the detector."""
        return prefixed("detector.", self.detector.resizable_weights())

    def export_graphs(self) -> list[ExportGraph]:
        """The detector's graphs, and features of regions to the logits of the mask head."""

        def head(pooled: Tensor) -> tuple[Tensor, ...]:
            return (self.mask_head(pooled),)

        graph = region_graph(self.detector, "branch", self.mask_roi_pool, head, ("logits",))
        return [*self.detector.export_graphs(), graph]

    def export_rule(self) -> ExportRule:
        """The detector's, and how the mask head reads regions."""
        rule = self.detector.export_rule()
        more = {"kind": "masks", "branch_output_size": POOLED}
        return {**rule, "postprocess": {**rule["postprocess"], **more}}


def mean_inside(logits: Tensor, objects: Sequence[Objects]) -> tuple[Tensor, Tensor]:
    """The mean of the logits inside the masks of objects.

    Args:
        logits: (N, S, S), in the boxes of the objects.
        objects: one an image, N in all.

    Returns:
        (N,) the mean, and (N,) bool, whether a mask has pixels.
    """
    parts = [
        o.boxes.new_zeros(len(o), *logits.shape[1:])
        if o.masks is None
        else crop_masks(o.masks, o.boxes, torch.arange(len(o)), logits.shape[-1])
        for o in objects
    ]
    inside = torch.cat(parts)  # (N, S, S), the fraction of each cell that is inside
    total = inside.sum(dim=(1, 2))
    return (logits * inside).sum(dim=(1, 2)) / total.clamp(min=1e-6), total > 0


def mask_targets(rois: RoIs, targets: Sequence[Target], size: int) -> tuple[Tensor, Tensor]:
    """The masks that regions are to have.

    Args:
        rois: P matched regions.
        targets: one an image.
        size: of the masks of regions.

    Returns:
        (P, size, size) in [0, 1], and (P,) bool: has the object of the region a mask?

    Raises:
        ValueError: an image has objects, and no masks of them.
    """
    expected, present = [], []
    assert rois.match is not None
    for i, target in enumerate(targets):
        here = rois.image == i
        match, boxes = rois.match[here], rois.boxes[here]
        masks = masks_of(objects_of(target))
        expected.append(crop_masks(masks, boxes, match, size))
        present.append(masks.flatten(1).any(dim=1)[match])
    return torch.cat(expected), torch.cat(present)


def masks_of(objects: Objects) -> Tensor:
    """The masks of annotated objects.

    Args:
        objects: N of them.

    Returns:
        (N, H, W) bool.

    Raises:
        ValueError: they have none.
    """
    if objects.masks is not None:
        return objects.masks
    if len(objects):
        raise ValueError(f"target: expected masks of its {len(objects)} objects, got None")
    return torch.zeros(0, 1, 1, dtype=torch.bool, device=objects.boxes.device)


def mask_rcnn(options: MaskRCNNOptions | None = None, /, **arguments: Any) -> MaskRCNN:
    """Mask R-CNN (He et al. 2017) on any backbone of BACKBONES.

    Args:
        options: all arguments; by default `MaskRCNNOptions()`.
        **arguments: fields of `MaskRCNNOptions` by name, in place of those of `options`.

    Returns:
        The model with fresh weights.

    Raises:
        UsageError: an unknown backbone.
        ValueError: a value out of its range.
    """
    options = replace(options or MaskRCNNOptions(), **arguments)
    backbone = make_backbone(options.backbone, width=options.backbone_width, norm=options.norm)
    return MaskRCNN(backbone, options)


ENTRIES = {
    "mask_rcnn": ModelEntry(
        mask_rcnn,
        "instance_segmentation",
        "He et al. 2017, arXiv 1703.06870",
        tiny={**TINY, "mask_width": 16, "mask_convs": 1},
        weights=(
            torchvision_detector(
                "maskrcnn_resnet50_fpn",
                "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
                {"box AP": 37.9, "mask AP": 34.6},
                coco_classes,
                fixed_arguments=(*FIXED_ARGUMENTS, "mask_width", "mask_convs"),
            ),
        ),
        options=MaskRCNNOptions,
        starts_task=True,
    ),
}
