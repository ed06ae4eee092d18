"""Code of the user's own: what he names himself may be run, what a run names is looked at first."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tapetum.base.custom_code import custom_function
from tapetum.base.errors import CheckpointError, UsageError
from tapetum.base.progress import Log, no_log
from tapetum.models import CATALOG
from tapetum.models.catalog import model_function
from tapetum.runs.model_info import ModelInfo
from tapetum.runs.record import RunRecord
from tapetum.structures import Model
from tapetum.weights.checkpoint import MODEL_INFO

DIGEST = "sha256 of the model's file"
MODEL, DATA, VAL = "model", "data", "val"


def custom_code_facts(model: str) -> dict[str, str]:
    """What a run records of the file of one's own model, beside its name; nothing of others."""
    own = custom_function(model)
    return {} if own is None else {DIGEST: own.digest()}


def named_by_user(*words: Any) -> None:
    """Words of a command line or of a call: code that they name may be run, now and later, as long
    as its file stays the same. Other words, and samples, are left alone.

    Raises:
        UsageError: no such file.
    """
    for each in words:
        if isinstance(each, str) and (own := custom_function(each)) is not None:
            own.keep()


def model_named(model: str, named: str | None, run: Path) -> str:
    """The model of a run, or where the user named the file of it again, what he named.

    Raises:
        UsageError: not "FILE.py:FUNCTION", no such file, or the run is not of one's own model.
    """
    if named is None:
        return model
    own = custom_function(named)
    if own is None or custom_function(model) is None:
        why = f"names the run's own model again, FILE.py:FUNCTION, not {named}: {model}"
        raise UsageError(why, file=run, option=MODEL)
    own.keep()
    return str(own)


def data_named(named: str, option: str, run: Path, *known: str | None) -> None:
    """The user names code again that his run takes images from.

    Raises:
        UsageError: the run takes none from there, or there is no such file.
    """
    own = custom_function(named)
    if own is None or str(own) not in known:
        there = " and ".join(words for words in known if words is not None)
        why = f"names the run's own code again, not {named}: {there}"
        raise UsageError(why, file=run, option=option)
    own.keep()


def named_again(
    record: RunRecord, run: Path, model: str | None, data: Any = None, val: Any = None
) -> RunRecord:
    """The record of a run of which the user names code again; the rest of it, and samples, are left
    alone.

    Raises:
        UsageError: it is not the code of the run.
    """
    if isinstance(data, str):
        data_named(data, DATA, run, record.options.data, record.options.val)
    if isinstance(val, str):
        data_named(val, VAL, run, record.options.val)
    return replace(record, model=model_named(record.model, model, run))


def function_of_run(
    model_info: ModelInfo, folder: Path, log: Log = no_log
) -> Callable[..., Model[Any]]:
    """The function of the model of a checkpoint.

    Raises:
        CheckpointError: an unknown model, or see `check_model_file`.
    """
    if model_info.model not in CATALOG and custom_function(model_info.model) is None:
        raise CheckpointError(f"unknown model {model_info.model!r}", file=folder / MODEL_INFO)
    environment = model_info.facts.get("environment")
    check_model_file(
        model_info.model, environment if isinstance(environment, dict) else {}, folder, log
    )
    return model_function(model_info.model)


def check_model_file(
    model: str, environment: Mapping[str, Any], folder: Path, log: Log = no_log
) -> None:
    """Before the file of one's own model is run: may it be, and is it the file it was?

    environment: as the run recorded it. folder: the run, or a checkpoint in it. say: is told if
    the file has changed.

    Raises:
        CheckpointError: see `refuse_code_of_run`.
    """
    refuse_code_of_run(model, MODEL, folder)
    own = custom_function(model)
    if own is not None and environment.get(DIGEST) not in (None, own.digest()):
        log(f"{own.file} has changed since the run was trained")


def refuse_code_of_run(words: str | None, option: str, run: Path) -> None:
    """Words of a run that name code: it is run only if the user named it himself, and not by a
    relative path, which would mean another file in each folder.

    Raises:
        CheckpointError: he did not; the file is not what it was then; it is gone.
    """
    if not isinstance(words, str) or (own := custom_function(words)) is None:
        return
    again = f"if you trust it, name it: `{option}` {shlex.quote(str(own))}"
    if not Path(words.rpartition(":")[0]).is_absolute():
        raise CheckpointError(f"it names code by a relative path: {words}", file=run, hint=again)
    try:
        own.source()
    except UsageError as error:
        raise CheckpointError(f"its code {own}: {error.why}", file=run, hint=again) from error


def refuse_code(model: str, data: str, val: str | None, run: Path) -> None:
    """Look at all that a run names before any of it is run.

    Raises:
        CheckpointError: code that the user did not name himself, see `refuse_code_of_run`.
    """
    for words, option in ((model, MODEL), (data, DATA), (val, VAL)):
        refuse_code_of_run(words, option, run)
