"""Tensors in a safetensors file: written, and read with the checks that the library leaves out."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from tapetum.base.bundle import Writer
from tapetum.base.errors import CheckpointError
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.structures import Model

_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,256}")


def read_tensors(path: Path, limits: Limits = DEFAULT_LIMITS) -> dict[str, Tensor]:
    """All tensors of a safetensors file by name.

    safetensors itself refuses overlaps and holes; refused here as well: a huge header, too many
    tensors, a name twice, other characters in names than letters, digits, "_", "." and "-", and
    values that are not finite.

    Args:
        path: the file.
        limits: of the header and the number of tensors.

    Returns:
        Tensors by name.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    check_header(path, limits)
    try:
        tensors = safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"not a safetensors file: {error}", file=path) from error
    refuse_non_finite(tensors, path)
    return tensors


def check_header(path: Path, limits: Limits = DEFAULT_LIMITS) -> None:
    """Check the header of a safetensors file.

    Args:
        path: the file.
        limits: of the header and the number of tensors.

    Raises:
        CheckpointError: not such a file, a header that is too large, or names of no weights.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > limits.header_bytes:
                raise CheckpointError("not a safetensors file: its header is too large", file=path)
            header = json.loads(file.read(length), object_pairs_hook=_unique)
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"not a safetensors file: {error}", file=path) from error
    names = [name for name in header if name != "__metadata__"]
    if len(names) > limits.tensors:
        raise CheckpointError(f"{len(names):,} tensors, more than {limits.tensors:,}", file=path)
    for name in names:
        if not _NAME.fullmatch(name):
            raise CheckpointError("not a name for a weight", file=path, where=name[:80])


def tensors_writer(tensors: Mapping[str, Tensor]) -> Writer:
    """The function that writes tensors to a safetensors file.

    Args:
        tensors: by name, on any device.

    Returns:
        A function of the path.
    """
    dense = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}

    def write(path: Path) -> None:
        try:
            safetensors.torch.save_file(dense, path)
        except safetensors.SafetensorError as error:
            raise _os_error(error) from error

    return write


def refuse_unsavable(model: Model[Any]) -> None:
    """Check before a training that the weights of a model can be saved and read again.

    Args:
        model: the model.

    Raises:
        CheckpointError: one has a name that no checkpoint may have, is no tensor or not finite.
    """
    state = model.state_dict()
    for name in state:
        if not _NAME.fullmatch(name):
            hint = "letters, digits, _ and - (of modules in a ModuleDict, too)"
            raise CheckpointError("not a name for a weight", where=name[:80], hint=hint)
        if not isinstance(state[name], Tensor):
            why = f"a {type(state[name]).__name__} in the model's state; only tensors are saved"
            hint = "get_extra_state must give a tensor; a tensor of bytes holds anything"
            raise CheckpointError(why, where=name[:80], hint=hint)
    refuse_non_finite(state, "the new model")


def refuse_non_finite(tensors: Mapping[str, Tensor], file: str | Path) -> None:
    """Check that all values are finite.

    Args:
        tensors: by name; integers always pass.
        file: where they come from, for messages.

    Raises:
        CheckpointError: a value is NaN or infinite.
    """
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise CheckpointError("holds values that are not finite", file=file, where=name)


def _os_error(error: Exception) -> OSError:
    """The error of the system in one of safetensors, which states its number in the message."""
    number = re.search(r"\(os error (\d+)\)", str(error))
    if number is None:
        return OSError(str(error))
    return OSError(int(number[1]), os.strerror(int(number[1])))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name occurs twice in its header")
    return result
