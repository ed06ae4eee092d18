"""The nearest of many vectors, in bounded memory and without rounding that decides."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

METRICS = ("l1", "l2")
VALUES = 2**24
"""Numbers of remembered images that are widened from bytes at a time."""
SLACK = 16
"""Candidates beyond the k nearest that are measured exactly."""


class Result(NamedTuple):
    """For each of B vectors."""

    distances: Tensor  # (B, k) by rising distance
    indices: Tensor  # (B, k) int64
    nearest: Tensor  # (B, C) int64, the nearest one of each class, -1 where there is none


@torch.no_grad()
def search(
    x: Tensor, known: Tensor, labels: Tensor, mean: Tensor, k: int, metric: str, classes: int
) -> Result:
    """The `k` nearest of the vectors `known` for each of `x`.

    In two steps. All distances are computed roughly, where "l2" is the expanded product
    |a|^2 - 2 a b + |b|^2, one matrix product on vectors less their `mean`, since small numbers
    lose less in it. The k + SLACK best ones are then measured again, difference by difference,
    and ordered by that; among equals the first remembered comes first.

    Args:
        x: (B, D) in [0, 1].
        known: (M, D) uint8, read as 255ths.
        labels: (M,) int64, of `known`.
        mean: (D,) of `known`.
        k: how many neighbors.
        metric: one of METRICS.
        classes: how many there are.

    Returns:
        The neighbors, and the nearest of each class.
    """
    with torch.autocast(x.device.type, enabled=False):
        total, width = known.shape
        step = max(1, VALUES // width)
        rough = x.new_zeros(len(x), 0)
        best = torch.zeros(len(x), 0, dtype=torch.int64, device=x.device)
        class_best = x.new_full((len(x), classes), torch.inf)
        nearest = torch.full((len(x), classes), -1, device=x.device)
        for start in range(0, total, step):
            part = known[start : start + step].to(x.dtype) / 255  # (m, D)
            far = _rough(x, part, mean, metric)  # (B, m)
            indices = torch.arange(start, start + len(part), device=x.device).expand(len(x), -1)
            rough, order = torch.cat((rough, far), 1).topk(
                min(k + SLACK, rough.shape[1] + len(part)), dim=1, largest=False
            )
            best = torch.cat((best, indices), 1).gather(1, order)
            _nearest_of_each(far, labels[start : start + step], indices, class_best, nearest)
        best = best.sort(dim=1).values
        candidates = (known[column].to(x.dtype) / 255 for column in best.T)  # (B, D) each
        exact = torch.stack([distance(x, one, metric) for one in candidates], dim=1)
        exact, order = exact.sort(dim=1, stable=True)
        return Result(exact[:, :k], best.gather(1, order)[:, :k], nearest)


def distance(a: Tensor, b: Tensor, metric: str) -> Tensor:
    """Distance of vectors, computed by their differences; its gradient is 0 where they are equal.

    Args:
        a: (..., D).
        b: (..., D).
        metric: "l1" or "l2".

    Returns:
        (...).
    """
    return torch.linalg.vector_norm(a - b, ord=1 if metric == "l1" else 2, dim=-1)


def _rough(x: Tensor, part: Tensor, mean: Tensor, metric: str) -> Tensor:
    """(B, m): the distance for "l1", its square for "l2", to some rounding."""
    if metric == "l1":
        return torch.cdist(x, part, p=1)
    x, part = x - mean, part - mean
    return (x**2).sum(1)[:, None] - 2 * x @ part.T + (part**2).sum(1)


def _nearest_of_each(
    far: Tensor, labels: Tensor, indices: Tensor, class_best: Tensor, nearest: Tensor
) -> None:
    """Note in class_best and nearest (B, C) what among far (B, m) is nearer than all before."""
    column = labels.expand(len(far), -1)  # (B, m)
    nearest_in_part = class_best.scatter_reduce(1, column, far, "amin")  # (B, C)
    winner = far == nearest_in_part.gather(1, column)
    candidate = torch.where(winner, indices, torch.iinfo(torch.int64).max)
    first = torch.full_like(nearest, torch.iinfo(torch.int64).max)
    first.scatter_reduce_(1, column, candidate, "amin")
    nearest.copy_(torch.where(nearest_in_part < class_best, first, nearest))
    class_best.copy_(nearest_in_part)
