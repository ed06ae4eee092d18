"""Small reusable modules that several models share.

Names are imported when they are first used, so that importing one file imports no other.
"""

from __future__ import annotations

from tapetum.base.faces import lazy_names

_PLACES = {
    "AnchorGrid": "tapetum.layers.anchors",
    "Block": "tapetum.layers.attention",
    "ConvNorm": "tapetum.layers.conv",
    "ConvTop": "tapetum.layers.pyramid",
    "FeaturePyramid": "tapetum.layers.pyramid",
    "MultiScaleRoIAlign": "tapetum.layers.roi_pool",
    "PoolTop": "tapetum.layers.pyramid",
    "cell_anchors": "tapetum.layers.anchors",
    "check_dropout": "tapetum.layers.dropout",
    "group_count": "tapetum.layers.norm",
    "init_linear": "tapetum.layers.conv",
    "init_small": "tapetum.layers.conv",
    "make_norm": "tapetum.layers.norm",
    "octave_sizes": "tapetum.layers.anchors",
}

__all__ = sorted(_PLACES)

__getattr__, __dir__ = lazy_names(__name__, _PLACES)
