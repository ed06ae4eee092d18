"""Helpers of `read_image`: formats by their bytes, metadata, pixel modes, captured warnings.

Names are imported when they are first used, so that importing one file imports no other.
"""

from __future__ import annotations

from tapetum.base.faces import lazy_names

_PLACES = {
    "bytes_of": "tapetum.data.images.codecs.source",
    "can_read": "tapetum.data.images.codecs.heic",
    "captured": "tapetum.data.images.codecs.warnings_capture",
    "describe": "tapetum.data.images.codecs.blocks",
    "gray_step": "tapetum.data.images.codecs.levels",
    "is_heic": "tapetum.data.images.codecs.heic",
    "open_heic": "tapetum.data.images.codecs.heic",
    "sniff": "tapetum.data.images.codecs.blocks",
    "stream_of": "tapetum.data.images.codecs.source",
    "to_levels": "tapetum.data.images.codecs.levels",
    "to_rgb": "tapetum.data.images.codecs.modes",
    "walk": "tapetum.data.images.codecs.blocks",
    "webp_size": "tapetum.data.images.codecs.blocks",
}

__all__ = sorted(_PLACES)

__getattr__, __dir__ = lazy_names(__name__, _PLACES)
