"""The checkpoint of a run folder, whose run.json must be there and agree with it."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from tapetum.base.bundle import MANIFEST
from tapetum.base.errors import CheckpointError, UsageError
from tapetum.models.catalog import CATALOG
from tapetum.models.custom import is_custom
from tapetum.runs.model_info import ModelInfo
from tapetum.runs.record import FILE, no_such_run, read_run
from tapetum.weights.checkpoint import find_checkpoint, read_model_info
from tapetum.weights.published import all_published, network_name

SHOWN = 60
"""Characters of a value in an error."""


def checkpoint_of_run(run: Path, which: str = "best") -> tuple[Path, list[str]]:
    """The best or last intact checkpoint of a run that is whole.

    Args:
        run: a run folder, or a checkpoint itself, which needs no run.json.
        which: "best" or "last".

    Returns:
        The folder of the checkpoint, and a line about each damaged one that was passed over.

    Raises:
        UsageError: no such folder, or not a run.
        CheckpointError: run.json is damaged or of another model, or there is no intact checkpoint.
    """
    if run.is_dir() and not (run / MANIFEST).exists():
        recorded = read_run(run).model_info()
        folder, complaints = find_checkpoint(run, which)
        refuse_mismatch(recorded, read_model_info(folder), run / FILE, folder)
        return folder, complaints
    return find_checkpoint(run, which)


def neither_run_nor_network(run: Path) -> UsageError:
    """The error of a path or name that is no folder and no published network.

    Args:
        run: the path or name.

    Returns:
        The error, with the name that is probably meant.
    """
    if str(run) in CATALOG:
        return no_such_run(run, "no weights are published for this model: train it first")
    names = [network_name(weights) for weights in all_published()]
    close = get_close_matches(str(run), names)
    return no_such_run(run, f"did you mean {' or '.join(close)}?") if close else no_such_run(run)


def refuse_mismatch(recorded: ModelInfo, saved: ModelInfo, file: Path, checkpoint: Path) -> None:
    """Check that a run.json is of the same model as a checkpoint of the run.

    The file of a custom model may have moved.

    Args:
        recorded: of run.json.
        saved: of the checkpoint.
        file: the run.json.
        checkpoint: its folder.

    Raises:
        CheckpointError: another model, or other arguments, classes or keypoints.
    """
    for name in ("model", "arguments", "classes", "class_ids", "keypoint_names", "skeleton"):
        ours, theirs = getattr(recorded, name), getattr(saved, name)
        if ours == theirs or (name == "model" and is_custom(ours) and is_custom(theirs)):
            continue
        if name == "arguments":
            name, ours, theirs = _first_difference(ours, theirs)
        why = f"{_short(ours)}, but {_short(theirs)} in the checkpoint {checkpoint.name}"
        raise CheckpointError(why, file=file, where=name, hint=f"{checkpoint} can be used alone")


def _first_difference(ours: dict, theirs: dict) -> tuple[str, object, object]:
    names = sorted(ours.keys() | theirs.keys())
    name = next(n for n in names if ours.get(n, ...) != theirs.get(n, ...))
    return f"arguments.{name}", ours.get(name), theirs.get(name)


def _short(value: object) -> str:
    text = str(list(value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."
