"""What the report of any task says: the run, its settings, its learning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from tapetum.data.dataset import Dataset
from tapetum.reporting.contents import ReportContents
from tapetum.structures import Prediction, Target
from tapetum.training.run import RunRecord

SHEETS, CROPS, MAPS = 6, 8, 6
"""Most pictures, details and heat maps that a report shows of a kind."""


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run and the pictures that it is shown on.

    predict: a picture (3, H, W) to an answer. explain: a picture and what is to be explained to a
    heat map (H, W) in [0, 1], or None where the model's score cannot be differentiated.
    checkpoint: in words, as in "step 400, the best". resources: what it cost.
    """

    record: RunRecord
    history: Sequence[Mapping[str, Any]]
    dataset: Dataset
    model: nn.Module
    predict: Callable[[Tensor], Prediction]
    explain: Callable[[Tensor, Target], Tensor] | None
    checkpoint: str
    resources: Mapping[str, Any]


def frame(run: Run, stats: Mapping[str, float], metric: str, **parts: Any) -> ReportContents:
    """The report of a run; `parts` are the fields of ReportContents that its task fills."""
    record = run.record
    verdicts = [*parts.pop("verdicts"), *learning_verdicts(run.history, metric)]
    return ReportContents(
        title=f"{record.model} on {Path(record.data).name}",
        subtitle=f"{run.dataset.name}: {len(run.dataset)} pictures, with {run.checkpoint}",
        verdicts=verdicts,
        command=record.command,
        settings=_settings(record),
        environment=record.environment,
        resources=run.resources,
        parameters=sum(p.numel() for p in run.model.parameters()),
        classes=record.classes,
        splits=record.counts.get("pictures", {}),
        class_counts=record.counts.get("objects", {}),
        history=run.history,
        metric=metric,
        stats=stats,
        **parts,
    )


def learning_verdicts(history: Sequence[Mapping[str, Any]], metric: str) -> list[str]:
    """What the log says of the training, in sentences."""
    steps = [row for row in history if row.get("event") == "step"]
    points = [row[metric] for row in history if row.get("event") == "evaluation" and metric in row]
    sentences = []
    if len(points) >= 3 and points[-1] - points[-2] > 0.01:
        sentences.append(
            f"{metric} was still rising at the end (from {points[-2]:.3f} to {points[-1]:.3f}): "
            f"more --epochs would help."
        )
    if len(points) >= 3 and max(points) - points[-1] > 0.02:
        sentences.append(
            f"{metric} fell from {max(points):.3f} to {points[-1]:.3f}: the model learnt the "
            f"training pictures by heart. The best checkpoint is kept; more pictures or stronger "
            f"--augment."
        )
    waits = [row["data_wait"] / row["seconds"] for row in steps if row.get("seconds")]
    if waits and float(np.mean(waits)) > 0.3:
        sentences.append(
            f"{100 * float(np.mean(waits)):.0f} % of the time went into waiting for pictures: "
            f"use --workers."
        )
    return sentences


def _settings(record: RunRecord) -> dict[str, dict[str, Any]]:
    return {
        "model": {"name": record.model, **record.arguments},
        "training": asdict(record.settings),
        "data": {
            "data": record.data,
            "validation": record.val or "its own split, or a held-out part",
            "image size": record.image_size,
            "augmentation": record.augment,
            "device": record.device,
            "precision of training": record.precision,
        },
    }
