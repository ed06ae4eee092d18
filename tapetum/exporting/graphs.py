"""The graphs of a model as modules that ONNX can hold: tensors in, tensors out."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from tapetum.base.errors import UsageError
from tapetum.structures import ExportGraph, ExportRule, Model

_HINT = "it must implement export_graphs() and export_rule(); of the built-in models knn does not"


class GraphModule(nn.Module):
    """A graph as a module, with the weights of its model."""

    def __init__(self, model: Model[Any], graph: ExportGraph) -> None:
        super().__init__()
        self.model = model
        self.function = graph.function

    def forward(self, values: Tensor) -> tuple[Tensor, ...]:
        return self.function(values)


def graphs_of(model: Model[Any]) -> list[ExportGraph]:
    """The graphs of a model; the first one takes images.

    Args:
        model: in evaluation mode.

    Raises:
        UsageError: it has none.
    """
    graphs = model.export_graphs()
    if not graphs:
        raise UsageError(f"{type(model).__name__} has no graphs to export", hint=_HINT)
    return graphs


def rule_of(model: Model[Any]) -> ExportRule:
    """How a client prepares images for a model and reads its outputs.

    Raises:
        UsageError: it has no such rule.
    """
    rule = model.export_rule()
    if rule is None:
        raise UsageError(f"{type(model).__name__} has no rule to export", hint=_HINT)
    return rule
