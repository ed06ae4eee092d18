"""Images that are nearly the same: compressed again, resized, a little brighter, the next frame.

A fingerprint is the low frequencies of an image: gray, 64 x 64, the first 20 x 20 terms of its
cosine transform but the mean, each times its frequency and all of length 1. Photographs hold less
the higher the frequency, so the weights let each scale say as much as any other (a whitening, as in
Field 1987, "Relations between the statistics of natural images"); signs alone make the 64 bits of
pHash (Zauner 2010). The similarity of two images is the product of their
fingerprints, from -1 to 1: 0 is chance.

Measured: photographs of 250 to 640 pixels stay above 0.98 through JPEG of quality 50 to 95, half
and double size, and 10 % brighter or darker, and above 0.92 without 1 % at each border. Of the
98,000 pairs within bccd, coco_mini and voc2007, one is above 0.48: 0.96, one blood smear taken
twice. Mirrored, turned or cropped images are not alike here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from tapetum.base.errors import ImageError
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.base.progress import Progress, no_progress
from tapetum.data.images.reader import read_image
from tapetum.data.records.image_record import ImageRecord

SIMILAR = 0.9
"""From this similarity on, two images are nearly the same."""

SIMILAR_TINY = 0.98
"""The same for images of a shorter side below `TINY`: digits and clothes in the middle of a black
square are alike by nature. 12 of the 70,000 images of MNIST (strokes, all of them) have an
earlier one above it, 152 of Fashion-MNIST's, and 38 of the 60,000 of CIFAR-10, which are copies; of
the first 10,000 digits 2026 pairs are above 0.9. What was compressed hard at this size is missed.
"""

TINY = 64

_SIDE, _TERMS = 64, 20
LENGTH = _TERMS * _TERMS - 1
"""Numbers in a fingerprint, the lowest frequencies first."""

_COARSE = 12 * 12 - 1

_PLAIN = 500.0
"""Weighted length below which the rounding of gray levels, which has about 90, could decide."""

_ROWS = 1024


def fingerprint(pixels: np.ndarray | Tensor) -> np.ndarray:
    """The low frequencies of an image.

    Args:
        pixels: (3, H, W) or (1, H, W) uint8, upright.

    Returns:
        (LENGTH,) float32 of norm 1; NaN for an image without structure, such as a clear sky.
    """
    gray = _thumbnail(np.asarray(pixels))
    terms = (_COSINES @ gray @ _COSINES.T * _FREQUENCIES).ravel()[_ORDER]
    length = float(np.linalg.norm(terms))
    if length < _PLAIN:
        return np.full(LENGTH, np.nan, dtype=np.float32)
    return (terms / length).astype(np.float32)


def fingerprints_of(
    images: Sequence[ImageRecord], limits: Limits = DEFAULT_LIMITS, progress: Progress = no_progress
) -> np.ndarray:
    """Fingerprints of images in files. JPEGs are decoded at a smaller size where that suffices.

    Args:
        images: their records.
        limits: on the sizes of images.
        progress: wraps the indices.

    Returns:
        (N, LENGTH) float32, NaN for images that are missing, damaged or without structure.
    """
    prints = np.full((len(images), LENGTH), np.nan, dtype=np.float32)
    for index in progress(range(len(images)), len(images)):
        record = images[index]
        if record.pixels is not None:
            prints[index] = fingerprint(np.atleast_3d(record.pixels).transpose(2, 0, 1))
        elif record.path is not None:
            try:
                image = read_image(record.path, limits, at_least=2 * _SIDE)
            except ImageError:
                continue
            prints[index] = fingerprint(image.pixels)
    return prints


def similarity_threshold(sizes: Sequence[tuple[int, int]]) -> np.ndarray:
    """From which similarity on two images count as near duplicates.

    Args:
        sizes: (height, width) in pixels of N images.

    Returns:
        (N,) float32: `SIMILAR_TINY` for images with a side below `TINY` pixels, else `SIMILAR`.
    """
    sides = np.array([min(size) for size in sizes], dtype=np.int64)
    return np.where(sides < TINY, SIMILAR_TINY, SIMILAR).astype(np.float32)


def alike(fingerprints: np.ndarray, threshold: float | np.ndarray = SIMILAR) -> list[list[int]]:
    """Groups of two or more images, each nearly the same as another of its group.

    All pairs are compared, a block at a time: 50,000 images take 8 seconds on a core and 50 MB
    beyond their rows, as many digits twice that.

    Args:
        fingerprints: (N, LENGTH), see `fingerprint`; rows of NaN are in no group.
        threshold: the similarity, in [-1, 1], from which two are nearly the same; one for all or
            (N,) for each image, of which the higher one of a pair counts.

    Returns:
        Rows of the images, ascending, by the first of each group.
    """
    count = len(fingerprints)
    labels = np.arange(count)
    for first, second in _pairs(fingerprints, fingerprints, threshold, threshold, earlier=True):
        ends = labels[first], labels[second]
        if (ends[0] != ends[1]).any():
            graph = coo_array((np.ones(len(first), np.int8), ends), (count, count))
            labels = connected_components(graph, directed=False)[1][labels]
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    groups = np.split(order, starts[1:]) if count else []
    return sorted(group.tolist() for group in groups if len(group) > 1)


def first_alike(
    fingerprints: np.ndarray,
    among: np.ndarray | None = None,
    threshold: float | np.ndarray = SIMILAR,
    threshold_among: float | np.ndarray = SIMILAR,
) -> np.ndarray:
    """For each image the first that is nearly the same.

    Args:
        fingerprints: (N, LENGTH), see `fingerprint`.
        among: (M, LENGTH), images to compare with; None: those before each image.
        threshold: as for `alike`, for the N images.
        threshold_among: the same for the M images.

    Returns:
        (N,) int64, a row of `among`; -1 where there is none.
    """
    itself = among is None
    others = fingerprints if among is None else among
    first_place = np.full(len(fingerprints), len(others))
    limit = threshold if itself else threshold_among
    for first, second in _pairs(fingerprints, others, threshold, limit, earlier=itself):
        np.minimum.at(first_place, first, second)
    return np.where(first_place < len(others), first_place, -1)


def _pairs(
    rows_first: np.ndarray,
    others: np.ndarray,
    threshold: float | np.ndarray,
    threshold_others: float | np.ndarray,
    *,
    earlier: bool,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of `own` and of `others` that are alike, block by block; only earlier ones of `others`,
    where they are the same."""
    limits_first = np.broadcast_to(np.float32(threshold), len(rows_first))
    limits_others = np.broadcast_to(np.float32(threshold_others), len(others))
    coarse, coarse_others = _coarse(rows_first), _coarse(others)
    for start in range(0, len(rows_first), _ROWS):
        rows = slice(start, start + _ROWS)
        for begin in range(0, start + 1 if earlier else len(others), _ROWS):
            columns = slice(begin, begin + _ROWS)
            bound = coarse[rows] @ coarse_others[columns].T  # (R, C); NaN is above nothing
            first, second = np.nonzero(bound >= limits_first[rows].min() - 1e-4)
            first, second = first + start, second + begin
            if earlier:
                first, second = first[second < first], second[second < first]
            for part in range(0, len(first), 16 * _ROWS):
                i, j = first[part : part + 16 * _ROWS], second[part : part + 16 * _ROWS]
                enough = (rows_first[i] * others[j]).sum(1) >= np.maximum(
                    limits_first[i], limits_others[j]
                )
                if enough.any():
                    yield i[enough], j[enough]


def _coarse(fingerprints: np.ndarray) -> np.ndarray:
    """(N, _COARSE + 1): the lowest frequencies, and the length of the rest. The product of two is
    never below their likeness, by Cauchy and Schwarz, and needs a third of the work."""
    rest = np.linalg.norm(fingerprints[:, _COARSE:], axis=1, keepdims=True)
    return np.concatenate((fingerprints[:, :_COARSE], rest), axis=1)


def _thumbnail(pixels: np.ndarray) -> np.ndarray:
    """(64, 64) float32 gray levels, averaged, of (C, H, W)."""
    planes = [
        Image.fromarray(np.ascontiguousarray(plane)).resize(
            (_SIDE, _SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0
        )
        for plane in pixels
    ]
    levels = np.stack([np.asarray(plane, dtype=np.float32) for plane in planes])  # (C, 64, 64)
    return np.tensordot(_LUMA if len(planes) == 3 else np.ones(1, np.float32), levels, 1)


def _cosines() -> np.ndarray:
    """(20, 64): the orthonormal DCT-II's first rows."""
    places = (np.arange(_SIDE) + 0.5) / _SIDE
    rows = np.cos(np.pi * np.arange(_TERMS)[:, None] * places) * np.sqrt(2 / _SIDE)
    rows[0] /= np.sqrt(2)
    return rows.astype(np.float32)


_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_COSINES = _cosines()
_GRID = np.mgrid[:_TERMS, :_TERMS]
_FREQUENCIES = np.hypot(_GRID[0], _GRID[1]).astype(np.float32)
_ORDER = np.argsort(_GRID.max(0).ravel(), kind="stable")[1:]
