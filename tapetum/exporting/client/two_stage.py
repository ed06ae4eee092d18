"""Faster R-CNN: what the second stage says is the answer."""

from __future__ import annotations

from typing import Any

from tapetum.exporting.client.boxes import describe_objects, to_original
from tapetum.exporting.client.images import Array, Prepared
from tapetum.exporting.client.rois import find_regions
from tapetum.exporting.client.running import Run


def answer(rule: dict[str, Any], run: Run, prepared: Prepared) -> dict[str, Array]:
    """{"boxes": (N, 4), "labels": (N,), "scores": (N,)}, best first."""
    found, _ = find_regions(rule, run, prepared)
    return found | {"boxes": to_original(found["boxes"], prepared)}


def describe(
    found: dict[str, Array], about: dict[str, Any], threshold: float | None
) -> dict[str, Any]:
    """{"objects": [{"class", "label", "score", "box"}]}"""
    return {"objects": describe_objects(found, about, threshold)}
