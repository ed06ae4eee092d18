"""What detectors on a feature pyramid share: its maps, layers to explain, parts of the export."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from tapetum.backbones.backbone import Backbone
from tapetum.layers.anchors import AnchorGrid, cell_anchors
from tapetum.layers.pyramid import ConvTop, FeaturePyramid, PoolTop
from tapetum.models.preprocessing import Preprocessing
from tapetum.structures import ExplainLayer

BEST_STRIDE = 8
"""Maps of this stride are fine enough to tell small objects apart, and all scores depend on them,
since the coarser maps are made of them; a pyramid level serves some of the boxes only."""


def make_pyramid(
    backbone: Backbone, min_stride: int, channels: int, top: ConvTop | PoolTop
) -> FeaturePyramid:
    """A feature pyramid on the maps of a backbone.

    Args:
        backbone: any.
        min_stride: finer maps are not used.
        channels: of the pyramid maps.
        top: makes the coarser levels.

    Returns:
        The pyramid, with fresh weights.

    Raises:
        ValueError: the backbone has no map of that stride or coarser.
    """
    strides = backbone.strides
    used = {name: n for name, n in backbone.channels.items() if strides[name] >= min_stride}
    if not used:
        why = f"backbone: expected a map of stride {min_stride} or more, got"
        raise ValueError(f"{why} {', '.join(map(str, strides.values()))}")
    return FeaturePyramid(used, strides, channels, top=top)


def make_preprocessing(
    backbone: Backbone,
    min_size: int,
    max_size: int,
    mean: Iterable[float],
    std: Iterable[float],
) -> Preprocessing:
    """Preprocessing whose padded sizes all maps of the backbone divide.

    Args:
        backbone: any.
        min_size: pixels of the short side.
        max_size: largest length of the long side.
        mean: of each channel.
        std: of each channel.

    Returns:
        The preprocessing.
    """
    multiple = max(backbone.strides.values())
    return Preprocessing(min_size, max_size, tuple(mean), tuple(std), multiple)


def check_anchors(anchors: AnchorGrid, pyramid: FeaturePyramid) -> None:
    """Check that there are anchor sizes for each level of the pyramid.

    Args:
        anchors: with sizes for each level.
        pyramid: with its levels.

    Raises:
        ValueError: there are more or fewer.
    """
    expected, given = len(pyramid.strides), len(anchors.sizes)
    if given != expected:
        raise ValueError(f"anchor_sizes: expected {expected}, one a pyramid level, got {given}")


def pyramid_layers(
    backbone: Backbone, pyramid: FeaturePyramid, levels: Iterable[str]
) -> dict[str, ExplainLayer]:
    """Backbone maps, then levels of the pyramid, for `Model.explain_layers`; see BEST_STRIDE.

    Args:
        backbone: with maps.
        pyramid: on these maps.
        levels: names of the pyramid's levels.

    Returns:
        Name -> layer, the best one first.
    """
    strides = backbone.strides
    maps = sorted(pyramid.names, key=lambda name: strides[name] < BEST_STRIDE)
    layers: dict[str, ExplainLayer] = {name: (backbone, itemgetter(name)) for name in maps}
    return layers | {name: (pyramid, itemgetter(name)) for name in levels}


def anchor_rule(anchors: AnchorGrid, pyramid: FeaturePyramid) -> dict[str, Any]:
    """Anchors as JSON values.

    Args:
        anchors: sizes and ratios of each level.
        pyramid: with the strides of the levels.

    Returns:
        {"cell_anchors": for each level x1 y1 x2 y2 of the anchors of a cell, "strides": pixels
        between cells}.
    """
    cells = [cell_anchors(sizes, anchors.ratios).tolist() for sizes in anchors.sizes]
    return {"cell_anchors": cells, "strides": list(pyramid.strides.values())}


def free_size(preprocessing: Preprocessing) -> dict[int, tuple[str, int, int]]:
    """Height and width of an exported graph's images; see `ExportGraph.dynamic`.

    Args:
        preprocessing: whose padded sizes are multiples of a number.

    Returns:
        Axis of the pixels -> name, factor and minimum.
    """
    multiple = preprocessing.multiple
    return {2: ("height", multiple, 2), 3: ("width", multiple, 2)}
