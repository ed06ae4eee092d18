"""Keypoints that trade places in a mirror."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tapetum.data.transforms.movements import Pairs

_LEFT = re.compile(r"(?<![a-z])left(?![a-z])", re.IGNORECASE)


def keypoint_pairs(names: Sequence[str]) -> Pairs:
    """(left, right) of the keypoints whose names say so, as in "left_eye" and "right_eye"."""
    places = {name.lower(): place for place, name in enumerate(names)}
    partners = ((place, _LEFT.sub("right", name).lower()) for place, name in enumerate(names))
    return tuple(
        (place, places[partner])
        for place, partner in partners
        if places.get(partner, place) != place
    )
