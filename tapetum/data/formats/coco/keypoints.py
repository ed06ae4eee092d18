"""Keypoints as COCO writes them: names and skeleton with a class, x y v with an object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tapetum.data.records.box_validation import ROUNDING

Fault = tuple[str, str]
"""A code of `tapetum.data.records.findings` and a message."""


class Scheme(NamedTuple):
    """names: of the keypoints. skeleton: pairs of them that a line joins, counted from 0."""

    names: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()


NO_KEYPOINTS = Scheme()


class Posed(NamedTuple):
    """points: (K, 3) float64 x y v that can be used, and what was wrong."""

    points: np.ndarray | None
    faults: tuple[Fault, ...] = ()


def read_scheme(entry: dict[str, Any]) -> tuple[Scheme, list[str]]:
    """The keypoints of a category, none where it lists none; and what was wrong."""
    names = entry.get("keypoints")
    if not names:
        return NO_KEYPOINTS, []
    named = isinstance(names, list) and all(isinstance(name, str) and name for name in names)
    if not named or len(set(names)) < len(names):
        return NO_KEYPOINTS, ["keypoints is not a list of different names; they are not read"]
    edges = entry.get("skeleton") or []
    edges = edges if isinstance(edges, list) else [edges]
    usable = [edge for edge in edges if _joins(edge, len(names))]
    bad = [f"skeleton: {len(edges) - len(usable)} entries are not two of the {len(names)} points"]
    skeleton = tuple((first - 1, second - 1) for first, second in usable)
    return Scheme(tuple(names), skeleton), bad if len(usable) < len(edges) else []


def parse_keypoints(entry: dict[str, Any], count: int, size: tuple[int, int] | None) -> Posed:
    """The `keypoints` entry of an object with `count` of them, on an image of `size`."""
    value = entry["keypoints"]
    numbers = isinstance(value, list) and all(type(v) in (int, float) for v in value)
    if not numbers or len(value) != 3 * count:
        return Posed(None, (("keypoints-malformed", f"not {count} times the numbers x, y, v"),))
    try:
        points = np.array(value, dtype=np.float64).reshape(count, 3)
    except OverflowError:
        points = np.full((count, 3), np.nan)
    if not np.isfinite(points).all() or not np.isin(points[:, 2], (0, 1, 2)).all():
        message = "a coordinate is not finite, or a v is not 0, 1 or 2"
        return Posed(None, (("keypoints-malformed", message),))
    return Posed(points, tuple(_doubts(points, entry, size)))


def plain_keypoints(points: np.ndarray) -> list[int | float]:
    """Keypoints (K, 3) as COCO's flat list; whole numbers as such."""
    return [int(v) if v.is_integer() else v for v in points.reshape(-1).tolist()]


def _doubts(
    points: np.ndarray, entry: dict[str, Any], size: tuple[int, int] | None
) -> Iterator[Fault]:
    labeled = points[points[:, 2] > 0, :2]
    if "num_keypoints" in entry and entry["num_keypoints"] != len(labeled):
        message = f"num_keypoints is {entry['num_keypoints']!r}, but {len(labeled)} have v above 0"
        yield "keypoints-count", message
    if size is not None and len(labeled):
        over = np.maximum(-labeled, labeled - np.array(size[::-1], dtype=np.float64)).max()
        if over > ROUNDING:
            yield "keypoint-outside", f"a keypoint is {over:g} pixels outside its image"


def _joins(edge: Any, count: int) -> bool:
    pair = isinstance(edge, list) and len(edge) == 2
    return pair and all(type(end) is int and 1 <= end <= count for end in edge)
