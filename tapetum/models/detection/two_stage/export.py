"""Export of the two-stage detectors: their graphs, and what a client needs to know of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor

from tapetum.layers.roi_pool import MultiScaleRoIAlign
from tapetum.models.detection.pyramid import anchor_rule, free_size
from tapetum.models.detection.two_stage.roi_heads import BOX_WEIGHTS
from tapetum.models.detection.two_stage.rpn import MIN_SIZE
from tapetum.structures import Batch, ExportGraph, ExportRule

if TYPE_CHECKING:
    from tapetum.models.detection.two_stage.faster_rcnn import FasterRCNN


def proposal_graph(detector: FasterRCNN) -> ExportGraph:
    """Pixels to the outputs of the proposal network, and the maps that regions are read from.

    Args:
        detector: with its proposal network.

    Returns:
        The graph.
    """
    count = len(detector.pyramid.map_strides)

    def proposals(pixels: Tensor) -> tuple[Tensor, ...]:
        maps = detector.maps(pixels)
        return (*detector.rpn_head(maps), *maps[:count])

    outputs = ("objectness", "deltas", *list(detector.pyramid.strides)[:count])
    sides = free_size(detector.preprocessing)
    return ExportGraph("model", proposals, "pixels", outputs, lambda b: b.pixels, sides)


def region_graph(
    detector: FasterRCNN,
    name: str,
    layer: MultiScaleRoIAlign,
    head: Callable[[Tensor], tuple[Tensor, ...]],
    outputs: tuple[str, ...],
) -> ExportGraph:
    """Features of regions, as `layer` pools them, to the outputs of a head.

    Args:
        detector: whose maps are pooled.
        name: of the graph.
        layer: pools the features of regions.
        head: features (P, C, S, S) to the outputs.
        outputs: their names.

    Returns:
        The graph.
    """

    def feed(batch: Batch) -> Tensor:
        maps = detector.maps(batch.pixels)
        output = detector.detect(maps, batch.pixels, batch.sizes, None, None)
        return detector.pool(layer, maps, output.rois, output.image)

    return ExportGraph(name, head, "pooled", outputs, feed, {0: ("regions", 1, 1)})


def detector_rule(detector: FasterRCNN) -> ExportRule:
    """Anchors, limits and thresholds; the client proposes, pools, decodes and suppresses.

    Args:
        detector: with preprocessing, anchors and thresholds.

    Returns:
        JSON values.
    """
    options = detector.options
    return {
        "preprocess": detector.preprocessing.export_rule(),
        "postprocess": {
            "kind": "stages",
            "rpn_pre_nms_top_n": options.rpn_pre_nms_top_n_test,
            "rpn_post_nms_top_n": options.rpn_post_nms_top_n_test,
            "rpn_nms_thresh": options.rpn_nms_thresh,
            "rpn_min_size": MIN_SIZE,
            "output_size": detector.box_roi_pool.output_size,
            "sampling_ratio": detector.box_roi_pool.sampling_ratio,
            "map_strides": list(detector.pyramid.map_strides),
            "box_weights": list(BOX_WEIGHTS),
            **detector.thresholds._asdict(),
            **anchor_rule(detector.anchors, detector.pyramid),
        },
    }
