"""MapCode: which class a value, or a colour, in the file of a class map means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

IGNORE = 255
"""The class of pixels that are neither learnt nor measured."""

UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class MapCode:
    """What map files say: numbers of classes, or their colours.

    values: (256,) int16, the class that each value means, 255 to ignore it, -1 for none.
    colours: (K, 3) uint8 RGB that occur in colour maps. meanings: (K,) int16, their classes.
    """

    values: np.ndarray
    colours: np.ndarray | None = None
    meanings: np.ndarray | None = None

    @staticmethod
    def of(meanings: Mapping[int, int]) -> MapCode:
        """Value -> class; the rest is unknown, and 255 ignored unless it is listed."""
        values = np.full(256, UNKNOWN, dtype=np.int16)
        values[IGNORE] = IGNORE
        for value, label in meanings.items():
            values[value] = label
        return MapCode(values)

    @property
    def palette(self) -> np.ndarray | None:
        """(C, 3) uint8, the first colour of each class; None where maps hold no colours."""
        if self.colours is None or self.meanings is None:
            return None
        usable = (self.meanings != IGNORE) & (self.meanings != UNKNOWN)
        labels, first = np.unique(self.meanings[usable], return_index=True)
        palette = np.zeros((int(labels.max(initial=-1)) + 1, 3), dtype=np.uint8)
        palette[labels] = self.colours[usable][first]
        return palette

    def relabelled(self, places: np.ndarray) -> MapCode:
        """With class k called places[k] from now on; -1 becomes 255, to be ignored."""
        table = np.arange(-1, 256, dtype=np.int16)  # what -1, 0, ..., 255 become
        table[1 : len(places) + 1] = np.where(places < 0, IGNORE, places)
        meanings = None if self.meanings is None else table[self.meanings + 1]
        return MapCode(table[self.values + 1], self.colours, meanings)

    def classes(self, levels: np.ndarray) -> np.ndarray:
        """(H, W) uint8 classes, 255 to ignore, of a map (H, W) of numbers or (H, W, 3) of colours.

        Raises:
            ValueError: a value without a meaning, named; or colours where none are listed.
        """
        labels = self._meanings(levels)
        unknown = labels == UNKNOWN
        if unknown.any():
            first = levels[unknown][0]
            what = f"colour {_text(first)}" if levels.ndim == 3 else f"value {int(first)}"
            count = f"{int(unknown.sum()):,} of its pixels"
            raise ValueError(f"{what} is none of its classes ({count} are like this)")
        return labels.astype(np.uint8)

    def _meanings(self, levels: np.ndarray) -> np.ndarray:
        """(H, W) int16, -1 where there is none."""
        if levels.ndim == 3:
            return self._colour_meanings(levels)
        if levels.dtype == np.uint8:
            return self.values.take(levels)
        inside = (levels >= 0) & (levels < len(self.values))
        return np.where(inside, self.values.take(np.where(inside, levels, 0)), UNKNOWN)

    def _colour_meanings(self, levels: np.ndarray) -> np.ndarray:
        if self.colours is None or self.meanings is None:
            raise ValueError("it holds colours, and no file lists what they mean")
        keys = _keys(self.colours)
        order = np.argsort(keys, kind="stable")
        sought = _keys(levels)  # (H, W)
        place = np.searchsorted(keys[order], sought).clip(max=len(keys) - 1)
        meaning = self.meanings[order][place]
        return np.where(keys[order][place] == sought, meaning, UNKNOWN)


def _keys(colours: np.ndarray) -> np.ndarray:
    """Colours (..., 3) uint8 as one number each."""
    red, green, blue = np.moveaxis(colours.astype(np.int32), -1, 0)
    return (red << 16) | (green << 8) | blue


def _text(colour: np.ndarray) -> str:
    return "(" + ", ".join(str(int(part)) for part in colour) + ")"
