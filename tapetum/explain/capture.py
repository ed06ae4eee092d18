"""Outputs of a layer in a forward pass, and the gradient of a logit with respect to them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from tapetum.structures import ExplainLayer


@contextlib.contextmanager
def captured(module: nn.Module) -> Iterator[list[Any]]:
    """Every output of `module` while inside, in the order of its calls.

    The rest of the model gets copies: an activation that works in place would otherwise overwrite
    what was captured. The hook is gone afterwards, also after an exception.
    """
    calls: list[Any] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        calls.append(output)
        return map_tensors(output, Tensor.clone)

    handle = module.register_forward_hook(keep)
    try:
        yield calls
    finally:
        handle.remove()


def map_tensors(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """`value` with `function` applied to each tensor in it: tuples, lists and dicts, nested."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_tensors(part, function) for part in value))
    if isinstance(value, (tuple, list)):
        return type(value)(map_tensors(part, function) for part in value)
    if isinstance(value, dict):
        return type(value)((key, map_tensors(part, function)) for key, part in value.items())
    return value


def map_and_gradient(
    score: Tensor, calls: list[Any], layer: ExplainLayer
) -> tuple[Tensor, Tensor] | None:
    """A layer's map and the gradient of `score` (a scalar) on it, each (B, C, h, w), detached.

    The gradient is taken on the module's output as it is, and then goes through the layer's
    function like the output itself; so that function may select and rearrange (a level of a
    pyramid, tokens to a grid), not compute. Of several calls, as of a head that all levels of a
    pyramid share, the one with the largest gradient counts: the one the score came from.

    Returns None if the score depends on none of the calls.
    """
    tensors: list[Tensor] = []
    map_tensors(calls, lambda t: tensors.append(t) or t)  # type: ignore[func-returns-value]
    tensors = [tensor for tensor in tensors if tensor.requires_grad]
    if not tensors or not score.requires_grad:
        return None
    gradients = torch.autograd.grad(score, tensors, allow_unused=True)
    known = {id(t): g for t, g in zip(tensors, gradients, strict=True) if g is not None}
    if not known:
        return None
    _, to_map = layer
    pairs = [
        (to_map(call), to_map(map_tensors(call, lambda t: known.get(id(t), torch.zeros_like(t)))))
        for call in calls
    ]
    activation, gradient = max(pairs, key=lambda pair: float(pair[1].abs().sum()))
    return activation.detach(), gradient.detach()
