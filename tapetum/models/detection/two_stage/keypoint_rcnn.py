"""Keypoint R-CNN: a detector that also predicts keypoints, the joints of a person for example.

He et al. 2017, "Mask R-CNN" (arXiv 1703.06870), section 5, on Faster R-CNN with a feature pyramid.
A keypoint is a mask of one pixel: for each of them a convolutional head makes a heatmap of 56 x 56
over the region, and a softmax over all its cells learns the one where the keypoint is. The largest
value of the heatmap, resized to the box, is the prediction.

Differs from torchvision as `faster_rcnn` does; the short side of an image is always the same.
Expected: box AP 54.6, keypoint AP 65.0 on COCO val2017 (persons), as torchvision reports for its
published ResNet-50 weights.
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
from tapetum.models.class_names import COCO_KEYPOINTS, COCO_SKELETON, coco_person
from tapetum.models.detection.assign import objects_of
from tapetum.models.detection.postprocessing import to_original
from tapetum.models.detection.two_stage.export import region_graph
from tapetum.models.detection.two_stage.faster_rcnn import FasterRCNN, FasterRCNNOutput
from tapetum.models.detection.two_stage.heatmaps import keypoint_cells, read_heatmaps
from tapetum.models.detection.two_stage.keypoint_targets import (
    keypoint_targets,
    mean_at_keypoints,
)
from tapetum.models.detection.two_stage.options import FIXED_ARGUMENTS, TINY, KeypointRCNNOptions
from tapetum.models.detection.two_stage.references import keypoint_references
from tapetum.models.detection.two_stage.roi_branch import RoIs, head_rois, rois_of, split_by_image
from tapetum.models.entry import ModelEntry
from tapetum.models.network import prefixed, prefixed_groups
from tapetum.models.torchvision_weights import torchvision_detector
from tapetum.ops.losses import cross_entropy
from tapetum.structures import (
    DEFAULT_POSTPROCESS,
    Batch,
    ExplainLayer,
    ExportGraph,
    ExportRule,
    Model,
    PostprocessOptions,
    Prediction,
    Target,
)

POOLED = 14
"""Side of the features that the head reads; its heatmaps are four times as fine."""


class KeypointHead(nn.Module):
    """Convolutions, a deconvolution to a map for each keypoint, and twice the resolution again.

    Args:
        channels: of the pooled features.
        width: channels of the convolutions.
        convs: number of convolutions.
        keypoints: of an object.
    """

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


class KeypointRCNNOutput(NamedTuple):
    """The output of the detector, and K heatmaps of S x S over each of P regions of all images."""

    detection: FasterRCNNOutput
    rois: RoIs
    logits: Tensor  # (P, K, S, S)
    maps: tuple[Tensor, ...] = ()  # of the pyramid, without targets


class KeypointRCNN(Model[KeypointRCNNOutput]):
    """Boxes with keypoints; see the module's docstring.

    Args:
        backbone: see `FasterRCNN`.
        options: see `FasterRCNN`.
    """

    task = "keypoint_detection"
    has_nms = True

    def __init__(self, backbone: Backbone, options: KeypointRCNNOptions) -> None:
        super().__init__()
        self.detector = FasterRCNN(backbone, options)
        self.keypoint_roi_pool = MultiScaleRoIAlign(
            POOLED, strides=self.detector.pyramid.map_strides
        )
        self.keypoint_head = KeypointHead(
            options.fpn_channels,
            options.keypoint_width,
            options.keypoint_convs,
            options.keypoints,
        )
        self.references = keypoint_references(self.detector.references)

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
    ) -> KeypointRCNNOutput:
        """Detections and their heatmaps.

        With targets: the heatmaps of the regions that are objects, among those that
        `FasterRCNN.forward` draws.
        """
        maps = self.detector.maps(pixels)
        detection = self.detector.detect(maps, pixels, sizes, targets, generators)
        rois = head_rois(self.detector, detection, sizes, targets)
        kept = tuple(maps) if targets is None else ()
        return KeypointRCNNOutput(detection, rois, self.keypoint_logits(maps, rois), kept)

    def keypoint_logits(self, maps: Sequence[Tensor], rois: RoIs) -> Tensor:
        """(P, K, S, S) the heatmaps of each region."""
        pooled = self.detector.pool(self.keypoint_roi_pool, maps, rois.boxes, rois.image)
        logits: Tensor = self.keypoint_head(pooled)
        return logits

    def losses(self, output: KeypointRCNNOutput, targets: Sequence[Target]) -> dict[str, Tensor]:
        """The detector's losses, and the cross entropy over the cells of the heatmaps.

        It is the mean over the keypoints that are annotated and inside their region.

        Raises:
            ValueError: `output` comes from a forward without targets, or objects lack keypoints, or
                have another number of them.
        """
        losses = self.detector.losses(output.detection, targets)
        points = keypoint_targets(output.rois, targets, count=output.logits.shape[1])  # (P, K, 3)
        cell, valid = keypoint_cells(points, output.rois.boxes, output.logits.shape[-1])
        chosen = output.logits.flatten(2)[valid]  # (V, S * S)
        entropy = cross_entropy(chosen, cell[valid], reduction="sum")
        return losses | {"loss_keypoint": entropy / normalizer(len(chosen))}

    def postprocess(
        self,
        output: KeypointRCNNOutput,
        batch: Batch,
        options: PostprocessOptions = DEFAULT_POSTPROCESS,
    ) -> list[Prediction]:
        """Detections with keypoints in the frame of the original images, by falling score.

        Raises:
            ValueError: `output` comes from a forward with targets, which detects nothing.
        """
        parts = split_by_image(*self._detected(output, batch, options), len(batch.sizes))
        frames = zip(parts, batch.sizes.tolist(), batch.originals.tolist(), strict=True)
        predictions = []
        for (detections, logits), size, original in frames:
            points = read_heatmaps(logits, detections.boxes)
            scale = points.new_tensor((original[1] / size[1], original[0] / size[0], 1))
            objects = to_original(detections, tuple(size), tuple(original))
            predictions.append(Prediction(objects=objects.with_(keypoints=points * scale)))
        return predictions

    def _detected(
        self, output: KeypointRCNNOutput, batch: Batch, options: PostprocessOptions
    ) -> tuple[RoIs, Tensor]:
        """The detections and their heatmaps; other options find others than forward did."""
        if options == DEFAULT_POSTPROCESS or output.rois.scores is None:
            return output.rois, output.logits
        rois = rois_of(self.detector.detections(output.detection, batch.sizes, options))
        dtype = self.keypoint_head.up.weight.dtype  # maps may come from autocast
        return rois, self.keypoint_logits([x.to(dtype) for x in output.maps], rois)

    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        """(N,) for each object, its box taken as the only region: the mean logit at its keypoints,
        and where it has none the logit of its label."""
        batch = self.preprocess(images, targets)
        assert batch.targets is not None
        objects = [objects_of(target) for target in batch.targets]
        maps = self.detector.maps(batch.pixels)
        of_label = self.detector.label_logits(maps, objects)  # (N,)
        mean, marked = mean_at_keypoints(self.keypoint_logits(maps, rois_of(objects)), objects)
        return torch.where(marked, mean.to(of_label.dtype), of_label)

    def explain_layers(self) -> dict[str, ExplainLayer]:
        """Those of the detector: the keypoint head reads the same maps."""
        return self.detector.explain_layers()

    def layer_groups(self) -> list[tuple[str, ...]]:
        """Those of the detector."""
        return prefixed_groups("detector.", self.detector.layer_groups())

    def resizable_weights(self) -> Mapping[str, Callable[[Tensor, Tensor], Tensor | None]]:
        """Those of the detector."""
        return prefixed("detector.", self.detector.resizable_weights())

    def export_graphs(self) -> list[ExportGraph]:
        """The detector's graphs, and features of regions to the logits of the keypoint head."""

        def head(pooled: Tensor) -> tuple[Tensor, ...]:
            return (self.keypoint_head(pooled),)

        graph = region_graph(self.detector, "branch", self.keypoint_roi_pool, head, ("logits",))
        return [*self.detector.export_graphs(), graph]

    def export_rule(self) -> ExportRule:
        """The detector's, and how the keypoint head reads regions."""
        rule = self.detector.export_rule()
        more = {
            "kind": "keypoints",
            "branch_output_size": POOLED,
            "keypoints": self.keypoint_head.up.out_channels,
        }
        return {**rule, "postprocess": {**rule["postprocess"], **more}}


def keypoint_rcnn(options: KeypointRCNNOptions | None = None, /, **arguments: Any) -> KeypointRCNN:
    """Keypoint R-CNN (He et al. 2017, section 5) on any backbone of BACKBONES.

    Args:
        options: all arguments; by default `KeypointRCNNOptions()`.
        **arguments: fields of `KeypointRCNNOptions` by name, in place of those of `options`.

    Returns:
        The model with fresh weights.

    Raises:
        UsageError: an unknown backbone.
        ValueError: a value out of its range.
    """
    options = replace(options or KeypointRCNNOptions(), **arguments)
    backbone = make_backbone(options.backbone, width=options.backbone_width, norm=options.norm)
    return KeypointRCNN(backbone, options)


ENTRIES = {
    "keypoint_rcnn": ModelEntry(
        keypoint_rcnn,
        "keypoint_detection",
        "He et al. 2017, arXiv 1703.06870",
        tiny={
            **TINY,
            "num_classes": 1,
            "keypoints": 3,
            "keypoint_width": 16,
            "keypoint_convs": 1,
        },
        weights=(
            torchvision_detector(
                "keypointrcnn_resnet50_fpn",
                "keypointrcnn_resnet50_fpn_coco-fc266e95.pth",
                {"box AP": 54.6, "keypoint AP": 65.0},
                coco_person,
                fixed_arguments=(*FIXED_ARGUMENTS, "keypoint_width", "keypoint_convs"),
                keypoint_names=COCO_KEYPOINTS,
                skeleton=COCO_SKELETON,
            ),
        ),
        options=KeypointRCNNOptions,
        starts_task=True,
    ),
}
