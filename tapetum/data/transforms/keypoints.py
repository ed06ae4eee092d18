"""Keypoints under flips and crops."""

from __future__ import annotations

import re
from collections.abc import Sequence

from torch import Tensor

from tapetum.data.transforms.transform import Size

Pairs = tuple[tuple[int, int], ...]
"""Indices of keypoints that swap when the image is mirrored, such as both eyes."""

_LEFT = re.compile(r"(?<![a-z])left(?![a-z])", re.IGNORECASE)


def keypoint_pairs(names: Sequence[str]) -> Pairs:
    """Pairs of keypoints that swap when an image is mirrored, as "left_eye" and "right_eye".

    Args:
        names: of the keypoints.

    Returns:
        (left, right) indices of each pair.
    """
    places = {name.lower(): place for place, name in enumerate(names)}
    partners = ((place, _LEFT.sub("right", name).lower()) for place, name in enumerate(names))
    return tuple(
        (place, places[partner])
        for place, partner in partners
        if places.get(partner, place) != place
    )


def swap_keypoints(keypoints: Tensor, pairs: Pairs) -> Tensor:
    """Keypoints (N, K, 3) with the two of each pair exchanged."""
    order = list(range(keypoints.shape[1]))
    for left, right in pairs:
        order[left], order[right] = order[right], order[left]
    return keypoints[:, order]


def hide_outside(keypoints: Tensor, size: Size) -> Tensor:
    """Keypoints (N, K, 3); those outside an image of `size` become absent (0, 0, 0)."""
    x, y = keypoints[..., 0], keypoints[..., 1]
    inside = (x >= 0) & (y >= 0) & (x < size[1]) & (y < size[0])
    return keypoints * inside[..., None]
