"""Parts of given shares in which each class is as frequent as in the whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def stratify(
    having: np.ndarray, sizes: np.ndarray, shares: Sequence[float], order: Sequence[int]
) -> np.ndarray:
    """(G,) int64, the part of each of G groups of images, which are not torn apart.

    having: (G, C), how many images of a group have a class; an image may have several.
    sizes: (G,) images of each group. shares: of the K parts, summing to 1. order: of the groups,
    which decides what the shares leave open.

    Iterative stratification (Sechidis et al. 2011, "On the Stratification of Multi-Label Data",
    algorithm 1): the rarest class is dealt out first, each group to the part that lacks it most.
    Here lacking is relative to a part's share, so that of two images of a class one comes to a
    small part while there is room; large groups go before small ones; no part stays empty.

    Raises:
        ValueError: fewer groups than parts.
    """
    parts = len(shares)
    if len(sizes) < parts:
        raise ValueError(f"{len(sizes)} groups cannot make {parts} parts")
    dealt = _Dealing(having, sizes, np.asarray(shares))
    ranked = np.asarray(order, dtype=np.int64)
    ranked = ranked[np.argsort(-sizes[ranked], kind="stable")]
    waiting = (having > 0).sum(0)  # (C,) groups still to be dealt
    while (waiting > 0).any():
        rarest = int(np.where(waiting > 0, waiting, np.inf).argmin())
        for group in ranked[(having[ranked, rarest] > 0) & (dealt.part[ranked] < 0)].tolist():
            dealt.give(group, rarest)
            waiting -= having[group] > 0
    for group in ranked[dealt.part[ranked] < 0].tolist():
        dealt.give(group)
    _fill_empty(dealt.part, sizes, parts, ranked)
    return dealt.part


class _Dealing:
    """What each part still lacks, and what it was given."""

    def __init__(self, having: np.ndarray, sizes: np.ndarray, shares: np.ndarray) -> None:
        self.having, self.sizes, self.shares = having, sizes, shares
        self.lacks = shares * sizes.sum()  # (K,)
        self.lacks_of = shares[:, None] * having.sum(0)  # (K, C)
        self.spare = np.maximum(0.5, 0.1 * self.lacks)
        self.part = np.full(len(sizes), -1, dtype=np.int64)

    def give(self, group: int, label: int | None = None) -> None:
        """Deal one group to the part with room that lacks most of its share in the class, else of
        images; where several do, to the largest."""
        room = np.flatnonzero(self.lacks + self.spare >= self.sizes[group])
        if not len(room):
            room = np.array([self.lacks.argmax()])
        lacks = self.lacks if label is None else self.lacks_of[:, label]
        urgent = _largest(room, lacks / self.shares)
        urgent = _largest(urgent, self.lacks / self.shares) if label is not None else urgent
        part = urgent[self.shares[urgent].argmax()]
        self.part[group] = part
        self.lacks[part] -= self.sizes[group]
        self.lacks_of[part] -= self.having[group]


def _largest(among: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Those of `among` whose value is the largest, but for rounding."""
    return among[values[among] >= values[among].max() - 1e-9]


def _fill_empty(part: np.ndarray, sizes: np.ndarray, parts: int, ranked: np.ndarray) -> None:
    """Give each empty part the smallest group of the part with the most images and groups."""
    for empty in set(range(parts)) - set(part.tolist()):
        held = [(part == k).sum() > 1 and sizes[part == k].sum() for k in range(parts)]
        giver = int(np.argmax(held))
        part[ranked[part[ranked] == giver][-1]] = empty
