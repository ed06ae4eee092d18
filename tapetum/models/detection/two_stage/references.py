"""The names that torchvision's files have for the weights of its two-stage detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tapetum.backbones.backbone import Backbone
from tapetum.structures.renames import Renames

_MASK_CONVS = {
    "torchvision": [f"{i}.0" for i in range(4)],
    "torchvision-published": [f"mask_fcn{i + 1}" for i in range(4)],
}
"""How versions of the files name the convolutions of the mask head."""
_KEYPOINTS = (
    # Torchvision counts the activations between the convolutions.
    *((f"keypoint_head.convs.{i}.*", f"roi_heads.keypoint_head.{2 * i}.*") for i in range(8)),
    ("keypoint_head.up.*", "roi_heads.keypoint_predictor.kps_score_lowres.*"),
)


def detector_references(backbone: Backbone) -> dict[str, Renames]:
    """Names of Faster R-CNN on a backbone; none where torchvision does not have the backbone.

    Args:
        backbone: with its references.

    Returns:
        Renames by the name of the reference.
    """
    if "torchvision" not in backbone.references:
        return {}
    renames = backbone.references["torchvision"].inside("backbone.", "backbone.body.")
    return {
        "torchvision": Renames((*renames, *_detector("0."))),
        # Published files are older than the blocks that torchvision builds with today.
        "torchvision-published": Renames((*renames, *_detector(""))),
    }


def mask_references(detector: Mapping[str, Renames]) -> dict[str, Renames]:
    """Names of Mask R-CNN, given those of its detector.

    Args:
        detector: renames by the name of the reference.

    Returns:
        The same for the whole model.
    """
    return {
        version: Renames((*renames.inside("detector.", ""), *_masks(_MASK_CONVS[version])))
        for version, renames in detector.items()
    }


def keypoint_references(detector: Mapping[str, Renames]) -> dict[str, Renames]:
    """Names of Keypoint R-CNN, given those of its detector.

    Args:
        detector: renames by the name of the reference.

    Returns:
        The same for the whole model.
    """
    return {
        version: Renames((*renames.inside("detector.", ""), *_KEYPOINTS))
        for version, renames in detector.items()
    }


def _detector(conv: str) -> tuple[tuple[str, str], ...]:
    """Templates of a file in which `conv` names a convolution inside its block."""
    return (
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


def _masks(convs: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Templates of a file that names the convolutions of the mask head so."""
    head = "roi_heads.mask_head."
    return (
        *((f"mask_head.convs.{i}.*", f"{head}{name}.*") for i, name in enumerate(convs)),
        ("mask_head.up.*", "roi_heads.mask_predictor.conv5_mask.*"),
        ("mask_head.predict.*", "roi_heads.mask_predictor.mask_fcn_logits.*"),
    )
