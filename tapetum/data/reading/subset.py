"""A part of a dataset."""

from __future__ import annotations

from collections.abc import Sequence

from tapetum.data.dataset import Dataset
from tapetum.data.records.image_record import ImageRecord
from tapetum.structures import Sample


class Subset:
    """Some images of a dataset, as a dataset."""

    def __init__(self, whole: Dataset, indices: Sequence[int]) -> None:
        self._whole, self._indices = whole, tuple(indices)
        self.name, self.classes, self.multilabel = whole.name, whole.classes, whole.multilabel
        self.keypoint_names, self.skeleton = whole.keypoint_names, whole.skeleton

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Sample:
        return self._whole[self._indices[index]]

    def record(self, index: int) -> ImageRecord:
        return self._whole.record(self._indices[index])
