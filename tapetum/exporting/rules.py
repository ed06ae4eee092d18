"""model.json: everything about a model that is no weight, so that its answers can be read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from torch import nn

from tapetum.layers.anchors import AnchorGrid, cell_anchors
from tapetum.layers.pyramid import FeaturePyramid
from tapetum.models.classification.preprocessing import SquarePreprocessing
from tapetum.models.detection.one_stage.retinanet import RetinaNet
from tapetum.models.detection.two_stage.faster_rcnn import FasterRCNN
from tapetum.models.detection.two_stage.keypoint_rcnn import KeypointRCNN
from tapetum.models.detection.two_stage.roi_branch import BranchedRCNN
from tapetum.models.detection.two_stage.roi_heads import BOX_WEIGHTS
from tapetum.models.detection.two_stage.rpn import SMALLEST as SMALLEST_PROPOSAL
from tapetum.models.preprocessing import Preprocessing
from tapetum.runs.model_info import ModelInfo
from tapetum.structures import Model

SCHEMA = "tapetum.onnx/1"


def describe_model(
    model: nn.Module, model_info: ModelInfo, thresholds: Sequence[float]
) -> dict[str, Any]:
    """JSON values: task, names, how images are prepared and how answers are read. thresholds: by
    class, the score from which an object counts."""
    return {
        "schema": SCHEMA,
        "task": str(model.task),
        "model": model_info.model,
        "classes": list(model_info.classes),
        "class_ids": list(model_info.class_ids),
        "keypoint_names": list(model_info.keypoint_names),
        "skeleton": [list(pair) for pair in model_info.skeleton],
        "facts": model_info.facts,
        "thresholds": list(thresholds),
        **_rules(model, model_info),
    }


def _rules(model: nn.Module, model_info: ModelInfo) -> dict[str, Any]:
    rule = model.export_rule() if isinstance(model, Model) else None
    if rule is not None:
        return {"prepare": rule["preprocess"], "decode": rule["postprocess"]}
    own = model.detector if isinstance(model, BranchedRCNN) else model
    return {
        "prepare": prepare_rule(own.preprocessing),
        "decode": decode_rule(model, model_info),
    }


def prepare_rule(preprocessing: object) -> dict[str, Any]:
    """How images become pixels."""
    assert isinstance(preprocessing, SquarePreprocessing | Preprocessing)
    values = {"mean": list(preprocessing.mean), "std": list(preprocessing.std)}
    if isinstance(preprocessing, SquarePreprocessing):
        shape: dict[str, Any] = {"kind": "square", "size": preprocessing.size, "multiple": 1}
        if preprocessing.crops:
            shape |= {"kind": "center", "resize_size": preprocessing.short_side}
        return {**shape, "antialias": preprocessing.antialias, **values}
    least, most = (
        None if side == sys.maxsize else side
        for side in (preprocessing.min_size, preprocessing.max_size)
    )
    sides = {"kind": "sides", "min_size": least, "max_size": most}
    return {**sides, "multiple": preprocessing.multiple, "antialias": False, **values}


def decode_rule(model: nn.Module, model_info: ModelInfo) -> dict[str, Any]:
    """How outputs become answers; "kind" names the part of the client that does it."""
    if isinstance(model, RetinaNet):
        own = {"candidates": model.candidates, **_thresholds(model)}
        return {"kind": "dense", **own, **_anchors(model.anchors, model.pyramid, model.backbone)}
    if isinstance(model, BranchedRCNN):
        posed = isinstance(model, KeypointRCNN)
        extra = {"keypoints": len(model_info.keypoint_names)} if posed else {}
        kind = {"kind": "keypoints" if posed else "masks", "branch_pooled": model.pool.size}
        return {**_two_stages(model.detector), **kind, **extra}
    assert isinstance(model, FasterRCNN)
    return _two_stages(model)


def _two_stages(model: FasterRCNN) -> dict[str, Any]:
    return {
        "kind": "stages",
        "proposals": model.proposals,
        "proposal_nms_iou": model.proposal_nms_threshold,
        "smallest_proposal": SMALLEST_PROPOSAL,
        "pooled": model.box_roi_pool.size,
        "samples": model.box_roi_pool.samples,
        "finest": model.box_roi_pool.finest,
        "box_weights": list(BOX_WEIGHTS),
        **_thresholds(model),
        **_anchors(model.anchors, model.pyramid, model.backbone),
    }


def _thresholds(model: RetinaNet | FasterRCNN) -> dict[str, Any]:
    return {
        "score_threshold": model.score_threshold,
        "nms_iou": model.nms_threshold,
        "max_detections": model.max_detections,
    }


def _anchors(grid: AnchorGrid, pyramid: FeaturePyramid, backbone: nn.Module) -> dict[str, Any]:
    """Anchors round the origin of a cell, x1 y1 x2 y2, and pixels between cells, of each level."""
    cells = [cell_anchors(sizes, grid.ratios).tolist() for sizes in grid.sizes]
    known: dict[str, int] = backbone.strides  # type: ignore[assignment]
    finest = known[pyramid.names[0]]
    return {"cell_anchors": cells, "strides": [finest * 2**i for i in range(len(cells))]}
