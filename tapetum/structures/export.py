"""What a model says about its own export: graphs of tensors, and a rule in JSON values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from tapetum.structures.batch import Batch

ExportRule = dict[str, Any]
"""{"preprocess": ..., "postprocess": ...}, JSON values: how a client without PyTorch prepares
images and reads outputs. The latter's "kind" names the part of the client that does it."""


@dataclass(frozen=True)
class ExportGraph:
    """One exported file: a function of one tensor, the same arithmetic for every image.

    What depends on the values of an image (which boxes are good, which overlap) stays outside.

    Attributes:
        name: of the file, without ending.
        function: tensor to tensors.
        input: name of the tensor that goes in.
        outputs: names of the tensors that come out.
        feed: makes the input of a preprocessed batch.
        dynamic: axes of the input that may have any size, with name, factor and minimum:
            ("height", 32, 2) is a multiple of 32, 64 at least.
    """

    name: str
    function: Callable[[Tensor], tuple[Tensor, ...]]
    input: str
    outputs: tuple[str, ...]
    feed: Callable[[Batch], Tensor]
    dynamic: Mapping[int, tuple[str, int, int]] = field(default_factory=dict)

    @property
    def free_size(self) -> bool:
        """May images be of any height and width?"""
        return 2 in self.dynamic

    def axes(self, example: Tensor) -> list[int | str]:
        """The shape of the input as ONNX states it: numbers, and expressions for free axes."""
        axes: list[int | str] = list(example.shape)
        for axis, (name, factor, _) in self.dynamic.items():
            axes[axis] = name if factor == 1 else f"{factor} * {name}"
        return axes
