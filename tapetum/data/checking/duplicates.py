"""The same image again: to the last pixel, or nearly, in one split or in two."""

from __future__ import annotations

import hashlib
from itertools import combinations
from pathlib import Path

import numpy as np

from tapetum.data.checking.near_duplicates import (
    LENGTH,
    fingerprint,
    first_alike,
    similarity_threshold,
)
from tapetum.data.records.findings import FindingCollector
from tapetum.data.records.image_record import Annotations, ImageRecord

UNIONS = ("trainval",)
"""Splits that hold others by intention."""


class Duplicates:
    """Images as they are decoded, each compared with all before it; findings go to `collector`."""

    def __init__(
        self, annotations: Annotations, images: list[ImageRecord], collector: FindingCollector
    ) -> None:
        self._images, self._collector = images, collector
        self._splits: dict[Path | str, str] = {}
        for split in sorted(annotations.splits, key=lambda name: name in UNIONS):
            for image in annotations.splits[split]:
                self._splits.setdefault(file_of(image), split)
        self._seen: dict[bytes, int] = {}
        self._prints = np.full((len(images), LENGTH), np.nan, dtype=np.float32)
        self._sizes = [(0, 0)] * len(images)

    def add(self, index: int, pixels: np.ndarray) -> None:
        """The upright pixels of an image, (3, H, W), or as its record holds them; a finding if
        they were there before."""
        duplicate = self._seen.setdefault(_digest(pixels), index)
        if file_of(self._images[duplicate]) != file_of(self._images[index]):
            self._note(index, duplicate, "the same pixels as", ("image-duplicate", "split-leak"))
        elif duplicate == index:
            packed = self._images[index].path is None
            planes = np.atleast_3d(pixels).transpose(2, 0, 1) if packed else pixels
            self._prints[index] = fingerprint(planes)
            self._sizes[index] = planes.shape[1], planes.shape[2]

    def compare(self) -> None:
        """Findings about images that are nearly the same, once all have been added; those with
        the same pixels count once. The first such image of each split is named."""
        needed = similarity_threshold(self._sizes)
        split_of = [self._splits[file_of(image)] for image in self._images]
        rows = {
            split: np.flatnonzero(np.array(split_of) == split) for split in dict.fromkeys(split_of)
        }
        for places in rows.values():
            matches = first_alike(self._prints[places], threshold=needed[places])
            self._note_near(places, places, matches)
        for first, second in combinations(rows.values(), 2):
            prints, thresholds = self._prints[second], needed[second]
            matches = first_alike(prints, self._prints[first], thresholds, needed[first])
            self._note_near(second, first, matches)

    def _note_near(self, places: np.ndarray, among: np.ndarray, matches: np.ndarray) -> None:
        codes = "image-near-duplicate", "split-near-leak"
        for row in np.flatnonzero(matches >= 0).tolist():
            self._note(int(places[row]), int(among[matches[row]]), "nearly the same as", codes)

    def _note(self, index: int, duplicate: int, text: str, codes: tuple[str, str]) -> None:
        files = file_of(self._images[index]), file_of(self._images[duplicate])
        split_of, other = (self._splits[file] for file in files)
        name = self._collector.name(files[1]) if isinstance(files[1], Path) else files[1]
        message = f"{text} {name}" if split_of == other else f"{text} {name} in {other}"
        self._collector.note(codes[split_of != other], files[0], split_of, message, duplicate=name)


def file_of(image: ImageRecord) -> Path | str:
    """What tells an image from all others: its file, or its name where one file holds many."""
    return image.path or image.name


def _digest(pixels: np.ndarray) -> bytes:
    """The same for the same pixels, whatever file format or metadata they came in."""
    digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.digest()
