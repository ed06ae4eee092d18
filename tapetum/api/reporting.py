"""RUN/report.html: one file that tells the whole run."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tapetum.api.loaded import load
from tapetum.api.measuring import evaluation_dataset, measure_loaded
from tapetum.base.files import write_json
from tapetum.base.progress import Progress, Say, silent, unseen
from tapetum.reporting import write_report
from tapetum.reporting.gather import gather
from tapetum.reporting.run import Run
from tapetum.structures import Target
from tapetum.training.history import read_history
from tapetum.training.run import read_run

FILE, NUMBERS = "report.html", "evaluation.json"


def report(
    run: str | Path,
    *,
    split: str | None = None,
    device: str = "auto",
    progress: Progress = unseen,
    say: Say = silent,
) -> Path:
    """Measure a run and write RUN/report.html, whose path is returned, and RUN/evaluation.json.

    split: the pictures to show; by default "test" where the data has one, else "val".
    """
    folder = Path(run)
    record, history = read_run(folder), read_history(folder)
    loaded = load(folder, device=device, say=say)
    dataset = evaluation_dataset(folder, None, split, loaded.task.need, say)
    say(f"{dataset.name}: {len(dataset)} pictures; {loaded.folder.name}, {loaded.runtime}")
    started = time.perf_counter()
    measured = measure_loaded(loaded, dataset, progress=progress)
    per_picture = (time.perf_counter() - started) / max(1, len(dataset))

    def explain(picture: Tensor, target: Target) -> Tensor:
        return loaded.explain(picture, target)

    numbers = {"data": dataset.name, "checkpoint": loaded.folder.name, **measured.stats}
    write_json(folder / NUMBERS, numbers)
    shown = Run(
        record=record,
        history=history,
        dataset=dataset,
        model=loaded.model,
        predict=loaded.predict,
        explain=explain if explainable(loaded.model) else None,
        checkpoint=f"{loaded.folder.name} (the best)",
        resources=_resources(history) | {"a picture": f"{1000 * per_picture:.0f} ms"},
    )
    write_report(folder / FILE, gather(loaded.task.name, shown, measured))
    return folder / FILE


def explainable(model: nn.Module) -> bool:
    """Can Grad-CAM, which reports show, look into this model?"""
    return bool(model.differentiable) and bool(model.explain_layers())  # type: ignore[operator]


def _resources(history: list[dict[str, Any]]) -> dict[str, Any]:
    """What the training cost, from its log."""
    steps = [row for row in history if row["event"] == "step"]
    seconds = sum(row["seconds"] for row in steps)
    looking = sum(row["evaluation_seconds"] for row in history if row["event"] == "evaluation")
    waiting = sum(row["data_wait"] for row in steps)
    found = {
        "steps": len(steps),
        "training": f"{seconds / 60:.1f} min",
        "evaluating": f"{looking / 60:.1f} min",
        "waiting for data": f"{100 * waiting / seconds:.0f} %" if seconds else "-",
    }
    return found | _peak_memory()


def _peak_memory() -> dict[str, str]:
    """The most memory that this process had, where the system tells."""
    if sys.platform == "win32":
        return {}
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return {"peak memory of this process": f"{peak / unit:,.0f} MiB"}
