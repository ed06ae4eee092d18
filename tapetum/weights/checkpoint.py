"""A model on disk: model.safetensors and model.json in a bundle. Data, never code.

A run has its checkpoints in RUN/checkpoints/step-00000120. "last" is the newest that is intact and
"best" the intact one with the highest metric. Both are searched each time; there is no link to
them, so that a crash at any moment leaves a run that loads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from tapetum.base.bundle import Writer, bundles, read_manifest, verify_bundle
from tapetum.base.errors import CheckpointError
from tapetum.base.files import refuse_link
from tapetum.models.custom import as_model
from tapetum.runs.aliases import current_record, current_state
from tapetum.runs.model_info import ModelInfo
from tapetum.runs.record import no_such_run
from tapetum.structures import FIT, Model
from tapetum.weights.tensors_file import read_tensors, refuse_non_finite, tensors_writer

WEIGHTS, MODEL_INFO, FOLDER = "model.safetensors", "model.json", "checkpoints"


def model_parts(state: Mapping[str, Tensor], model_info: ModelInfo) -> dict[str, Writer]:
    """The two files of a model as parts of a bundle.

    Args:
        state: weights by name.
        model_info: how to build the model and to read its predictions.

    Returns:
        File name -> function that writes it, for `write_bundle`.

    Raises:
        CheckpointError: a weight is not finite; such a model is never published.
    """
    refuse_non_finite(state, MODEL_INFO)
    text = json.dumps(asdict(model_info), indent=2, allow_nan=False, ensure_ascii=False)
    return {WEIGHTS: tensors_writer(state), MODEL_INFO: text_writer(text)}


def text_writer(text: str) -> Writer:
    """The function that writes a text file.

    Args:
        text: the content; a newline is added.

    Returns:
        A function of the path.
    """

    def write(path: Path) -> None:
        path.write_text(text + "\n", "utf-8")

    return write


def step_folder(run: Path, step: int) -> Path:
    """The folder of the checkpoint of a step.

    Args:
        run: the run folder.
        step: the number of the step.

    Returns:
        RUN/checkpoints/step-N.

    Raises:
        FileAccessError: it would be written through a link.
    """
    refuse_link(run / FOLDER)
    return run / FOLDER / f"step-{step:08d}"


def refuse_links(run: Path) -> None:
    """Check that all checkpoints lie in the run itself, before it is resumed and deletes old ones.

    Args:
        run: the run folder.

    Raises:
        FileAccessError: one of them, or their folder, is a link.
    """
    refuse_link(run / FOLDER)
    for folder in sorted((run / FOLDER).glob("*")):
        refuse_link(folder)


def load_model(
    folder: Path, find: Callable[[ModelInfo], Callable[..., Model[Any]]]
) -> tuple[Model[Any], ModelInfo]:
    """Build the model that a bundle describes and load its weights.

    Args:
        folder: the bundle.
        find: gives the function that builds the model of a model.json.

    Returns:
        The model with its weights, and its model.json.

    Raises:
        CheckpointError: damaged, of an unknown model, or with weights that do not fit.
        UsageError: the function builds no `tapetum.Model`.
    """
    verify_bundle(folder)
    model_info = read_model_info(folder)
    function = find(model_info)
    try:
        built = function(**model_info.arguments)
    except (TypeError, ValueError) as error:
        why = f"{model_info.model} refuses these arguments: {error}"
        raise CheckpointError(why, file=folder / MODEL_INFO) from error
    model = as_model(built, model_info.model)
    fill(model, read_weights_of(folder), folder / WEIGHTS)
    return model, model_info


def read_weights_of(folder: Path) -> dict[str, Tensor]:
    """The weights of a bundle by today's names, whichever version wrote it.

    Args:
        folder: the bundle.

    Returns:
        Weights by name.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    tensors = read_tensors(folder / WEIGHTS)
    return current_state(tensors, read_model_info(folder).model)


def read_model_info(folder: Path) -> ModelInfo:
    """The model.json of a bundle.

    Args:
        folder: the bundle.

    Returns:
        Its content.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    path = folder / MODEL_INFO
    try:
        raw = current_record(json.loads(path.read_text("utf-8")))
        return ModelInfo(
            str(raw["model"]),
            dict(raw["arguments"]),
            tuple(map(str, raw["classes"])),
            tuple(raw["class_ids"]),
            dict(raw["facts"]),
            tuple(map(str, raw.get("keypoint_names", ()))),
            tuple((int(a), int(b)) for a, b in raw.get("skeleton", ())),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"not readable: {error!r}", file=path) from error


def fill(model: Model[Any], tensors: Mapping[str, Tensor], file: Path) -> None:
    """Copy tensors into a model.

    Args:
        model: its weights are changed.
        tensors: names and shapes must be exactly those of the model; the buffers of a model that is
            fitted may differ in length.
        file: where they come from, for messages.

    Raises:
        CheckpointError: a name or a shape differs.
    """
    state = model.state_dict()
    missing, unknown = sorted(state.keys() - tensors.keys()), sorted(tensors.keys() - state.keys())
    if missing or unknown:
        why = f"{len(missing)} weights missing {missing[:3]}, {len(unknown)} unknown {unknown[:3]}"
        raise CheckpointError(why, file=file, hint="it is of another model")
    # A fitted model may keep a row for each sample, as k-NN does.
    free = 1 if FIT in model.phases else 0
    for name, value in state.items():
        if value.shape[free:] != tensors[name].shape[free:]:
            why = f"expected shape {tuple(value.shape)}, got {tuple(tensors[name].shape)}"
            raise CheckpointError(why, file=file, where=name)
    try:
        model.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise CheckpointError(f"its weights do not fit: {error}", file=file) from error


def find_checkpoint(run: Path, which: str = "best") -> tuple[Path, list[str]]:
    """The best or last intact checkpoint of a run.

    Args:
        run: a run folder, or a checkpoint itself.
        which: "best" or "last".

    Returns:
        The folder of the checkpoint, and a line about each damaged one that was passed over.

    Raises:
        UsageError: no such folder.
        CheckpointError: there is none, or it cannot be read.
    """
    try:
        return _find_checkpoint(run, which)
    except OSError as error:
        why = f"cannot read: {error.strerror or error}"
        raise CheckpointError(why, file=error.filename or run) from error


def _find_checkpoint(run: Path, which: str) -> tuple[Path, list[str]]:
    if (run / "manifest.json").is_file():
        return run, []
    if not run.is_dir():
        raise no_such_run(run)
    complaints, errors = [], []
    for folder, facts in ranked_checkpoints(run, which):
        try:
            verify_bundle(folder)
        except CheckpointError as error:
            complaints.append(str(error))
            errors.append(error)
            continue
        if complaints:
            complaints.append(f"using {folder.name} (step {facts['step']}) instead")
        return folder, complaints
    if errors:
        why = f"no intact checkpoint: {errors[0].file}: {errors[0].why}"
        raise CheckpointError(why, file=run, hint="restore it from a copy, or train again")
    hint = "tapetum train with `resume` continues it"
    raise CheckpointError("holds no checkpoint yet", file=run, hint=hint)


def ranked_checkpoints(run: Path, which: str) -> list[tuple[Path, dict[str, Any]]]:
    """Checkpoints of a run with the facts of their manifests.

    Args:
        run: a run folder.
        which: "best" puts the highest metric first, "last" the newest.

    Returns:
        Folders and facts, without those whose manifest cannot be read.
    """
    ranked = []
    for folder in reversed(bundles(run / FOLDER, "step-*")):
        try:
            ranked.append((folder, read_manifest(folder)))
        except CheckpointError:
            continue
    if which == "best":
        # Stable: among equals the newest comes first; without any metric the newest is best.
        ranked.sort(key=lambda item: _metric(item[1]), reverse=True)
    return ranked


def _metric(facts: Mapping[str, Any]) -> float:
    value = facts.get("metric")
    return float("-inf") if value is None else float(value)
