"""Faster R-CNN: first where something may be, then what it is.

Ren et al. 2015, "Faster R-CNN" (arXiv 1506.01497), on the feature pyramid of Lin et al. 2017
(arXiv 1612.03144). A proposal network ranks anchors by how much they look like an object at all;
the features inside each proposal are pooled to 7 x 7, and two dense layers say which class it is
and how to move it, once for each class. Both stages learn together.

Differs from the papers as torchvision does, whose numbers it gives: RoI Align with two samples a
side, no mask. Differs from torchvision: what training does more (more proposals, sampled ones,
true boxes among them) depends on truth being given, not on the mode; boxes inside crowd regions
are ignored. Background is output 0 of the classifier and nobody else's matter.
Expected: AP 37.0 on COCO val2017, as torchvision reports for its published ResNet-50 weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tapetum.backbones import make_backbone, resnet
from tapetum.layers.anchors import AnchorGrid, octave_sizes
from tapetum.layers.pyramid import FeaturePyramid, PoolTop
from tapetum.layers.roi_pool import MultiScaleRoIAlign
from tapetum.models.detection.assign import objects_of
from tapetum.models.detection.postprocessing import suppress, to_original
from tapetum.models.detection.two_stage.roi_heads import (
    BoxHead,
    image_index,
    roi_candidates,
    roi_losses,
    sample_rois,
)
from tapetum.models.detection.two_stage.rpn import (
    RPNHead,
    Sampled,
    proposal_losses,
    propose,
    sample_anchors,
)
from tapetum.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from tapetum.structures import Batch, Objects, Prediction, Target
from tapetum.structures.renames import Renames


class Output(NamedTuple):
    """B images, N anchors, P regions of all images one after the other, K classes."""

    objectness: Tensor  # (B, N) logits
    anchor_deltas: Tensor  # (B, N, 4)
    anchors: Tensor  # (N, 4) xyxy in pixels of the prepared image
    rois: Tensor  # (P, 4) likewise
    image: Tensor  # (P,) int64, the image of each region
    class_logits: Tensor  # (P, 1 + K), background first
    roi_deltas: Tensor  # (P, 1 + K, 4)
    sampled_anchors: Sampled | None  # with truth: which anchors are in the loss
    roi_match: Tensor | None  # (P,) with truth: object of each region, -1 background


class FasterRCNN(nn.Module):
    """The two-stage detector; see the module's docstring. Build one with `faster_rcnn`."""

    task = "detection"
    differentiable = True

    def __init__(
        self,
        backbone: nn.Module,
        pyramid: FeaturePyramid,
        anchors: AnchorGrid,
        rpn_head: RPNHead,
        box_roi_pool: MultiScaleRoIAlign,
        box_head: BoxHead,
        preprocessing: Preprocessing,
        *,
        proposals: int,
        training_proposals: int,
        proposal_nms_threshold: float,
        sampled_anchors: int,
        sampled_regions: int,
        score_threshold: float,
        nms_threshold: float,
        max_detections: int,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.pyramid = pyramid
        self.anchors = anchors
        self.rpn_head = rpn_head
        self.box_roi_pool = box_roi_pool
        self.box_head = box_head
        self.preprocessing = preprocessing
        self.proposals = proposals
        self.training_proposals = training_proposals
        self.proposal_nms_threshold = proposal_nms_threshold
        self.sampled_anchors = sampled_anchors
        self.sampled_regions = sampled_regions
        self.score_threshold = score_threshold
        self.nms_threshold = nms_threshold
        self.max_detections = max_detections

    def preprocess(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> Batch:
        """Images (3, H, W), uint8 or float in [0, 1], to a batch; see `Preprocessing`."""
        return self.preprocessing(images, targets, like=self.box_head.classes.weight)

    def forward(
        self,
        pixels: Tensor,
        sizes: Tensor,
        targets: Sequence[Target] | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> Output:
        """Proposals and what the second stage says of them.

        With truth: more proposals, the true boxes among them, and of anchors and regions a sample
        drawn from `generators`, which the losses use (the first ones without any).
        """
        return self.detect(self.maps(pixels), pixels, sizes, targets, generators)

    def maps(self, pixels: Tensor) -> list[Tensor]:
        """Pyramid maps, p2 to p6."""
        return list(self.pyramid(self.backbone(pixels)).values())

    def detect(
        self,
        maps: Sequence[Tensor],
        pixels: Tensor,
        sizes: Tensor,
        targets: Sequence[Target] | None,
        generators: Sequence[torch.Generator] | None,
    ) -> Output:
        """`forward` for those who have the maps already."""
        anchors = self.anchors(pixels, maps)
        objectness, anchor_deltas = self.rpn_head(maps)
        rois = propose(
            objectness,
            anchor_deltas,
            anchors,
            sizes,
            count=self.proposals if targets is None else self.training_proposals,
            nms_threshold=self.proposal_nms_threshold,
        )
        every = torch.cat(anchors)
        sampled, match = None, None
        if targets is not None:
            sampled = sample_anchors(targets, every, self.sampled_anchors, generators)
            rois, match = sample_rois(rois, targets, self.sampled_regions, generators)
        boxes, image = torch.cat(rois), image_index(rois)
        class_logits, roi_deltas = self._classify(maps, boxes, image)
        return Output(
            objectness=objectness,
            anchor_deltas=anchor_deltas,
            anchors=every,
            rois=boxes,
            image=image,
            class_logits=class_logits,
            roi_deltas=roi_deltas,
            sampled_anchors=sampled,
            roi_match=match,
        )

    def _classify(
        self, maps: Sequence[Tensor], boxes: Tensor, image: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits (P, 1 + K) and offsets (P, 1 + K, 4) of boxes (P, 4); p6 only makes proposals."""
        return self.box_head(self.box_roi_pool(maps[:-1], boxes, image))

    def losses(self, output: Output, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Two losses of the proposals, two of the regions, over what forward sampled.

        Raises:
            ValueError: `output` comes from a forward without truth.
        """
        if output.sampled_anchors is None or output.roi_match is None:
            raise ValueError("raw: expected from forward(..., truth), got it from one without")
        first = proposal_losses(
            output.objectness, output.anchor_deltas, output.anchors, output.sampled_anchors, targets
        )
        second = roi_losses(
            output.class_logits,
            output.roi_deltas,
            output.rois,
            output.image,
            output.roi_match,
            targets,
        )
        return first | second

    def postprocess(self, output: Output, batch: Batch) -> list[Prediction]:
        """Detections in the frame of the original images, by falling score."""
        frames = zip(batch.sizes.tolist(), batch.originals.tolist(), strict=True)
        return [
            Prediction(objects=to_original(found, tuple(size), tuple(original)))
            for found, (size, original) in zip(self.found(output, batch.sizes), frames, strict=True)
        ]

    def found(self, output: Output, sizes: Tensor) -> list[Objects]:
        """Detections in the frame of the prepared images of sizes (B, 2), by falling score."""
        candidates, roi = roi_candidates(
            output.class_logits, output.roi_deltas, output.rois, self.score_threshold
        )
        image = output.image[roi]
        return [
            suppress(candidates[image == i], tuple(size), self.nms_threshold, self.max_detections)
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
        logits, _ = self._classify(maps, torch.cat(boxes), image_index(boxes))
        return logits[torch.arange(len(labels), device=labels.device), 1 + labels]

    def explain_layers(self) -> dict[str, tuple[nn.Module, Callable[[Any], Tensor]]]:
        """Backbone maps, then pyramid levels. c3 is first: fine enough to tell small objects apart,
        and all scores depend on it, since coarser maps are made of it; a pyramid level serves some
        of the regions only."""
        backbone, pyramid = ("c3", "c4", "c5", "c2"), ("p2", "p3", "p4", "p5")
        layers: dict[str, tuple[nn.Module, Callable[[Any], Tensor]]] = {
            name: (self.backbone, itemgetter(name)) for name in backbone
        }
        return layers | {name: (self.pyramid, itemgetter(name)) for name in pyramid}


def faster_rcnn(
    backbone: str = "resnet50",
    classes: int = 90,
    norm: str = "batch",
    backbone_width: int = 64,
    fpn_channels: int = 256,
    head_width: int = 1024,
    anchor_sizes: Sequence[int] = (32, 64, 128, 256, 512),
    anchor_ratios: Sequence[float] = (0.5, 1.0, 2.0),
    min_size: int = 800,
    max_size: int = 1333,
    image_mean: Sequence[float] = IMAGENET_MEAN,
    image_std: Sequence[float] = IMAGENET_STD,
    proposals: int = 1000,
    training_proposals: int = 2000,
    proposal_nms_threshold: float = 0.7,
    sampled_anchors: int = 256,
    sampled_regions: int = 512,
    score_threshold: float = 0.05,
    nms_threshold: float = 0.5,
    max_detections: int = 100,
) -> FasterRCNN:
    """Faster R-CNN on a ResNet pyramid p2 to p6 (strides 4 to 64).

    backbone, backbone_width, norm: a name in BACKBONES, channels of its stem, kind of norm in it.
    classes: without background.
    anchor_sizes: side in pixels of the square anchor of each level, p2 to p6.
    anchor_ratios: height / width.
    min_size, max_size, image_mean, image_std: see `Preprocessing`.
    proposals: boxes of each level before suppression, and of an image after it;
        `training_proposals` where truth is given.
    sampled_anchors, sampled_regions: how many of an image take part in the losses.
    """
    anchors = AnchorGrid(sizes=octave_sizes(anchor_sizes, 1), ratios=anchor_ratios)
    body = make_backbone(backbone, width=backbone_width, norm=norm)
    used = {name: n for name, n in body.channels.items() if body.strides[name] >= 4}
    pool = MultiScaleRoIAlign()
    return FasterRCNN(
        backbone=body,
        pyramid=FeaturePyramid(used, fpn_channels, top=PoolTop()),
        anchors=anchors,
        rpn_head=RPNHead(channels=fpn_channels, anchors=anchors.per_cell),
        box_roi_pool=pool,
        box_head=BoxHead(channels=fpn_channels, size=pool.size, width=head_width, classes=classes),
        preprocessing=Preprocessing(
            min_size=min_size,
            max_size=max_size,
            mean=tuple(image_mean),
            std=tuple(image_std),
        ),
        proposals=proposals,
        training_proposals=training_proposals,
        proposal_nms_threshold=proposal_nms_threshold,
        sampled_anchors=sampled_anchors,
        sampled_regions=sampled_regions,
        score_threshold=score_threshold,
        nms_threshold=nms_threshold,
        max_detections=max_detections,
    )


def _pairs(conv: str) -> tuple[tuple[str, str], ...]:
    """Templates of a torchvision file in which `conv` names a convolution inside its block."""
    return (
        *resnet.REFERENCE["torchvision"].inside("backbone.", "backbone.body."),
        ("pyramid.lateral.#.*", f"backbone.fpn.inner_blocks.#.{conv}*"),
        ("pyramid.output.#.*", f"backbone.fpn.layer_blocks.#.{conv}*"),
        ("rpn_head.conv.*", "rpn.head.conv." + (f"0.{conv}*" if conv else "*")),
        ("rpn_head.objectness.*", "rpn.head.cls_logits.*"),
        ("rpn_head.deltas.*", "rpn.head.bbox_pred.*"),
        ("box_head.dense1.*", "roi_heads.box_head.fc6.*"),
        ("box_head.dense2.*", "roi_heads.box_head.fc7.*"),
        ("box_head.classes.*", "roi_heads.box_predictor.cls_score.*"),
        ("box_head.deltas.*", "roi_heads.box_predictor.bbox_pred.*"),
    )


REFERENCE = {
    "torchvision": Renames(_pairs("0.")),
    # Published files are older than the blocks that torchvision builds with today.
    "torchvision-published": Renames(_pairs("")),
}
