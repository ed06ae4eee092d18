"""RetinaNet: each anchor of each level is classified at once, with the focal loss.

Lin et al. 2017, "Focal Loss for Dense Object Detection" (arXiv 1708.02002). A feature pyramid, two
small towers of convolutions shared by all levels, and nine anchors a cell: one tower classifies
each anchor, the other predicts how to move it. Nearly all anchors are background, so the focal loss
weighs the cross entropy of those that are classified well already down.

Differs from the paper as torchvision does, whose numbers it gives: p6 and p7 are made from p5, box
offsets learn by L1, each image's losses are divided by its own positive anchors. Differs from
torchvision in two small ways: boxes that clipping to the image leaves thinner than 0.01 pixels
are dropped, and anchors inside crowd regions are ignored.
Expected: AP 36.4 on COCO val2017, as torchvision reports for its published ResNet-50 weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tapetum.backbones import make_backbone
from tapetum.backbones.backbone import Backbone
from tapetum.base.ranks import normalizer
from tapetum.layers.anchors import AnchorGrid, octave_sizes
from tapetum.layers.conv import init_small
from tapetum.layers.norm import make_norm
from tapetum.layers.pyramid import ConvTop
from tapetum.models.class_names import coco_classes_with_background
from tapetum.models.detection.assign import assign, matched_objects, objects_of
from tapetum.models.detection.one_stage.options import RetinaNetOptions
from tapetum.models.detection.one_stage.references import retinanet_references
from tapetum.models.detection.postprocessing import Thresholds, suppress, to_original
from tapetum.models.detection.pyramid import (
    anchor_rule,
    check_anchors,
    free_size,
    make_preprocessing,
    make_pyramid,
    pyramid_layers,
)
from tapetum.models.entry import ModelEntry
from tapetum.models.network import prefixed, prefixed_groups
from tapetum.models.torchvision_weights import torchvision_detector
from tapetum.ops.boxes import box_iou, decode_boxes, encode_boxes
from tapetum.ops.losses import l1_loss, sigmoid_focal_loss
from tapetum.ops.matching import BETWEEN
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

_MIN_STRIDE = 8
"""Of the maps in the pyramid: p3 is the finest level."""


class RetinaNetOutput(NamedTuple):
    """B images, N anchors, K classes, L levels."""

    logits: Tensor  # (B, N, K)
    deltas: Tensor  # (B, N, 4), how to move each anchor
    anchors: Tensor  # (N, 4) xyxy in pixels of the preprocessed image
    levels: Tensor  # (L,) int64, anchors in each level; they add up to N


class Tower(nn.Module):
    """3 x 3 convolutions shared by all levels, then `outputs` numbers for each anchor of a cell.

    Args:
        channels: of the pyramid maps.
        convs: number of convolutions before the last one.
        anchors: number of anchors of a cell.
        outputs: numbers for each anchor.
        bias: of the last convolution at the start.
        norm: "none", as published, or "group": learns several times faster from scratch.
    """

    def __init__(
        self, channels: int, convs: int, anchors: int, outputs: int, bias: float, norm: str
    ) -> None:
        super().__init__()
        self.outputs = outputs
        hidden = [nn.Conv2d(channels, channels, 3, padding=1) for _ in range(convs)]
        for conv in hidden:
            init_small(conv)
        self.convs = nn.ModuleList(hidden)
        self.norms = nn.ModuleList(
            nn.Identity() if norm == "none" else make_norm(norm, channels) for _ in hidden
        )
        self.predict = nn.Conv2d(channels, anchors * outputs, 3, padding=1)
        init_small(self.predict, bias)
        self.relu = nn.ReLU()

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Pyramid maps (B, C, h, w) to (B, N, outputs), the order of `AnchorGrid`."""
        return torch.cat([self._level(x) for x in maps], dim=1)

    def _level(self, x: Tensor) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = self.relu(norm(conv(x)))
        x = self.predict(x).permute(0, 2, 3, 1)  # (B, h, w, A * outputs)
        return x.reshape(x.shape[0], -1, self.outputs)  # (B, h * w * A, outputs)


class RetinaNet(Model[RetinaNetOutput]):
    """The one-stage detector on a pyramid p3 to p7; see the module's docstring.

    Args:
        backbone: any; its maps of stride 8 and coarser are used.
        options: `backbone`, `backbone_width` and `norm` of them are for `retinanet` and are
            ignored here.

    Raises:
        ValueError: the anchor sizes are not one for each level, or the backbone's maps are all
            finer.
    """

    task = "detection"
    has_nms = True

    def __init__(self, backbone: Backbone, options: RetinaNetOptions) -> None:
        super().__init__()
        self.options = options
        self.references = retinanet_references(backbone)
        sizes = octave_sizes(options.anchor_sizes, options.anchor_octaves)
        self.anchors = AnchorGrid(sizes, options.anchor_ratios)
        self.backbone = backbone
        channels = options.fpn_channels
        self.pyramid = make_pyramid(backbone, _MIN_STRIDE, channels, ConvTop(channels))
        check_anchors(self.anchors, self.pyramid)
        prior = -math.log((1 - options.prior) / options.prior)
        self.class_tower = self._tower(outputs=options.num_classes, bias=prior)
        self.box_tower = self._tower(outputs=4, bias=0.0)
        self.preprocessing = make_preprocessing(
            backbone, options.min_size, options.max_size, options.image_mean, options.image_std
        )
        self.thresholds = Thresholds(
            options.score_thresh, options.nms_thresh, options.detections_per_img
        )

    def _tower(self, outputs: int, bias: float) -> Tower:
        return Tower(
            channels=self.options.fpn_channels,
            convs=self.options.head_convs,
            anchors=self.anchors.per_cell,
            outputs=outputs,
            bias=bias,
            norm=self.options.head_norm,
        )

    def preprocess(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> Batch:
        """Resize, pad and normalize images; see `Preprocessing`."""
        return self.preprocessing(images, targets, like=self.class_tower.predict.weight)

    def forward(
        self,
        pixels: Tensor,
        sizes: Tensor,
        targets: Sequence[Target] | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> RetinaNetOutput:
        """Class logits and box offsets of all anchors; targets and generators change nothing."""
        maps = list(self.pyramid(self.backbone(pixels)).values())
        anchors = self.anchors(pixels, maps)
        return RetinaNetOutput(
            logits=self.class_tower(maps),
            deltas=self.box_tower(maps),
            anchors=torch.cat(anchors),
            levels=torch.tensor([len(level) for level in anchors], device=pixels.device),
        )

    def losses(self, output: RetinaNetOutput, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Focal loss of the classes, L1 of the offsets of positive anchors.

        Each image's sums are divided by its number of positive anchors, then averaged. Anchors
        between the thresholds and inside crowd regions are left out.
        """
        matches = torch.stack([self._match(output.anchors, target) for target in targets])  # (B, N)
        image, anchor = torch.nonzero(matches >= 0, as_tuple=True)  # (S,) positive anchors
        boxes, labels = matched_objects(targets, image, matches[image, anchor])
        weight = 1 / ((matches >= 0).sum(dim=1).clamp(min=1) * normalizer(len(targets)))  # (B,)

        classes = torch.zeros_like(output.logits)  # (B, N, K)
        classes[image, anchor, labels] = 1
        focal = sigmoid_focal_loss(output.logits, classes, reduction="none")
        counted = (matches != BETWEEN) * weight[:, None]  # (B, N)
        offsets = encode_boxes(boxes, output.anchors[anchor])  # (S, 4)
        error = l1_loss(output.deltas[image, anchor], offsets, reduction="none")
        return {
            "classification": (focal.sum(dim=2) * counted).sum(),
            "bbox_regression": (error.sum(dim=1) * weight[image]).sum(),
        }

    def _match(self, anchors: Tensor, target: Target) -> Tensor:
        high, low = self.options.fg_iou_thresh, self.options.bg_iou_thresh
        return assign(objects_of(target), anchors, high, low, allow_low_quality=True)

    def postprocess(
        self,
        output: RetinaNetOutput,
        batch: Batch,
        options: PostprocessOptions = DEFAULT_POSTPROCESS,
    ) -> list[Prediction]:
        """Detections in the frame of the original images, by falling score."""
        thresholds = self.thresholds.overridden(options)
        frames = zip(batch.sizes.tolist(), batch.originals.tolist(), strict=True)
        predictions = []
        for i, (size, original) in enumerate(frames):
            candidates = self.candidates(output, i, thresholds.score_thresh)
            detections = suppress(candidates, tuple(size), thresholds)
            objects = to_original(detections, tuple(size), tuple(original))
            predictions.append(Prediction(objects=objects))
        return predictions

    def candidates(self, output: RetinaNetOutput, image: int, score_thresh: float) -> Objects:
        """The best pairs of anchor and class of each level in an image, above the threshold."""
        levels = output.levels.tolist()
        parts = []
        for logits, deltas, anchors in zip(
            output.logits[image].split(levels),
            output.deltas[image].split(levels),
            output.anchors.split(levels),
            strict=True,
        ):
            # Comparing logits saves a sigmoid of everything for the few that pass.
            anchor, label = torch.nonzero(logits > _logit(score_thresh), as_tuple=True)
            scores = torch.sigmoid(logits[anchor, label].to(anchors.dtype))
            scores, best = scores.topk(min(self.options.topk_candidates, len(scores)))
            anchor, label = anchor[best], label[best]
            boxes = decode_boxes(deltas[anchor], anchors[anchor])
            parts.append(Objects(boxes=boxes, labels=label, scores=scores))
        return Objects.cat(parts)

    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        """(N,) for each box, the logit of its label at the anchor that overlaps it most."""
        batch = self.preprocess(images, targets)
        output = self(batch.pixels, batch.sizes)
        assert batch.targets is not None
        scores = []
        for logits, target in zip(output.logits, batch.targets, strict=True):
            objects = objects_of(target)
            nearest = box_iou(objects.boxes, output.anchors).argmax(dim=1)
            scores.append(logits[nearest, objects.labels])
        return torch.cat(scores)

    def explain_layers(self) -> dict[str, ExplainLayer]:
        """Backbone maps, then pyramid levels; see `pyramid_layers`."""
        return pyramid_layers(self.backbone, self.pyramid, self.pyramid.strides)

    def layer_groups(self) -> list[tuple[str, ...]]:
        """Those of the backbone."""
        return prefixed_groups("backbone.", self.backbone.layer_groups())

    def resizable_weights(self) -> Mapping[str, Callable[[Tensor, Tensor], Tensor | None]]:
        """Those of the backbone."""
        return prefixed("backbone.", self.backbone.resizable_weights())

    def export_graphs(self) -> list[ExportGraph]:
        """One graph: pixels to class logits and box offsets of all anchors."""

        def heads(pixels: Tensor) -> tuple[Tensor, ...]:
            maps = list(self.pyramid(self.backbone(pixels)).values())
            return self.class_tower(maps), self.box_tower(maps)

        dynamic = {0: ("batch", 1, 1), **free_size(self.preprocessing)}
        outputs = ("logits", "deltas")
        return [ExportGraph("model", heads, "pixels", outputs, lambda b: b.pixels, dynamic)]

    def export_rule(self) -> ExportRule:
        """Anchors and thresholds; the client decodes boxes and suppresses."""
        return {
            "preprocess": self.preprocessing.export_rule(),
            "postprocess": {
                "kind": "dense",
                "topk_candidates": self.options.topk_candidates,
                **self.thresholds._asdict(),
                **anchor_rule(self.anchors, self.pyramid),
            },
        }


def _logit(p: float) -> float:
    return -math.inf if p <= 0 else math.inf if p >= 1 else math.log(p / (1 - p))


def retinanet(options: RetinaNetOptions | None = None, /, **arguments: Any) -> RetinaNet:
    """RetinaNet (Lin et al. 2017) on any backbone of BACKBONES.

    Args:
        options: all arguments; by default `RetinaNetOptions()`.
        **arguments: fields of `RetinaNetOptions` by name, in place of those of `options`.

    Returns:
        The model with fresh weights.

    Raises:
        UsageError: an unknown backbone.
        ValueError: a value out of its range.
    """
    options = replace(options or RetinaNetOptions(), **arguments)
    backbone = make_backbone(options.backbone, width=options.backbone_width, norm=options.norm)
    return RetinaNet(backbone, options)


ENTRIES = {
    "retinanet": ModelEntry(
        retinanet,
        "detection",
        "Lin et al. 2017, arXiv 1708.02002",
        tiny={
            "backbone": "resnet10",
            "backbone_width": 8,
            "norm": "group",
            "num_classes": 3,
            "fpn_channels": 32,
            "head_convs": 1,
            "min_size": 96,
            "max_size": 160,
            "anchor_sizes": [12, 24, 48, 96, 192],
            "anchor_octaves": 2,
        },
        weights=(
            torchvision_detector(
                "retinanet_resnet50_fpn",
                "retinanet_resnet50_fpn_coco-eeacb38b.pth",
                {"AP": 36.4},
                coco_classes_with_background,
                fixed_arguments=(
                    *("backbone", "backbone_width", "fpn_channels", "head_convs", "head_norm"),
                    *("anchor_sizes", "anchor_octaves", "anchor_ratios"),
                ),
            ),
        ),
        options=RetinaNetOptions,
    ),
}
