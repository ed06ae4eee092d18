"""Custom code: what the user names may be run, what a run names is checked first."""

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
    """What a run records of the file of a custom model.

    Args:
        model: a name in the catalog, or "FILE.py:FUNCTION".

    Returns:
        The digest of the file; empty for models of the catalog.
    """
    custom = custom_function(model)
    return {} if custom is None else {DIGEST: custom.digest()}


def named_by_user(*values: Any) -> None:
    """Trust code that is named in a command line or a call, until its file changes.

    Args:
        values: values of options; those that name no code, and samples, are ignored.

    Raises:
        UsageError: no such file.
    """
    for value in values:
        if isinstance(value, str) and (custom := custom_function(value)) is not None:
            custom.keep()


def model_named(model: str, named: str | None, run: Path) -> str:
    """The model of a run, or the file that the user names in its place.

    Raises:
        UsageError: not "FILE.py:FUNCTION", no such file, or the run is not of a custom model.
    """
    if named is None:
        return model
    custom = custom_function(named)
    if custom is None or custom_function(model) is None:
        why = f"must name the code of the run's model, FILE.py:FUNCTION, not {named}: {model}"
        raise UsageError(why, file=run, option=MODEL)
    custom.keep()
    return str(custom)


def data_named(named: str, option: str, run: Path, *known: str | None) -> None:
    """Trust code that the user names and that a run takes images from.

    Raises:
        UsageError: the run takes no images from it, or there is no such file.
    """
    custom = custom_function(named)
    if custom is None or str(custom) not in known:
        code = " and ".join(name for name in known if name is not None)
        why = f"must name the code of the run's data, not {named}: {code}"
        raise UsageError(why, file=run, option=option)
    custom.keep()


def named_again(
    record: RunRecord, run: Path, model: str | None, data: Any = None, val: Any = None
) -> RunRecord:
    """Trust code of a run that the user names again.

    Args:
        record: of the run.
        run: the run folder.
        model: "FILE.py:FUNCTION", the code of its model; None where it is not named.
        data: likewise of its images; samples are ignored.
        val: likewise of its images for validation.

    Returns:
        The record, with the named model.

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
    """The function that builds the model of a checkpoint.

    Args:
        model_info: of the checkpoint.
        folder: the checkpoint.
        log: is called if the file of a custom model has changed.

    Returns:
        A function whose keywords are the model's arguments.

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
    """Check the file of a custom model before it is run.

    Args:
        model: a name in the catalog, or "FILE.py:FUNCTION".
        environment: as the run recorded it.
        folder: the run, or a checkpoint in it.
        log: is called if the file has changed.

    Raises:
        CheckpointError: see `refuse_code_of_run`.
    """
    refuse_code_of_run(model, MODEL, folder)
    custom = custom_function(model)
    if custom is not None and environment.get(DIGEST) not in (None, custom.digest()):
        log(f"{custom.file} has changed since the run was trained")


def refuse_code_of_run(value: str | None, option: str, run: Path) -> None:
    """Refuse code that a run names and the user has not named.

    A relative path is refused as well, because it means another file in each folder.

    Args:
        value: "FILE.py:FUNCTION" in the record of a run; anything else is ignored.
        option: the argument that names this code.
        run: the run, for the message.

    Raises:
        CheckpointError: the user has not named it, or its file has changed since, or is missing.
    """
    if not isinstance(value, str) or (custom := custom_function(value)) is None:
        return
    again = f"if you trust it, name it: `{option}` {shlex.quote(str(custom))}"
    if not Path(value.rpartition(":")[0]).is_absolute():
        raise CheckpointError(f"it names code by a relative path: {value}", file=run, hint=again)
    try:
        custom.source()
    except UsageError as error:
        raise CheckpointError(f"its code {custom}: {error.why}", file=run, hint=again) from error


def refuse_code(model: str, data: str, val: str | None, run: Path) -> None:
    """Check all code that a run names before any of it is run.

    Args:
        model: the run's model.
        data: its images.
        val: its images for validation; None: of `data`.
        run: the run folder, for the message.

    Raises:
        CheckpointError: code that the user has not named, see `refuse_code_of_run`.
    """
    for value, option in ((model, MODEL), (data, DATA), (val, VAL)):
        refuse_code_of_run(value, option, run)
