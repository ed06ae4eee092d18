"""Faster R-CNN: regions that may hold an object first, then their classes and exact boxes.

Ren et al. 2015, "Faster R-CNN" (arXiv 1506.01497), on the feature pyramid of Lin et al. 2017
(arXiv 1612.03144). A region proposal network ranks anchors by how much they look like an object of
any class; the features inside each proposal are pooled to 7 x 7, and two dense layers classify it
and move its box, once for each class. Both stages learn together.

Differs from the papers as torchvision does, whose numbers it gives: RoI Align with two samples a
side, no mask. Differs from torchvision: what training does more (more proposals, sampled ones,
true boxes among them) depends on targets being given, not on the mode; boxes inside crowd regions
are ignored. Background is output 0 of the classifier and no label.
Expected: AP 37.0 on COCO val2017, as torchvision reports for its published ResNet-50 weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tapetum.backbones import make_backbone
from tapetum.backbones.backbone import Backbone
from tapetum.layers.anchors import AnchorGrid, octave_sizes
from tapetum.layers.pyramid import PoolTop
from tapetum.layers.roi_pool import MultiScaleRoIAlign
from tapetum.models.class_names import coco_classes
from tapetum.models.detection.assign import Sampler, objects_of
from tapetum.models.detection.postprocessing import Thresholds, suppress, to_original
from tapetum.models.detection.pyramid import (
    check_anchors,
    make_preprocessing,
    make_pyramid,
    pyramid_layers,
)
from tapetum.models.detection.two_stage.export import detector_rule, proposal_graph, region_graph
from tapetum.models.detection.two_stage.options import FIXED_ARGUMENTS, TINY, FasterRCNNOptions
from tapetum.models.detection.two_stage.references import detector_references
from tapetum.models.detection.two_stage.roi_heads import (
    BoxHead,
    image_index,
    roi_candidates,
    roi_losses,
    sample_rois,
)
from tapetum.models.detection.two_stage.rpn import (
    RPNHead,
    SampledAnchors,
    proposal_losses,
    propose,
    sample_anchors,
)
from tapetum.models.entry import ModelEntry
from tapetum.models.network import prefixed, prefixed_groups
from tapetum.models.torchvision_weights import torchvision_detector
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

_MIN_STRIDE = 4
"""Of the maps in the pyramid: p2 is the finest level."""


class FasterRCNNOutput(NamedTuple):
    """B images, N anchors, P regions of all images one after the other, K classes."""

    objectness: Tensor  # (B, N) logits
    anchor_deltas: Tensor  # (B, N, 4)
    anchors: Tensor  # (N, 4) xyxy in pixels of the preprocessed image
    rois: Tensor  # (P, 4) likewise
    image: Tensor  # (P,) int64, the image of each region
    class_logits: Tensor  # (P, 1 + K), background first
    roi_deltas: Tensor  # (P, 1 + K, 4)
    sampled_anchors: SampledAnchors | None  # with targets: which anchors are in the loss
    roi_match: Tensor | None  # (P,) with targets: object of each region, -1 background


class FasterRCNN(Model[FasterRCNNOutput]):
    """The two-stage detector on a pyramid p2 to p6; see the module's docstring.

    Args:
        backbone: any; its maps of stride 4 and coarser are used.
        options: `backbone`, `backbone_width` and `norm` of them are for `faster_rcnn` and are
            ignored here.

    Raises:
        ValueError: the anchor sizes are not one for each level, or the backbone's maps are all
            finer.
    """

    task = "detection"
    has_nms = True

    def __init__(self, backbone: Backbone, options: FasterRCNNOptions) -> None:
        super().__init__()
        self.options = options
        self.references = detector_references(backbone)
        self.anchors = AnchorGrid(octave_sizes(options.anchor_sizes, 1), options.anchor_ratios)
        self.backbone = backbone
        channels = options.fpn_channels
        self.pyramid = make_pyramid(backbone, _MIN_STRIDE, channels, PoolTop())
        check_anchors(self.anchors, self.pyramid)
        self.rpn_head = RPNHead(channels, self.anchors.per_cell)
        self.box_roi_pool = MultiScaleRoIAlign(strides=self.pyramid.map_strides)
        self.box_head = BoxHead(
            channels, self.box_roi_pool.output_size, options.head_width, options.num_classes
        )
        self.preprocessing = make_preprocessing(
            backbone, options.min_size, options.max_size, options.image_mean, options.image_std
        )
        self.thresholds = Thresholds(
            options.box_score_thresh, options.box_nms_thresh, options.box_detections_per_img
        )

    def preprocess(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> Batch:
        """Resize, pad and normalize images; see `Preprocessing`."""
        return self.preprocessing(images, targets, like=self.box_head.classes.weight)

    def forward(
        self,
        pixels: Tensor,
        sizes: Tensor,
        targets: Sequence[Target] | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> FasterRCNNOutput:
        """Proposals, and their classes and boxes.

        With targets: more proposals, the boxes of the objects among them, and of anchors and
        regions a sample for the losses (the first ones without generators).
        """
        return self.detect(self.maps(pixels), pixels, sizes, targets, generators)

    def maps(self, pixels: Tensor) -> list[Tensor]:
        """All maps of the pyramid, fine to coarse; the last one serves proposals only."""
        return list(self.pyramid(self.backbone(pixels)).values())

    def pool(
        self, layer: MultiScaleRoIAlign, maps: Sequence[Tensor], rois: Tensor, image: Tensor
    ) -> Tensor:
        """Features of regions (P, 4) in images (P,), out of those `maps` that serve for it."""
        pooled: Tensor = layer(maps[: len(layer.strides)], rois, image)
        return pooled

    def detect(
        self,
        maps: Sequence[Tensor],
        pixels: Tensor,
        sizes: Tensor,
        targets: Sequence[Target] | None,
        generators: Sequence[torch.Generator] | None,
    ) -> FasterRCNNOutput:
        """`forward`, for callers that have the maps already."""
        anchors = self.anchors(pixels, maps)
        objectness, anchor_deltas = self.rpn_head(maps)
        rois = self._propose(objectness, anchor_deltas, anchors, sizes, targets is not None)
        all_anchors = torch.cat(anchors)
        sampled, match = None, None
        if targets is not None:
            sampled = sample_anchors(targets, all_anchors, self._anchor_sampler(), generators)
            rois, match = sample_rois(rois, targets, self._roi_sampler(), generators)
        boxes, image = torch.cat(rois), image_index(rois)
        class_logits, roi_deltas = self.box_head(self.pool(self.box_roi_pool, maps, boxes, image))
        return FasterRCNNOutput(
            objectness=objectness,
            anchor_deltas=anchor_deltas,
            anchors=all_anchors,
            rois=boxes,
            image=image,
            class_logits=class_logits,
            roi_deltas=roi_deltas,
            sampled_anchors=sampled,
            roi_match=match,
        )

    def _propose(
        self,
        objectness: Tensor,
        deltas: Tensor,
        anchors: Sequence[Tensor],
        sizes: Tensor,
        train: bool,
    ) -> list[Tensor]:
        o = self.options
        before = o.rpn_pre_nms_top_n_train if train else o.rpn_pre_nms_top_n_test
        after = o.rpn_post_nms_top_n_train if train else o.rpn_post_nms_top_n_test
        return propose(
            objectness,
            deltas,
            anchors,
            sizes,
            pre_nms_top_n=before,
            post_nms_top_n=after,
            nms_thresh=o.rpn_nms_thresh,
        )

    def _anchor_sampler(self) -> Sampler:
        o = self.options
        return Sampler(
            fg_iou_thresh=o.rpn_fg_iou_thresh,
            bg_iou_thresh=o.rpn_bg_iou_thresh,
            batch_size_per_image=o.rpn_batch_size_per_image,
            positive_fraction=o.rpn_positive_fraction,
            allow_low_quality=True,
        )

    def _roi_sampler(self) -> Sampler:
        o = self.options
        return Sampler(
            fg_iou_thresh=o.box_fg_iou_thresh,
            bg_iou_thresh=o.box_bg_iou_thresh,
            batch_size_per_image=o.box_batch_size_per_image,
            positive_fraction=o.box_positive_fraction,
        )

    def losses(self, output: FasterRCNNOutput, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Two losses of the proposals, two of the regions, over what `forward` sampled.

        Raises:
            ValueError: `output` comes from a forward without targets.
        """
        if output.sampled_anchors is None or output.roi_match is None:
            raise ValueError("output: expected from forward(..., targets), got it from one without")
        proposals = proposal_losses(
            output.objectness, output.anchor_deltas, output.anchors, output.sampled_anchors, targets
        )
        regions = roi_losses(
            output.class_logits,
            output.roi_deltas,
            output.rois,
            output.image,
            output.roi_match,
            targets,
        )
        return proposals | regions

    def postprocess(
        self,
        output: FasterRCNNOutput,
        batch: Batch,
        options: PostprocessOptions = DEFAULT_POSTPROCESS,
    ) -> list[Prediction]:
        """Detections in the frame of the original images, by falling score."""
        detections = self.detections(output, batch.sizes, options)
        frames = zip(detections, batch.sizes.tolist(), batch.originals.tolist(), strict=True)
        return [
            Prediction(objects=to_original(objects, tuple(size), tuple(original)))
            for objects, size, original in frames
        ]

    def detections(
        self,
        output: FasterRCNNOutput,
        sizes: Tensor,
        options: PostprocessOptions = DEFAULT_POSTPROCESS,
    ) -> list[Objects]:
        """Detections in preprocessed images of sizes (B, 2), by falling score."""
        thresholds = self.thresholds.overridden(options)
        candidates, roi = roi_candidates(
            output.class_logits, output.roi_deltas, output.rois, thresholds.score_thresh
        )
        image = output.image[roi]
        return [
            suppress(candidates[image == i], tuple(size), thresholds)
            for i, size in enumerate(sizes.tolist())
        ]

    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        """(N,) for each box, taken as the only proposal, the logit of its label."""
        batch = self.preprocess(images, targets)
        assert batch.targets is not None
        objects = [objects_of(target) for target in batch.targets]
        return self.label_logits(self.maps(batch.pixels), objects)

    def label_logits(self, maps: Sequence[Tensor], objects: Sequence[Objects]) -> Tensor:
        """(N,) for each box of the objects of all images, the logit of its label."""
        boxes, labels = [o.boxes for o in objects], torch.cat([o.labels for o in objects])
        pooled = self.pool(self.box_roi_pool, maps, torch.cat(boxes), image_index(boxes))
        logits: Tensor = self.box_head(pooled)[0]
        return logits[torch.arange(len(labels), device=labels.device), 1 + labels]

    def explain_layers(self) -> dict[str, ExplainLayer]:
        """Backbone maps, then the pyramid levels that regions are read from."""
        levels = list(self.pyramid.strides)[: len(self.pyramid.map_strides)]
        return pyramid_layers(self.backbone, self.pyramid, levels)

    def layer_groups(self) -> list[tuple[str, ...]]:
        """Those of the backbone."""
        return prefixed_groups("backbone.", self.backbone.layer_groups())

    def resizable_weights(self) -> Mapping[str, Callable[[Tensor, Tensor], Tensor | None]]:
        """Those of the backbone."""
        return prefixed("backbone.", self.backbone.resizable_weights())

    def export_graphs(self) -> list[ExportGraph]:
        """Two graphs: pixels to the outputs of the proposal network and maps; features of regions
        to classes and offsets. The client cuts the features out in between."""
        regions = region_graph(
            self, "regions", self.box_roi_pool, self.box_head, ("logits", "deltas")
        )
        return [proposal_graph(self), regions]

    def export_rule(self) -> ExportRule:
        """Anchors, limits and thresholds; the client proposes, pools, decodes and suppresses."""
        return detector_rule(self)


def faster_rcnn(options: FasterRCNNOptions | None = None, /, **arguments: Any) -> FasterRCNN:
    """Faster R-CNN (Ren et al. 2015) on any backbone of BACKBONES.

    Args:
        options: all arguments; by default `FasterRCNNOptions()`.
        **arguments: fields of `FasterRCNNOptions` by name, in place of those of `options`.

    Returns:
        The model with fresh weights.

    Raises:
        UsageError: an unknown backbone.
        ValueError: a value out of its range.
    """
    options = replace(options or FasterRCNNOptions(), **arguments)
    backbone = make_backbone(options.backbone, width=options.backbone_width, norm=options.norm)
    return FasterRCNN(backbone, options)


ENTRIES = {
    "faster_rcnn": ModelEntry(
        faster_rcnn,
        "detection",
        "Ren et al. 2015, arXiv 1506.01497",
        tiny=TINY,
        weights=(
            torchvision_detector(
                "fasterrcnn_resnet50_fpn",
                "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth",
                {"AP": 37.0},
                coco_classes,
                fixed_arguments=FIXED_ARGUMENTS,
            ),
        ),
        options=FasterRCNNOptions,
        starts_task=True,
    ),
}
