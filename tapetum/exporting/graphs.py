"""The raw heads of each model as modules that ONNX can hold: tensors in, tensors out.

What depends on the values of an image (which boxes are good, which overlap) stays outside: the
graphs are the same arithmetic for every image, and the client decides. A detector with two
stages is two graphs, and a third for its branch, as features of boxes are cut out in between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from tapetum.base.errors import UsageError
from tapetum.structures import Batch, Model

Function = Callable[[Tensor], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Graph:
    """One file: `function` of one tensor, with names for it and its outputs.

    feed: what goes into it for a prepared batch. whole: the model, whose weights it needs.
    dynamic: the axes of the input that may have any size, with name, factor and least value:
    ("height", 32, 2) is a whole multiple of 32, 64 at least.
    """

    name: str
    whole: nn.Module
    function: Function
    input: str
    outputs: tuple[str, ...]
    feed: Callable[[Batch], Tensor]
    dynamic: dict[int, tuple[str, int, int]] = field(default_factory=dict)

    @property
    def free_size(self) -> bool:
        """May images be of any height and width?"""
        return 2 in self.dynamic

    def axes(self, example: Tensor) -> list[Any]:
        """The shape of the input in words: numbers, and names of what is free."""
        names: list[Any] = list(example.shape)
        for axis, (name, factor, _) in self.dynamic.items():
            names[axis] = name if factor == 1 else f"{factor} * {name}"
        return names


class Heads(nn.Module):
    """A graph as a module."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.whole = graph.whole
        self.function = graph.function

    def forward(self, values: Tensor) -> tuple[Tensor, ...]:
        return self.function(values)


def graphs_of(model: nn.Module) -> list[Graph]:
    """The graphs of a model in evaluation mode; the first one takes images.

    Raises:
        UsageError: of this model there are none.
    """
    if isinstance(model, Model) and (graphs := model.export_graphs()):
        return [
            Graph(g.name, model, g.function, g.input, g.outputs, g.feed, dict(g.dynamic))
            for g in graphs
        ]
    hint = "every built-in model but knn, which is no network, can be exported"
    raise UsageError(f"the heads of {type(model).__name__} are not known", hint=hint)
