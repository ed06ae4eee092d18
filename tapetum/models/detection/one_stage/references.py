"""The names that torchvision's files have for the weights of RetinaNet."""

from __future__ import annotations

from collections.abc import Callable

from tapetum.backbones.backbone import Backbone
from tapetum.structures.renames import Renames


def retinanet_references(backbone: Backbone) -> dict[str, Renames]:
    """Names of RetinaNet on a backbone; none where torchvision does not have the backbone.

    Args:
        backbone: with its references.

    Returns:
        Renames by the name of the reference.
    """
    if "torchvision" not in backbone.references:
        return {}
    renames = backbone.references["torchvision"].inside("backbone.", "backbone.body.")
    return {
        "torchvision": Renames((*renames, *_pairs(lambda i: f"{i}.0", fpn="0."))),
        # Published files are older than the blocks that torchvision builds with today:
        # convolutions of the towers count the activations between them.
        "torchvision-published": Renames((*renames, *_pairs(lambda i: str(2 * i), fpn=""))),
    }


def _pairs(conv: Callable[[int], str], fpn: str) -> tuple[tuple[str, str], ...]:
    """Templates of a torchvision file whose towers and pyramid name their convolutions so."""
    classes, boxes = "head.classification_head.", "head.regression_head."
    towers = tuple(
        (f"{ours}.convs.{i}.*", f"{theirs}conv.{conv(i)}.*")
        for ours, theirs in (("class_tower", classes), ("box_tower", boxes))
        for i in range(4)
    )
    return (
        ("pyramid.lateral.#.*", f"backbone.fpn.inner_blocks.#.{fpn}*"),
        ("pyramid.output.#.*", f"backbone.fpn.layer_blocks.#.{fpn}*"),
        ("pyramid.top.p#.*", "backbone.fpn.extra_blocks.p#.*"),
        *towers,
        ("class_tower.predict.*", f"{classes}cls_logits.*"),
        ("box_tower.predict.*", f"{boxes}bbox_reg.*"),
    )
