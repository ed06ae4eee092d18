"""Views of a dataset: some of its images, or its labels as a model numbers the classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from tapetum.base.errors import UsageError
from tapetum.data.dataset import Dataset
from tapetum.data.records.image_record import ImageRecord
from tapetum.structures import IGNORE_INDEX, Sample


class RemappedClasses:
    """The samples of `dataset` with labels that count in `classes`, which hold all of its names.

    Raises:
        UsageError: a class of the dataset that is not among `classes`.
    """

    def __init__(self, dataset: Dataset, classes: Sequence[str]) -> None:
        places = {name: label for label, name in reversed(list(enumerate(classes)))}
        unknown = [name for name in dataset.classes if name not in places]
        if unknown:
            theirs, ours = ", ".join(unknown[:6]), ", ".join(classes[:6])
            why = f"its classes {theirs} are not among the model's"
            raise UsageError(why, file=dataset.name, hint=f"the model has {ours}, ...")
        self.dataset, self.name, self.classes = dataset, dataset.name, tuple(classes)
        self.keypoint_names, self.skeleton = dataset.keypoint_names, dataset.skeleton
        self.multilabel = dataset.multilabel
        self._places = np.array([places[name] for name in dataset.classes], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        sample = self.dataset[index]
        target = sample.target
        objects, semantic = target.objects, target.semantic
        if objects is not None:
            objects = objects.with_(labels=self._new(objects.labels))
        if semantic is not None:
            known = semantic != IGNORE_INDEX
            renamed = self._new(torch.where(known, semantic, 0).long())
            semantic = torch.where(known, renamed, IGNORE_INDEX)
        labels = None if target.labels is None else self._new(target.labels)
        target = replace(target, labels=labels, objects=objects, semantic=semantic)
        return replace(sample, target=target)

    def record(self, index: int) -> ImageRecord:
        """The record with the new labels."""
        original = self.dataset.record(index)
        stated = original.image_labels
        if stated is not None:
            stated = tuple(int(self._places[label]) for label in stated)
        return replace(original, labels=self._places[original.labels], image_labels=stated)

    def _new(self, labels: Tensor) -> Tensor:
        return torch.from_numpy(self._places)[labels]


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
