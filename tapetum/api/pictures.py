"""The pictures of a training: what it learns from and what it is measured on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tapetum.base.errors import UsageError
from tapetum.data.dataset import Dataset
from tapetum.data.files import FileDataset, open_dataset


@dataclass(frozen=True)
class Pictures:
    """What a training learns from and what it is measured on, if at all."""

    training: Dataset
    held: Dataset | None

    @staticmethod
    def open(data: str, val: str | None, format: str, need: str, validate: bool) -> Pictures:
        """need: what they must carry, one of `tapetum.data.dataset.NEEDS`. validate: is the model
        measured on the way? Otherwise nothing is held out."""
        training = open_dataset(data, "train", format, need=need, hold_out=validate)
        if not validate:
            return Pictures(training, None)
        if val is None:
            held = open_dataset(data, "val", format, need=need)
        else:
            held = open_dataset(val, "all", need=need)
        if held.classes != training.classes:
            raise UsageError("its classes differ from those of the training data", file=val)
        return Pictures(training, held)

    def counts(self) -> dict[str, Any]:
        """Pictures and, of datasets in files, objects of each class, by split."""
        both = self._parts()
        counted = {n: d.class_counts() for n, d in both.items() if isinstance(d, FileDataset)}
        return {"pictures": {n: len(d) for n, d in both.items()}, "objects": counted}

    def _parts(self) -> dict[str, Dataset]:
        parts = {"train": self.training}
        return parts if self.held is None else parts | {"val": self.held}

    def words(self) -> list[str]:
        """How the splits were chosen, what is left out, and what the reader found, for people."""
        lines = []
        for dataset in self._parts().values():
            if isinstance(dataset, FileDataset):
                lines.append(f"{dataset.name}: {len(dataset)} pictures, {dataset.words}")
                if dataset.left_out:
                    lines.append(f"{dataset.name}: {dataset.left_out} pictures are missing")
        if isinstance(self.training, FileDataset):
            serious = [f for f in self.training.findings if f.severity != "info"]
            if serious:
                lines.append(
                    f"{len(serious)} findings in the annotations; tapetum check lists them"
                )
        return lines
