"""The words for data, as they mean the same from any folder."""

from __future__ import annotations

from pathlib import Path

from tapetum.base.custom_code import custom_function
from tapetum.data.reading.files import SCENES


def absolute(place: str) -> str:
    """A path that is there as an absolute one, so that it is found from anywhere; else as it is."""
    if (code := custom_function(place)) is not None:
        return str(code)
    if place.partition(":")[0] == SCENES:
        return place
    return str(Path(place).resolve()) if Path(place).exists() else place
