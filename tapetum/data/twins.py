"""The same picture again: to the last pixel, or nearly, in one split or in two."""

from __future__ import annotations

import hashlib
from itertools import combinations
from pathlib import Path

import numpy as np

from tapetum.data.findings import Log
from tapetum.data.likeness import LENGTH, fingerprint, first_alike, likeness_needed
from tapetum.data.picture import Annotations, Picture

UNIONS = ("trainval",)
"""Splits that hold others by intention."""


class Twins:
    """Pictures as they are decoded, each compared with all before it; findings go to `log`."""

    def __init__(self, annotations: Annotations, pictures: list[Picture], log: Log) -> None:
        self._pictures, self._log = pictures, log
        self._splits: dict[Path | str, str] = {}
        for split in sorted(annotations.splits, key=lambda name: name in UNIONS):
            for picture in annotations.splits[split]:
                self._splits.setdefault(file_of(picture), split)
        self._seen: dict[bytes, int] = {}
        self._prints = np.full((len(pictures), LENGTH), np.nan, dtype=np.float32)
        self._sizes = [(0, 0)] * len(pictures)

    def add(self, index: int, pixels: np.ndarray) -> None:
        """The upright pixels of a picture, (3, H, W), or as its record holds them; a finding if
        they were there before."""
        twin = self._seen.setdefault(_digest(pixels), index)
        if file_of(self._pictures[twin]) != file_of(self._pictures[index]):
            self._note(index, twin, "the same pixels as", ("picture-duplicate", "split-leak"))
        elif twin == index:
            packed = self._pictures[index].path is None
            planes = np.atleast_3d(pixels).transpose(2, 0, 1) if packed else pixels
            self._prints[index] = fingerprint(planes)
            self._sizes[index] = planes.shape[1], planes.shape[2]

    def compare(self) -> None:
        """Findings about pictures that are nearly the same, once all have been added; those with
        the same pixels count once. The first such picture of each split is named."""
        needed = likeness_needed(self._sizes)
        own = [self._splits[file_of(picture)] for picture in self._pictures]
        rows = {split: np.flatnonzero(np.array(own) == split) for split in dict.fromkeys(own)}
        for places in rows.values():
            found = first_alike(self._prints[places], least=needed[places])
            self._note_near(places, places, found)
        for first, second in combinations(rows.values(), 2):
            prints, least = self._prints[second], needed[second]
            found = first_alike(prints, self._prints[first], least, needed[first])
            self._note_near(second, first, found)

    def _note_near(self, places: np.ndarray, among: np.ndarray, found: np.ndarray) -> None:
        codes = "picture-near-duplicate", "split-near-leak"
        for row in np.flatnonzero(found >= 0).tolist():
            self._note(int(places[row]), int(among[found[row]]), "nearly the same as", codes)

    def _note(self, index: int, twin: int, words: str, codes: tuple[str, str]) -> None:
        files = file_of(self._pictures[index]), file_of(self._pictures[twin])
        own, other = (self._splits[file] for file in files)
        name = self._log.name(files[1]) if isinstance(files[1], Path) else files[1]
        message = f"{words} {name}" if own == other else f"{words} {name} in {other}"
        self._log.note(codes[own != other], files[0], own, message, twin=name)


def file_of(picture: Picture) -> Path | str:
    """What tells a picture from all others: its file, or its name where one file holds many."""
    return picture.path or picture.name


def _digest(pixels: np.ndarray) -> bytes:
    """The same for the same pixels, whatever file format or metadata they came in."""
    digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.digest()
