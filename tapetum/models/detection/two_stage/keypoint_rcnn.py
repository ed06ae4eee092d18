"""Keypoint R-CNN: a detector that also says where the joints of a person are.

He et al. 2017, "Mask R-CNN" (arXiv 1703.06870), section 5, on Faster R-CNN with a feature pyramid.
A keypoint is a mask of one pixel: for each of them a convolutional branch makes a map of 56 x 56
over the region, and a softmax over all its cells learns the one where the keypoint is. The largest
value of the map, brought to the size of the box, is the answer.

Differs from torchvision as `faster_rcnn` does; the short side of an image is always the same.
Expected: box AP 54.6, keypoint AP 65.0 on COCO val2017 (persons), as torchvision reports for its
published ResNet-50 weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.base.ranks import normalizer
from tapetum.layers.roi_pool import MultiScaleRoIAlign
from tapetum.models.detection.assign import objects_of
from tapetum.models.detection.postprocessing import to_original
from tapetum.models.detection.two_stage import faster_rcnn as detector
from tapetum.models.detection.two_stage.heatmaps import keypoint_cells, read_heatmaps
from tapetum.models.detection.two_stage.roi_branch import BranchedRCNN, Output, RoIs
from tapetum.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from tapetum.ops.losses import cross_entropy
from tapetum.structures import Objects, Target
from tapetum.structures.renames import Renames

POOLED = 14
"""Side of the features that the branch sees; its maps are four times as fine."""


class KeypointHead(nn.Module):
    """Convolutions, a deconvolution to a map for each keypoint, and twice the resolution again."""

    def __init__(self, channels: int, width: int, convs: int, keypoints: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(width if i else channels, width, 3, padding=1) for i in range(convs)
        )
        self.up = nn.ConvTranspose2d(
            width if convs else channels, keypoints, 4, stride=2, padding=1
        )
        self.relu = nn.ReLU(inplace=True)
        for layer in (*self.convs, self.up):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, pooled: Tensor) -> Tensor:
        """Features (P, C, s, s) to logits (P, K, 4 s, 4 s)."""
        for conv in self.convs:
            pooled = self.relu(conv(pooled))
        return F.interpolate(
            self.up(pooled), scale_factor=2.0, mode="bilinear", align_corners=False
        )


class KeypointRCNN(BranchedRCNN):
    """Boxes with keypoints; see the module's docstring. Build one with `keypoint_rcnn`.

    The logits of its `Output` are maps, (P, K, S, S).
    """

    task = "keypoint_detection"

    def losses(self, output: Output, targets: Sequence[Target]) -> dict[str, Tensor]:
        """The detector's losses, and the cross entropy over the cells of the maps, mean over the
        keypoints that are marked and inside their region.

        Raises:
            ValueError: `output` comes from a forward without truth, or objects lack keypoints, or
                have another number of them.
        """
        losses = self.detector.losses(output.detection, targets)
        points = keypoint_targets(output.rois, targets, count=output.logits.shape[1])  # (P, K, 3)
        cell, valid = keypoint_cells(points, output.rois.boxes, output.logits.shape[-1])
        chosen = output.logits.flatten(2)[valid]  # (V, S * S)
        entropy = cross_entropy(chosen, cell[valid], reduction="sum")
        return losses | {"keypoints": entropy / normalizer(len(chosen))}

    def _read(
        self, logits: Tensor, found: Objects, size: tuple[int, int], original: tuple[int, int]
    ) -> Objects:
        points = read_heatmaps(logits, found.boxes)
        scale = points.new_tensor((original[1] / size[1], original[0] / size[0], 1))
        return to_original(found, size, original).with_(keypoints=points * scale)

    def _mean_logit(self, logits: Tensor, objects: Sequence[Objects]) -> tuple[Tensor, Tensor]:
        count, size = logits.shape[1], logits.shape[-1]
        points = torch.cat(
            [
                o.boxes.new_zeros(len(o), count, 3)
                if o.keypoints is None
                else keypoints_of(o, count)
                for o in objects
            ]
        )
        cell, valid = keypoint_cells(points, torch.cat([o.boxes for o in objects]), size)
        there = logits.flatten(2).gather(2, cell[..., None])[..., 0]  # (N, K)
        total = valid.sum(dim=1)
        return (there * valid).sum(dim=1) / total.clamp(min=1), total > 0


def keypoint_targets(rois: RoIs, targets: Sequence[Target], count: int) -> Tensor:
    """The keypoints (P, count, 3) that each region is to find.

    Raises:
        ValueError: an image has objects, and no keypoints of them, or not `count`.
    """
    assert rois.match is not None
    parts = [
        keypoints_of(objects_of(target), count)[rois.match[rois.image == i]]
        for i, target in enumerate(targets)
    ]
    return torch.cat(parts)


def keypoints_of(objects: Objects, count: int) -> Tensor:
    """The keypoints (N, count, 3) of true objects; ValueError if they have none, or not `count`."""
    points = objects.keypoints
    if points is None and not len(objects):
        return objects.boxes.new_zeros(0, count, 3)
    if points is None:
        raise ValueError(f"target: expected keypoints of its {len(objects)} objects, got None")
    if points.shape[1] != count:
        raise ValueError(f"target: expected {count} keypoints an object, got {points.shape[1]}")
    return points


def keypoint_rcnn(
    backbone: str = "resnet50",
    classes: int = 1,
    keypoints: int = 17,
    norm: str = "batch",
    backbone_width: int = 64,
    fpn_channels: int = 256,
    head_width: int = 1024,
    keypoint_width: int = 512,
    keypoint_convs: int = 8,
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
) -> KeypointRCNN:
    """Keypoint R-CNN on a ResNet pyramid p2 to p6.

    keypoints: of each object, whatever its class.
    keypoint_width, keypoint_convs: channels and number of convolutions of the keypoint branch.
    The others are those of `faster_rcnn`.
    """
    return KeypointRCNN(
        detector.faster_rcnn(
            backbone=backbone,
            classes=classes,
            norm=norm,
            backbone_width=backbone_width,
            fpn_channels=fpn_channels,
            head_width=head_width,
            anchor_sizes=anchor_sizes,
            anchor_ratios=anchor_ratios,
            min_size=min_size,
            max_size=max_size,
            image_mean=image_mean,
            image_std=image_std,
            proposals=proposals,
            training_proposals=training_proposals,
            proposal_nms_threshold=proposal_nms_threshold,
            sampled_anchors=sampled_anchors,
            sampled_regions=sampled_regions,
            score_threshold=score_threshold,
            nms_threshold=nms_threshold,
            max_detections=max_detections,
        ),
        pool=MultiScaleRoIAlign(POOLED),
        head=KeypointHead(
            channels=fpn_channels, width=keypoint_width, convs=keypoint_convs, keypoints=keypoints
        ),
    )


def _pairs(version: str) -> tuple[tuple[str, str], ...]:
    """Templates of a version of torchvision's files, whose head counts activations as well."""
    head = "roi_heads.keypoint_head."
    return (
        *detector.REFERENCE[version].inside("detector.", ""),
        *((f"head.convs.{i}.*", f"{head}{2 * i}.*") for i in range(8)),
        ("head.up.*", "roi_heads.keypoint_predictor.kps_score_lowres.*"),
    )


REFERENCE = {version: Renames(_pairs(version)) for version in detector.REFERENCE}
