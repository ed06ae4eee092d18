"""model.json: everything about a model that is no weight, so that its answers can be read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from torch import nn

from tapetum.layers.anchors import AnchorGrid, cell_anchors
from tapetum.layers.pyramid import FeaturePyramid
from tapetum.models.checkpoint import Card
from tapetum.models.classification.classifier import SURE, Classifier
from tapetum.models.classification.preparing import SquarePreparation
from tapetum.models.detection.faster_rcnn import FasterRCNN
from tapetum.models.detection.regions import BOX_WEIGHTS
from tapetum.models.detection.retinanet import RetinaNet
from tapetum.models.detection.rpn import SMALLEST as SMALLEST_PROPOSAL
from tapetum.models.instances.branch import BranchedRCNN
from tapetum.models.instances.keypoint_rcnn import KeypointRCNN
from tapetum.models.localization.localizer import SMALLEST, Localizer
from tapetum.models.pictures import Preparation
from tapetum.models.segmentation.unet import UNet

SCHEMA = "tapetum.onnx/1"


def describe_model(model: nn.Module, card: Card, thresholds: Sequence[float]) -> dict[str, Any]:
    """JSON values: task, names, how pictures are prepared and how answers are read. thresholds: by
    class, the score from which an object counts."""
    own = model.detector if isinstance(model, BranchedRCNN) else model
    return {
        "schema": SCHEMA,
        "task": str(model.task),
        "model": card.model,
        "classes": list(card.classes),
        "class_ids": list(card.class_ids),
        "keypoint_names": list(card.keypoint_names),
        "skeleton": [list(pair) for pair in card.skeleton],
        "facts": card.facts,
        "thresholds": list(thresholds),
        "prepare": prepare_rule(own.preparation),
        "decode": decode_rule(model, card),
    }


def prepare_rule(preparation: object) -> dict[str, Any]:
    """How pictures become pixels."""
    assert isinstance(preparation, SquarePreparation | Preparation)
    values = {"mean": list(preparation.mean), "std": list(preparation.std)}
    if isinstance(preparation, SquarePreparation):
        shape: dict[str, Any] = {"kind": "square", "size": preparation.size, "multiple": 1}
        if preparation.crops:
            shape |= {"kind": "center", "resize_size": preparation.short_side}
        return {**shape, "antialias": preparation.antialias, **values}
    least, most = (
        None if side == sys.maxsize else side
        for side in (preparation.min_size, preparation.max_size)
    )
    sides = {"kind": "sides", "min_size": least, "max_size": most}
    return {**sides, "multiple": preparation.multiple, "antialias": False, **values}


def decode_rule(model: nn.Module, card: Card) -> dict[str, Any]:
    """How outputs become answers; "kind" names the part of the client that does it."""
    if isinstance(model, Classifier):
        return {"kind": "labels", "multilabel": model.multilabel, "sure": SURE}
    if isinstance(model, Localizer):
        slots = {"objects": model.objects, "boxes_a_slot": model.boxes_a_slot}
        return {"kind": "slots", **slots, "smallest": SMALLEST}
    if isinstance(model, UNet):
        tiles = {"tile": model.tile, "overlap": model.overlap}
        return {"kind": "maps", **tiles, "multiple": model.preparation.multiple}
    if isinstance(model, RetinaNet):
        own = {"candidates": model.candidates, **_thresholds(model)}
        return {"kind": "dense", **own, **_anchors(model.anchors, model.pyramid, model.backbone)}
    if isinstance(model, BranchedRCNN):
        posed = isinstance(model, KeypointRCNN)
        extra = {"keypoints": len(card.keypoint_names)} if posed else {}
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
        "pooled": model.region_pool.size,
        "samples": model.region_pool.samples,
        "finest": model.region_pool.finest,
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
