"""Formats of datasets: recognised, read, and written in another.

Names are imported when they are first used, so that `FORMATS` can be listed at no cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapetum.base.faces import lazy_names
from tapetum.data.formats.registry import AUTO, FORMATS

if TYPE_CHECKING:
    from tapetum.data.formats.conversion import Converted, convert
    from tapetum.data.formats.format import Format
    from tapetum.data.formats.recognition import read_annotations, recognize

__all__ = ["AUTO", "FORMATS", "Converted", "Format", "convert", "read_annotations", "recognize"]

_PLACES = {
    "Converted": "tapetum.data.formats.conversion",
    "Format": "tapetum.data.formats.format",
    "convert": "tapetum.data.formats.conversion",
    "read_annotations": "tapetum.data.formats.recognition",
    "recognize": "tapetum.data.formats.recognition",
}

__getattr__, __dir__ = lazy_names(__name__, _PLACES)
