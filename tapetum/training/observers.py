"""Observers: objects that are called during a training, and may stop it.

They get copies: with and without observers a training has the same bits.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from tapetum.structures import Batch, Model


class Observer(Protocol):
    """Is called with the events of a training.

    `on_step` may return True: the training then ends after this step, as it ends after its last.
    """

    def on_start(self, total_steps: int, first_step: int) -> None: ...
    def on_step(self, row: dict[str, Any], state: StepView) -> bool | None: ...
    def on_evaluation(self, row: dict[str, Any]) -> None: ...
    def on_end(self) -> None: ...


@dataclass(frozen=True)
class StepView:
    """A read-only view of a training after a step; valid during `on_step`.

    Each access copies, so that what an observer does with a value changes nothing, and what is
    not read costs nothing.
    """

    _model: Model[Any]
    _batch: Batch
    _output: Any

    def model(self) -> Model[Any]:
        """A copy of the model, after the step, in evaluation mode and without gradients."""
        copied_model = copy.deepcopy(self._model).eval()
        copied_model.zero_grad(set_to_none=True)
        return copied_model

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """The parameters after the step, by name."""
        return _Copies(dict(self._model.named_parameters()))

    @property
    def gradients(self) -> Mapping[str, Tensor]:
        """The gradients of this step, as the optimizer saw them, by name of their parameter.

        They are summed over micro-batches and clipped; parameters without one are left out, and
        all of them after a step that was skipped because a gradient overflowed fp16.
        """
        parameters = self._model.named_parameters()
        return _Copies({name: p.grad for name, p in parameters if p.grad is not None})

    @property
    def batch(self) -> Batch:
        """The preprocessed batch with its targets; the last micro-batch where there are several."""
        return copied(self._batch)

    @property
    def output(self) -> Any:
        """What the model's `forward` gave for `batch`, before the step, without a graph."""
        return copied(self._output)


class _Copies(Mapping[str, Tensor]):
    """Tensors by name, copied when they are looked up."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name].detach().clone()

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


def copied(value: Any) -> Any:
    """A copy of all tensors in tuples, lists, dicts and dataclasses, without their graphs."""
    return copy.deepcopy(without_graph(value))


def without_graph(value: Any) -> Any:
    """The same tensors without their graphs, in tuples, lists, dicts and dataclasses."""
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, tuple | list):
        inner = [without_graph(item) for item in value]
        return type(value)(*inner) if hasattr(value, "_fields") else type(value)(inner)
    if isinstance(value, dict):
        return {key: without_graph(item) for key, item in value.items()}
    return value


def name_of(observer: Observer) -> str:
    """The name in messages of an observer that stops a training."""
    return getattr(observer, "name", type(observer).__name__)
