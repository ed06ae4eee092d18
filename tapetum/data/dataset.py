"""Dataset: anything that can be counted and indexed, with the truth as records beside it."""

from __future__ import annotations

from typing import Protocol

from tapetum.data.records.image_record import ImageRecord
from tapetum.structures import Sample


class Dataset(Protocol):
    """What training and evaluation need of data. Indexing is a pure function of the index."""

    name: str
    classes: tuple[str, ...]
    keypoint_names: tuple[str, ...]
    """Of the keypoints of an object, in order; empty without any."""
    skeleton: tuple[tuple[int, int], ...]
    """Pairs of keypoints that a line joins, counted from 0."""
    multilabel: bool
    """May an image have no label, or several?"""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample:
        """The decoded image with its target, in the image's own frame."""
        ...

    def record(self, index: int) -> ImageRecord:
        """The same image's records for evaluation, in float64, without decoding it."""
        ...
