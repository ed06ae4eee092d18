"""MapCode: which class a value, or a color, in the file of a class map means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tapetum.structures import IGNORE_INDEX

UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class MapCode:
    """What map files say: numbers of classes, or their colors.

    values: (256,) int16, the class that each value means, 255 to ignore it, -1 for none.
    colors: (K, 3) uint8 RGB that occur in color maps. meanings: (K,) int16, their classes.
    """

    values: np.ndarray
    colors: np.ndarray | None = None
    meanings: np.ndarray | None = None

    @staticmethod
    def of(meanings: Mapping[int, int]) -> MapCode:
        """Value -> class; the rest is unknown, and 255 ignored unless it is listed."""
        values = np.full(256, UNKNOWN, dtype=np.int16)
        values[IGNORE_INDEX] = IGNORE_INDEX
        for value, label in meanings.items():
            values[value] = label
        return MapCode(values)

    @property
    def palette(self) -> np.ndarray | None:
        """(C, 3) uint8, the first color of each class; None where maps hold no colors."""
        if self.colors is None or self.meanings is None:
            return None
        usable = (self.meanings != IGNORE_INDEX) & (self.meanings != UNKNOWN)
        labels, first = np.unique(self.meanings[usable], return_index=True)
        palette = np.zeros((int(labels.max(initial=-1)) + 1, 3), dtype=np.uint8)
        palette[labels] = self.colors[usable][first]
        return palette

    def relabeled(self, places: np.ndarray) -> MapCode:
        """With class k called places[k] from now on; -1 becomes 255, to be ignored."""
        table = np.arange(-1, 256, dtype=np.int16)  # what -1, 0, ..., 255 become
        table[1 : len(places) + 1] = np.where(places < 0, IGNORE_INDEX, places)
        meanings = None if self.meanings is None else table[self.meanings + 1]
        return MapCode(table[self.values + 1], self.colors, meanings)

    def classes(self, levels: np.ndarray) -> np.ndarray:
        """(H, W) uint8 classes, 255 to ignore, of a map (H, W) of numbers or (H, W, 3) of colors.

        Raises:
            ValueError: a value without a meaning, named; or colors where none are listed.
        """
        labels = self._meanings(levels)
        unknown = labels == UNKNOWN
        if unknown.any():
            first = levels[unknown][0]
            what = f"color {_text(first)}" if levels.ndim == 3 else f"value {int(first)}"
            count = f"{int(unknown.sum()):,} of its pixels"
            raise ValueError(f"{what} is not a class ({count} are like this)")
        return labels.astype(np.uint8)

    def _meanings(self, levels: np.ndarray) -> np.ndarray:
        """(H, W) int16, -1 where there is none."""
        if levels.ndim == 3:
            return self._color_meanings(levels)
        if levels.dtype == np.uint8:
            return self.values.take(levels)
        inside = (levels >= 0) & (levels < len(self.values))
        return np.where(inside, self.values.take(np.where(inside, levels, 0)), UNKNOWN)

    def _color_meanings(self, levels: np.ndarray) -> np.ndarray:
        if self.colors is None or self.meanings is None:
            raise ValueError("it has colors, and no file lists their classes")
        keys = _keys(self.colors)
        order = np.argsort(keys, kind="stable")
        sought = _keys(levels)  # (H, W)
        place = np.searchsorted(keys[order], sought).clip(max=len(keys) - 1)
        meaning = self.meanings[order][place]
        return np.where(keys[order][place] == sought, meaning, UNKNOWN)


def _keys(colors: np.ndarray) -> np.ndarray:
    """Colors (..., 3) uint8 as one number each."""
    red, green, blue = np.moveaxis(colors.astype(np.int32), -1, 0)
    return (red << 16) | (green << 8) | blue


def _text(color: np.ndarray) -> str:
    return "(" + ", ".join(str(int(part)) for part in color) + ")"
