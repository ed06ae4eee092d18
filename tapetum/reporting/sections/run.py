"""A finished run, and the parts of its report that do not depend on the task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from tapetum.data.dataset import Dataset
from tapetum.diagnosis import Setup
from tapetum.explain import method_for
from tapetum.models.catalog import CATALOG, defaults_of
from tapetum.reporting.contents import ReportContents
from tapetum.reporting.sections.progress import load_progress
from tapetum.runs.record import RunRecord
from tapetum.structures import Model, Prediction, Target

SHEETS, CROPS, MAPS = 6, 8, 6
"""Most images, crops and heat maps of a kind in a report."""


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run and the images that it is shown on.

    predict: an image (3, H, W) to an answer. explain: an image and what is to be explained to a
    heat map (H, W) in [0, 1], or None where the model's score cannot be differentiated.
    checkpoint: in words, as in "step 400, the best". resources: what it cost.
    folder: of the run, as its user writes it. thresholds: for each class the score from which an
    object counts, and chosen_on, the images that say so; None where a task has no use for them.
    """

    record: RunRecord
    history: Sequence[Mapping[str, Any]]
    dataset: Dataset
    model: Model
    predict: Callable[[Tensor], Prediction]
    explain: Callable[[Tensor, Target], Tensor] | None
    checkpoint: str
    resources: Mapping[str, Any]
    folder: Path
    thresholds: Sequence[float] | None = None
    chosen_on: str = ""

    def method(self, target: Target) -> str:
        """What `explain` takes for `target`."""
        return method_for(target, self.model)

    def setup(self) -> Setup:
        """How the run was trained, as advice needs it."""
        record, options = self.record, self.record.options
        defaults = defaults_of(record.model) if record.model in CATALOG else {}
        counts = record.counts.get("objects", {}).get("train", ())
        return Setup(
            image_size=record.image_size,
            epochs=record.settings.epochs,
            max_steps=record.settings.max_steps,
            minutes=options.minutes,
            workers=record.settings.workers,
            augment=record.options.augment,
            arguments={**defaults, **record.arguments},
            classes=record.classes,
            class_counts=counts,
            untrained=record.counts.get("untrained", ()),
        )


def frame(run: Run, stats: Mapping[str, float], metric: str, **parts: Any) -> ReportContents:
    """The parts of a report that do not depend on the task.

    Args:
        run: the run.
        stats: final metrics by name, in their order.
        metric: the one that chose the checkpoint.
        parts: fields of ReportContents that the task fills.

    Returns:
        The contents.
    """
    record = run.record
    return ReportContents(
        title=f"{Path(record.model).name} on {Path(record.options.data).name}",
        subtitle=f"{run.dataset.name}: {len(run.dataset)} images, with {run.checkpoint}",
        command=record.command,
        settings=_settings(record),
        environment=record.environment,
        resources=run.resources,
        parameters=sum(p.numel() for p in run.model.parameters()),
        classes=record.classes,
        splits=record.counts.get("images", {}),
        class_counts=record.counts.get("objects", {}),
        progress=load_progress(run.folder),
        history=run.history,
        metric=metric,
        stats=stats,
        **parts,
    )


def _settings(record: RunRecord) -> dict[str, dict[str, Any]]:
    return {
        "model": {"name": record.model, **record.arguments},
        "training": asdict(record.settings),
        "data": {
            "data": record.options.data,
            "validation": record.options.val or "its own split, or a held-out part",
            "image size": record.image_size,
            "augmentation": record.options.augment,
            "device": record.device,
            "precision of training": record.precision,
        },
    }
