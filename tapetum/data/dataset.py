"""Dataset: anything that can be counted and indexed, with the truth as records beside it."""

from __future__ import annotations

from typing import Protocol

from tapetum.data.picture import Picture
from tapetum.structures import Sample


class Dataset(Protocol):
    """What training and evaluation need of data. Indexing is a pure function of the index."""

    name: str
    classes: tuple[str, ...]

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample:
        """The decoded picture with its target, in the picture's own frame."""
        ...

    def picture(self, index: int) -> Picture:
        """The same picture's records for evaluation, in float64, without decoding it."""
        ...
