"""All formats of datasets by name. Names cost nothing; a format is imported when it is asked for.

A further format is one file that ends with its `FORMAT` (`tapetum.data.formats.format`), and its
line in `PLACES`: it can then be read, recognised, converted and chosen on the command line.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tapetum.data.formats.format import Format

__all__ = ["AUTO", "FORMATS", "PLACES", "FormatTable", "Place"]

AUTO = "auto"
"""In place of a name: the format is recognised."""


class Place(NamedTuple):
    """Where the `FORMAT` of a format is, and whether it is also written."""

    module: str
    written: bool = False


class FormatTable(Mapping[str, "Format"]):
    """Formats by name, in a fixed order.

    Args:
        places: where they are, by name.
    """

    def __init__(self, places: dict[str, Place]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> Format:
        """The format of that name; imports it.

        Raises:
            KeyError: there is none.
        """
        module = importlib.import_module(self._places[name].module)
        entry: Format = module.FORMAT
        return entry

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    @property
    def written(self) -> tuple[str, ...]:
        """Names of those that can be written; imports none."""
        return tuple(name for name, place in self._places.items() if place.written)


PLACES: dict[str, Place] = {
    "coco": Place("tapetum.data.formats.coco", written=True),
    "voc": Place("tapetum.data.formats.voc", written=True),
    "yolo": Place("tapetum.data.formats.yolo", written=True),
    "cvat": Place("tapetum.data.formats.cvat"),
    "labelme": Place("tapetum.data.formats.labelme"),
    "label_maps": Place("tapetum.data.formats.label_maps"),
    "instance_maps": Place("tapetum.data.formats.instance_maps", written=True),
    "idx": Place("tapetum.data.formats.idx"),
    "cifar": Place("tapetum.data.formats.cifar"),
    "folders": Place("tapetum.data.formats.folders"),
    "described": Place("tapetum.data.formats.description"),
}
"""The module of each format, in the order in which they are listed."""

FORMATS = FormatTable(PLACES)
