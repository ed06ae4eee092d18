"""How much two predictions for one image differ, as a text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from tapetum.structures import Objects, Prediction

FEW = 1e-3
"""The fraction of the pixels of a map or mask that may differ, at edges."""


def difference(first: Prediction, second: Prediction, tolerance: float = 0.0) -> str | None:
    """What differs by more than `tolerance` (relative, and absolute of scores in [0, 1]); None
    where nothing does."""
    return next(_differences(first, second, tolerance), None)


def _differences(a: Prediction, b: Prediction, tolerance: float) -> Iterator[str]:
    if a.class_scores is not None:
        yield from _numbers("class_scores", a.class_scores, b.class_scores, tolerance)
        yield from _equal("labels", a.labels, b.labels)
    if a.semantic is not None:
        yield from _pixels("semantic", a.semantic, b.semantic, tolerance)
    if a.objects is not None:
        yield from _objects(a.objects, b.objects, tolerance)


def _objects(a: Objects, b: Objects | None, tolerance: float) -> Iterator[str]:
    if b is None or len(a) != len(b):
        yield f"{len(a)} objects and {0 if b is None else len(b)}"
        return
    yield from _equal("labels", a.labels, b.labels)
    yield from _numbers("scores", a.scores, b.scores, tolerance)
    yield from _numbers("boxes", a.boxes, b.boxes, tolerance, 128)
    if a.masks is not None:
        yield from _pixels("masks", a.masks, b.masks, tolerance)
    if a.keypoints is not None:
        yield from _numbers("keypoints", a.keypoints, b.keypoints, tolerance, 1000)


def _equal(what: str, a: Tensor | None, b: Tensor | None) -> Iterator[str]:
    if a is None or b is None or not torch.equal(a, b):
        yield f"{what}: {_short(a)} and {_short(b)}"


def _numbers(
    what: str, a: Tensor | None, b: Tensor | None, tolerance: float, scale: float = 1.0
) -> Iterator[str]:
    """scale: of the absolute tolerance, for values in pixels."""
    if a is None or b is None or a.shape != b.shape:
        yield f"{what}: {_short(a)} and {_short(b)}"
    elif not torch.isclose(a, b.to(a.dtype), rtol=tolerance, atol=tolerance * scale).all():
        largest = float((a - b).abs().max())
        yield f"{what} differ by up to {largest:.3g}, expected no more than {tolerance * scale:g}"


def _pixels(what: str, a: Tensor, b: Tensor | None, tolerance: float) -> Iterator[str]:
    if b is None or a.shape != b.shape:
        yield f"{what}: {_short(a)} and {_short(b)}"
        return
    fraction = float((a != b).double().mean()) if a.numel() else 0.0
    limit = FEW if tolerance else 0.0
    if fraction > limit:
        percent = f"{100 * fraction:.3g} % of the pixels differ"
        yield f"{what}: {percent}, expected at most {100 * limit:g} %"


def _short(value: Any) -> str:
    if isinstance(value, Tensor):
        return str(value.tolist()) if value.numel() <= 6 else f"a tensor {tuple(value.shape)}"
    return str(value)
