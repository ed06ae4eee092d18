"""Runs of one's own model: which file they need, whether it changed, and when it is not run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from tapetum.base.errors import CheckpointError
from tapetum.base.own import own_function
from tapetum.base.progress import Say, silent
from tapetum.models import MODELS, model_function
from tapetum.models.checkpoint import CARD, Card
from tapetum.training.run import FILE

DIGEST = "sha256 of the model's file"


def own_facts(model: str) -> dict[str, str]:
    """What a run records of the file of one's own model, beside its name; nothing of others."""
    own = own_function(model)
    return {} if own is None else {DIGEST: own.digest()}


def function_of_run(card: Card, folder: Path, say: Say = silent) -> Callable[..., nn.Module]:
    """The function of the model of a checkpoint.

    Raises:
        CheckpointError: an unknown model, or see `check_own`.
    """
    if card.model not in MODELS and own_function(card.model) is None:
        raise CheckpointError(f"unknown model {card.model!r}", file=folder / CARD)
    environment = card.facts.get("environment")
    check_own(card.model, environment if isinstance(environment, dict) else {}, folder, say)
    return model_function(card.model)


def check_own(model: str, environment: Mapping[str, Any], folder: Path, say: Say = silent) -> None:
    """Before the file of one's own model is run because a run says so: is it the file it was?

    environment: as the run recorded it. folder: the run, or a checkpoint in it. say: is told if
    the file has changed.

    Raises:
        CheckpointError: it is not there; or the run brings it along, and so may be a stranger's.
    """
    own = own_function(model)
    if own is None:
        return
    named = Path(model.rpartition(":")[0])
    root = run_root(folder)
    if not named.is_absolute() or root in own.file.parents:
        why = "the run names code that comes with it, which is not run"
        raise CheckpointError(why, file=root, where=str(named), hint="keep models outside of runs")
    if not own.file.is_file():
        why = f"the file of its model is gone: {own.file}"
        raise CheckpointError(why, file=root, hint="put it back there")
    if environment.get(DIGEST) not in (None, own.digest()):
        say(f"{own.file} has changed since the run was trained")


def run_root(folder: Path) -> Path:
    """The run that a checkpoint lies in; the folder itself where there is none above."""
    folder = folder.resolve()
    return next((p for p in (folder, *folder.parents) if (p / FILE).is_file()), folder)
