"""RetinaNet: every anchor of every level is classified at once, and easy ones hardly count.

Lin et al. 2017, "Focal Loss for Dense Object Detection" (arXiv 1708.02002). A feature pyramid, two
small towers of convolutions shared by all levels, and nine anchors a cell: one tower says how much
each anchor looks like each class, the other how to move it. Nearly all anchors are background, so
the focal loss scales each one's cross entropy down by how well it is classified already.

Differs from the paper as torchvision does, whose numbers it gives: p6 and p7 are made from p5, box
offsets learn by L1, each image's losses are divided by its own positive anchors. Differs from
torchvision in two small ways: boxes that clipping to the image leaves thinner than 0.01 pixels
are dropped, and anchors inside crowd regions are ignored.
Expected: AP 36.4 on COCO val2017, as torchvision reports for its published ResNet-50 weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tapetum.backbones import make_backbone, resnet
from tapetum.base.ranks import normalizer
from tapetum.layers.anchors import AnchorGrid, octave_sizes
from tapetum.layers.conv import init_small
from tapetum.layers.norm import make_norm
from tapetum.layers.pyramid import ConvTop, FeaturePyramid
from tapetum.models.detection.assign import assign, matched_objects, objects_of
from tapetum.models.detection.postprocessing import as_prediction
from tapetum.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from tapetum.ops.boxes import box_iou, decode_boxes, encode_boxes
from tapetum.ops.losses import l1_loss, sigmoid_focal_loss
from tapetum.ops.matching import BETWEEN
from tapetum.structures import Batch, Objects, Prediction, Target
from tapetum.structures.renames import Renames


class Output(NamedTuple):
    """B images, N anchors, K classes, L levels."""

    logits: Tensor  # (B, N, K)
    deltas: Tensor  # (B, N, 4), how to move each anchor
    anchors: Tensor  # (N, 4) xyxy in pixels of the prepared image
    levels: Tensor  # (L,) int64, anchors in each level; they add up to N


class Tower(nn.Module):
    """3 x 3 convolutions shared by all levels, then `outputs` numbers for each anchor of a cell.

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


class RetinaNet(nn.Module):
    """The dense detector; see the module's docstring. Build one with `retinanet`."""

    task = "detection"
    differentiable = True

    def __init__(
        self,
        backbone: nn.Module,
        pyramid: FeaturePyramid,
        anchors: AnchorGrid,
        class_tower: Tower,
        box_tower: Tower,
        preprocessing: Preprocessing,
        *,
        score_threshold: float,
        nms_threshold: float,
        candidates: int,
        max_detections: int,
        high: float = 0.5,
        low: float = 0.4,
    ) -> None:
        """high, low: IoU from which an anchor learns an object, and below which background."""
        super().__init__()
        self.backbone = backbone
        self.pyramid = pyramid
        self.anchors = anchors
        self.class_tower = class_tower
        self.box_tower = box_tower
        self.preprocessing = preprocessing
        self.score_threshold = score_threshold
        self.nms_threshold = nms_threshold
        self.candidates = candidates
        self.max_detections = max_detections
        self.high = high
        self.low = low

    def preprocess(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> Batch:
        """Images (3, H, W), uint8 or float in [0, 1], to a batch; see `Preprocessing`."""
        return self.preprocessing(images, targets, like=self.class_tower.predict.weight)

    def forward(
        self,
        pixels: Tensor,
        sizes: Tensor,
        targets: Sequence[Target] | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> Output:
        """Class logits and box offsets of all anchors; neither truth nor chance plays a part."""
        maps = list(self.pyramid(self.backbone(pixels)).values())
        anchors = self.anchors(pixels, maps)
        return Output(
            logits=self.class_tower(maps),
            deltas=self.box_tower(maps),
            anchors=torch.cat(anchors),
            levels=torch.tensor([len(level) for level in anchors], device=pixels.device),
        )

    def losses(self, output: Output, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Focal loss of the classes, L1 of the offsets of positive anchors.

        Each image's sums are divided by its number of positive anchors, then averaged. Anchors
        between the thresholds and inside crowd regions take no part.
        """
        matches = torch.stack(
            [
                assign(
                    objects_of(target), output.anchors, self.high, self.low, allow_low_quality=True
                )
                for target in targets
            ]
        )  # (B, N)
        image, anchor = torch.nonzero(matches >= 0, as_tuple=True)  # (S,) positive anchors
        boxes, labels = matched_objects(targets, image, matches[image, anchor])
        share = 1 / ((matches >= 0).sum(dim=1).clamp(min=1) * normalizer(len(targets)))  # (B,)

        wanted = torch.zeros_like(output.logits)  # (B, N, K)
        wanted[image, anchor, labels] = 1
        focal = sigmoid_focal_loss(output.logits, wanted, reduction="none")
        counted = (matches != BETWEEN) * share[:, None]  # (B, N)
        offsets = encode_boxes(boxes, output.anchors[anchor])  # (S, 4)
        error = l1_loss(output.deltas[image, anchor], offsets, reduction="none")
        return {
            "classification": (focal.sum(dim=2) * counted).sum(),
            "boxes": (error.sum(dim=1) * share[image]).sum(),
        }

    def postprocess(self, output: Output, batch: Batch) -> list[Prediction]:
        """Detections in the frame of the original images, by falling score."""
        sizes, originals = batch.sizes.tolist(), batch.originals.tolist()
        return [
            as_prediction(
                self._candidates(output, i),
                size=tuple(sizes[i]),
                original=tuple(originals[i]),
                nms_threshold=self.nms_threshold,
                max_detections=self.max_detections,
            )
            for i in range(len(sizes))
        ]

    def _candidates(self, output: Output, image: int) -> Objects:
        """The best `candidates` pairs of anchor and class of each level, above the threshold."""
        levels = output.levels.tolist()
        parts = []
        for logits, deltas, anchors in zip(
            output.logits[image].split(levels),
            output.deltas[image].split(levels),
            output.anchors.split(levels),
            strict=True,
        ):
            # Comparing logits saves a sigmoid of everything for the few that pass.
            anchor, label = torch.nonzero(logits > self._logit_threshold, as_tuple=True)
            scores = torch.sigmoid(logits[anchor, label].to(anchors.dtype))
            scores, best = scores.topk(min(self.candidates, len(scores)))
            anchor, label = anchor[best], label[best]
            boxes = decode_boxes(deltas[anchor], anchors[anchor])
            parts.append(Objects(boxes=boxes, labels=label, scores=scores))
        return Objects.cat(parts)

    @property
    def _logit_threshold(self) -> float:
        p = self.score_threshold
        return -math.inf if p <= 0 else math.inf if p >= 1 else math.log(p / (1 - p))

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

    def explain_layers(self) -> dict[str, tuple[nn.Module, Callable[[Any], Tensor]]]:
        """Backbone maps, then pyramid levels. c3 is first: fine enough to tell small objects apart,
        and all scores depend on it, since coarser maps are made of it; a pyramid level serves some
        of the anchors only."""
        backbone, pyramid = ("c3", "c4", "c5"), ("p3", "p4", "p5", "p6", "p7")
        layers: dict[str, tuple[nn.Module, Callable[[Any], Tensor]]] = {
            name: (self.backbone, itemgetter(name)) for name in backbone
        }
        return layers | {name: (self.pyramid, itemgetter(name)) for name in pyramid}


def retinanet(
    backbone: str = "resnet50",
    classes: int = 91,
    norm: str = "batch",
    backbone_width: int = 64,
    fpn_channels: int = 256,
    head_convs: int = 4,
    head_norm: str = "none",
    anchor_sizes: Sequence[int] = (32, 64, 128, 256, 512),
    anchor_octaves: int = 3,
    anchor_ratios: Sequence[float] = (0.5, 1.0, 2.0),
    min_size: int = 800,
    max_size: int = 1333,
    image_mean: Sequence[float] = IMAGENET_MEAN,
    image_std: Sequence[float] = IMAGENET_STD,
    score_threshold: float = 0.05,
    nms_threshold: float = 0.5,
    candidates: int = 1000,
    max_detections: int = 300,
    prior: float = 0.01,
) -> RetinaNet:
    """RetinaNet on a ResNet pyramid p3 to p7 (strides 8 to 128).

    backbone, backbone_width, norm: a name in BACKBONES, channels of its stem, kind of norm in it.
    head_convs, head_norm: convolutions of each tower, and "none" or "group" after each of them.
    anchor_sizes: side in pixels of the smallest square anchor of each level, p3 to p7;
        `anchor_octaves` sizes lie evenly (in log scale) between it and twice it.
    anchor_ratios: height / width.
    min_size, max_size, image_mean, image_std: see `Preprocessing`.
    candidates: best-scored boxes of each level that go into the suppression.
    prior: score of every class at every anchor before learning.
    """
    sizes = octave_sizes(anchor_sizes, anchor_octaves)
    anchors = AnchorGrid(sizes=sizes, ratios=anchor_ratios)
    body = make_backbone(backbone, width=backbone_width, norm=norm)
    used = {name: body.channels[name] for name in ("c3", "c4", "c5")}
    return RetinaNet(
        backbone=body,
        pyramid=FeaturePyramid(used, fpn_channels, top=ConvTop(fpn_channels)),
        anchors=anchors,
        class_tower=Tower(
            channels=fpn_channels,
            convs=head_convs,
            anchors=anchors.per_cell,
            outputs=classes,
            bias=-math.log((1 - prior) / prior),
            norm=head_norm,
        ),
        box_tower=Tower(
            channels=fpn_channels,
            convs=head_convs,
            anchors=anchors.per_cell,
            outputs=4,
            bias=0.0,
            norm=head_norm,
        ),
        preprocessing=Preprocessing(
            min_size=min_size,
            max_size=max_size,
            mean=tuple(image_mean),
            std=tuple(image_std),
        ),
        score_threshold=score_threshold,
        nms_threshold=nms_threshold,
        candidates=candidates,
        max_detections=max_detections,
    )


def _pairs(conv: Callable[[int], str], fpn: str) -> tuple[tuple[str, str], ...]:
    """Templates of a torchvision file whose towers and pyramid name their convolutions so."""
    classes, boxes = "head.classification_head.", "head.regression_head."
    towers = tuple(
        (f"{ours}.convs.{i}.*", f"{theirs}conv.{conv(i)}.*")
        for ours, theirs in (("class_tower", classes), ("box_tower", boxes))
        for i in range(4)
    )
    return (
        *resnet.REFERENCE["torchvision"].inside("backbone.", "backbone.body."),
        ("pyramid.lateral.#.*", f"backbone.fpn.inner_blocks.#.{fpn}*"),
        ("pyramid.output.#.*", f"backbone.fpn.layer_blocks.#.{fpn}*"),
        ("pyramid.top.p#.*", "backbone.fpn.extra_blocks.p#.*"),
        *towers,
        ("class_tower.predict.*", f"{classes}cls_logits.*"),
        ("box_tower.predict.*", f"{boxes}bbox_reg.*"),
    )


REFERENCE = {
    "torchvision": Renames(_pairs(lambda i: f"{i}.0", fpn="0.")),
    # Published files are older than the blocks that torchvision builds with today: convolutions
    # of the towers count the activations between them.
    "torchvision-published": Renames(_pairs(lambda i: str(2 * i), fpn="")),
}
