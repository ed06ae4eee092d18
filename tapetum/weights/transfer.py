"""Weights of a file into a model: what fits is loaded, and a table says what became of the rest.

Files are read as data: safetensors, or PyTorch's .pth and .pt through its reader that builds
nothing but tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tapetum.backbones.backbone import Backbone
from tapetum.base.errors import CheckpointError, UsageError
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.structures import Model
from tapetum.weights.tensors_file import check_header, read_tensors, refuse_non_finite

Names = Callable[[str], str | None]
"""From our name of a weight to the file's, None where there is none."""

SUFFIXES = (".safetensors", ".pth", ".pt")
_WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Under which training scripts put the weights beside other objects."""
_COUNTERS = "num_batches_tracked"
"""Of batch norm: no result depends on it, and older files lack it."""


@dataclass(frozen=True)
class Transfer:
    """What became of each weight of a model when a file was loaded.

    Attributes:
        reused: names of weights that the file had.
        resized: names of weights that the file had in another shape, with both shapes.
        left_out: names of weights that the file had in a shape that does not fit, with both shapes.
        missing: names of weights that the file did not have.
        unused: names in the file that no weight of the model took.
    """

    reused: tuple[str, ...]
    resized: tuple[tuple[str, str], ...]
    left_out: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    def lines(self) -> list[str]:
        """A small table."""
        rows = [
            ("reused", len(self.reused), ""),
            ("resized", len(self.resized), _few(f"{n} {why}" for n, why in self.resized)),
            ("left out", len(self.left_out), _few(f"{n} {why}" for n, why in self.left_out)),
            ("random init", len(self.missing), _few(_groups(self.missing))),
            ("not needed", len(self.unused), _few(_groups(self.unused))),
        ]
        return [f"  {what:<12}{count:>4}  {text}".rstrip() for what, count, text in rows if count]


def read_weights(path: str | Path, limits: Limits = DEFAULT_LIMITS) -> dict[str, Tensor]:
    """The tensors of a file by name. Nothing in it is ever executed.

    Args:
        path: a .safetensors, .pth or .pt file.
        limits: of the header and the number of tensors.

    Returns:
        Tensors by name.

    Raises:
        CheckpointError: not there, not a file of weights, or with values that are not finite.
        UsageError: another kind of file.
    """
    path = Path(path)
    check_file(path, limits)
    if path.suffix == ".safetensors":
        return read_tensors(path, limits)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # its reader raises whatever the bytes lead to
        why = "not a file of weights that is safe to read"
        raise CheckpointError(f"{why}: {_first_line(error)}", file=path) from error
    tensors = _state(content, path)
    if len(tensors) > limits.tensors:
        raise CheckpointError(f"{len(tensors):,} tensors, more than {limits.tensors:,}", file=path)
    refuse_non_finite(tensors, path)
    return tensors


def check_file(path: Path, limits: Limits = DEFAULT_LIMITS) -> None:
    """Check by its name and its first bytes that a file may hold weights.

    Args:
        path: a .safetensors, .pth or .pt file.
        limits: of the header and the number of tensors.

    Raises:
        CheckpointError: not there, or not a file of weights.
        UsageError: another kind of file.
    """
    if path.suffix not in SUFFIXES:
        why = f"a file {path.suffix or 'without suffix'}; weights are read from"
        raise UsageError(f"{why} {', '.join(SUFFIXES)}", file=path)
    if not path.is_file():
        raise CheckpointError("no such file", file=path)
    if path.suffix == ".safetensors":
        check_header(path, limits)
    elif not _has_start_of_pytorch(path):
        raise CheckpointError("not a file of weights", file=path)


def _has_start_of_pytorch(path: Path) -> bool:
    """Does it begin as what torch.save writes: a .zip file, in older versions a pickle?"""
    try:
        with path.open("rb") as file:
            start = file.read(2)
    except OSError as error:
        why = f"cannot read: {error.strerror or error}"
        raise CheckpointError(why, file=path) from error
    return start == b"PK" or start[:1] == b"\x80"


def transfer(
    model: Model[Any],
    tensors: Mapping[str, Tensor],
    file: str | Path,
    epsilon: float = Backbone.norm_epsilon,
) -> Transfer:
    """Load what fits of `tensors` into a model, whichever code base named them.

    The names may be those of the model, of one of its `references`, or of a network that holds the
    same backbone. Weights in another shape are resized where the model's `resizable_weights` can; a
    last layer for other classes keeps its random start.

    Args:
        model: its weights are changed.
        tensors: weights by name.
        file: where they come from, for messages.
        epsilon: of the batch norms that the file was trained with.

    Returns:
        What was reused, resized, left out and missing.

    Raises:
        CheckpointError: nothing fits.
    """
    state = model.state_dict()
    names = max(_candidates(model, tensors), key=lambda names: _matches(state, tensors, names))
    if not _matches(state, tensors, names):
        raise CheckpointError("none of its weights fits this model", file=file)
    reused, resized, left_out, missing, taken = [], [], [], [], set()
    for name, value in state.items():
        theirs = names(name)
        if theirs is None or theirs not in tensors:
            if not name.endswith(_COUNTERS):
                missing.append(name)
            continue
        taken.add(theirs)
        fitted, text = _fit(model, name, value, tensors[theirs])
        if fitted is None:
            left_out.append((name, text))
            continue
        if name.endswith("running_var"):
            # Norms divide by the root of the sum of both.
            fitted = fitted + (epsilon - Backbone.norm_epsilon)
        state[name] = fitted.to(value.dtype)
        resized.append((name, text)) if text else reused.append(name)
    model.load_state_dict(state)
    unused = tuple(n for n in tensors if n not in taken and not n.endswith(_COUNTERS))
    return Transfer(tuple(reused), tuple(resized), tuple(left_out), tuple(missing), unused)


def _candidates(model: Model[Any], tensors: Mapping[str, Tensor]) -> Iterator[Names]:
    """All the ways to read a file's names, from ours."""
    yield _unchanged
    for renames in model.references.values():
        yield renames.theirs
    for name, module in model.named_modules():
        if isinstance(module, Backbone):
            for names in (_unchanged, *(known.theirs for known in module.references.values())):
                first = names(next(iter(module.state_dict())))
                for prefix in _prefixes(tensors, first) if first else ():
                    yield _moved(f"{name}.", prefix, names)


def _unchanged(name: str) -> str:
    return name


def _prefixes(tensors: Mapping[str, Tensor], first: str) -> list[str]:
    """Prefixes under which a file holds a network whose first weight has this name."""
    dotted = [name for name in tensors if f".{name}".endswith(f".{first}")]
    prefixes = sorted((name.removesuffix(first) for name in dotted), key=len)
    # A later layer may end with the name of the first one: of torchvision's ResNet, "conv1.weight".
    return [p for i, p in enumerate(prefixes) if not p.startswith(tuple(prefixes[:i]))]


def _moved(ours: str, theirs: str, names: Names) -> Names:
    """The names of what lies under `ours` here and under `theirs` there."""

    def moved(name: str) -> str | None:
        inside = names(name.removeprefix(ours)) if name.startswith(ours) else None
        return None if inside is None else theirs + inside

    return moved


def _matches(state: Mapping[str, Tensor], tensors: Mapping[str, Tensor], names: Names) -> int:
    """How many numbers of the model the file has by these names, in the same shape."""
    pairs = ((value, tensors.get(names(name) or "")) for name, value in state.items())
    return sum(v.numel() for v, t in pairs if t is not None and t.shape == v.shape)


def _fit(model: Model[Any], name: str, value: Tensor, theirs: Tensor) -> tuple[Tensor | None, str]:
    """The file's tensor in our shape, None if that cannot be; and both shapes where they differ."""
    text = f"{tuple(theirs.shape)} for {tuple(value.shape)}"
    if theirs.shape == value.shape:
        return theirs, ""
    resize = model.resizable_weights().get(name)
    return None if resize is None else resize(theirs, value), text


def _state(content: Any, path: Path) -> dict[str, Tensor]:
    """The weights in what a .pth held."""
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
            break
    if not isinstance(content, Mapping):
        raise CheckpointError("holds no weights by name", file=path)
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError("holds no weights by name", file=path)
    prefix = "module."  # of networks that were trained on several devices
    if all(name.startswith(prefix) for name in tensors):
        tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


def _groups(names: tuple[str, ...]) -> Iterator[str]:
    """Names without their last two parts, each once, with how many there are of it."""
    groups: dict[str, int] = {}
    for name in names:
        group = ".".join(name.split(".")[:2]) if name.count(".") > 1 else name
        groups[group] = groups.get(group, 0) + 1
    for group, count in groups.items():
        yield group if count == 1 else f"{group}.* ({count})"


def _few(names: Iterator[str], limit: int = 4) -> str:
    shown = list(names)
    return ", ".join(shown[:limit]) + (f" and {len(shown) - limit} more" if shown[limit:] else "")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__
