"""Parts of given fractions in which each class is as frequent as in all images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def stratify(
    class_counts: np.ndarray, sizes: np.ndarray, fractions: Sequence[float], order: Sequence[int]
) -> np.ndarray:
    """(G,) int64, the part of each of G groups of images, which are not split.

    Iterative stratification (Sechidis et al. 2011, "On the Stratification of Multi-Label Data",
    algorithm 1): the rarest class is assigned first, each group to the part that misses it most.
    Here missing is relative to a part's fraction, so that of two images of a class one comes to a
    small part while there is room; large groups go before small ones; no part stays empty.

    Args:
        class_counts: (G, C) integers, how many images of a group have a class; an image may have
            several.
        sizes: (G,) images of each group.
        fractions: of the K parts, summing to 1.
        order: a permutation of the G groups; decides between groups that are equal otherwise.

    Returns:
        (G,) int64, the part of each group.

    Raises:
        ValueError: fewer groups than parts.
    """
    parts = len(fractions)
    if len(sizes) < parts:
        raise ValueError(f"{len(sizes)} groups cannot make {parts} parts")
    assignment = _Assignment(class_counts, sizes, np.asarray(fractions))
    ranked = np.asarray(order, dtype=np.int64)
    ranked = ranked[np.argsort(-sizes[ranked], kind="stable")]
    unassigned = (class_counts > 0).sum(0)  # (C,) groups not yet assigned
    while (unassigned > 0).any():
        rarest = int(np.where(unassigned > 0, unassigned, np.inf).argmin())
        for group in ranked[
            (class_counts[ranked, rarest] > 0) & (assignment.part[ranked] < 0)
        ].tolist():
            assignment.assign(group, rarest)
            unassigned -= class_counts[group] > 0
    for group in ranked[assignment.part[ranked] < 0].tolist():
        assignment.assign(group)
    _fill_empty(assignment.part, sizes, parts, ranked)
    return assignment.part


class _Assignment:
    """What each part still misses, and which groups it has."""

    def __init__(self, class_counts: np.ndarray, sizes: np.ndarray, fractions: np.ndarray) -> None:
        self.class_counts, self.sizes, self.fractions = class_counts, sizes, fractions
        self.missing = fractions * sizes.sum()  # (K,)
        self.missing_of = fractions[:, None] * class_counts.sum(0)  # (K, C)
        self.slack = np.maximum(0.5, 0.1 * self.missing)
        self.part = np.full(len(sizes), -1, dtype=np.int64)

    def assign(self, group: int, label: int | None = None) -> None:
        """Assign one group to the part with room that misses most of its fraction in the class,
        else of images; where several do, to the largest."""
        room = np.flatnonzero(self.missing + self.slack >= self.sizes[group])
        if not len(room):
            room = np.array([self.missing.argmax()])
        missing = self.missing if label is None else self.missing_of[:, label]
        urgent = _largest(room, missing / self.fractions)
        urgent = _largest(urgent, self.missing / self.fractions) if label is not None else urgent
        part = urgent[self.fractions[urgent].argmax()]
        self.part[group] = part
        self.missing[part] -= self.sizes[group]
        self.missing_of[part] -= self.class_counts[group]


def _largest(among: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Those of `among` whose value is the largest, but for rounding."""
    return among[values[among] >= values[among].max() - 1e-9]


def _fill_empty(part: np.ndarray, sizes: np.ndarray, parts: int, ranked: np.ndarray) -> None:
    """Give each empty part the smallest group of the part with the most images and groups."""
    for empty in set(range(parts)) - set(part.tolist()):
        held = [(part == k).sum() > 1 and sizes[part == k].sum() for k in range(parts)]
        donor = int(np.argmax(held))
        part[ranked[part[ranked] == donor][-1]] = empty
