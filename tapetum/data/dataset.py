"""Dataset: samples by index, and their annotations as records."""

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
        """The decoded image with its target, in the frame of the image.

        Args:
            index: in [0, len(self)).
        """
        ...

    def record(self, index: int) -> ImageRecord:
        """The annotations of the same image for evaluation, in float64, without decoding it.

        Args:
            index: in [0, len(self)).
        """
        ...
