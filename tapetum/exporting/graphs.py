"""The raw heads of each model as modules that ONNX can hold: tensors in, tensors out.

What depends on the values of an image (which boxes are good, which overlap) stays outside: the
graphs are the same arithmetic for every image, and the client decides. A detector with two
stages is two graphs, and a third for its branch, as features of boxes are cut out in between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from torch import Tensor, nn

from tapetum.base.errors import UsageError
from tapetum.layers.roi_pool import MultiScaleRoIAlign
from tapetum.models.detection.one_stage.retinanet import RetinaNet
from tapetum.models.detection.two_stage.faster_rcnn import FasterRCNN
from tapetum.models.detection.two_stage.roi_branch import BranchedRCNN
from tapetum.structures import Batch, Model

Function = Callable[[Tensor], tuple[Tensor, ...]]
MAPS = ("p2", "p3", "p4", "p5")


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
    if isinstance(model, FasterRCNN):
        return _stages(model, model)
    if isinstance(model, BranchedRCNN):
        return [*_stages(model, model.detector), _branch(model)]
    if isinstance(model, RetinaNet):
        return [_retinanet(model)]
    if isinstance(model, Model) and (graphs := model.export_graphs()):
        return [
            Graph(g.name, model, g.function, g.input, g.outputs, g.feed, dict(g.dynamic))
            for g in graphs
        ]
    hint = "every built-in model but knn, which is no network, can be exported"
    raise UsageError(f"the heads of {type(model).__name__} are not known", hint=hint)


def _images(batch: Batch) -> Tensor:
    return batch.pixels


def _free(multiple: int, least: int) -> dict[int, tuple[str, int, int]]:
    return {2: ("height", multiple, least), 3: ("width", multiple, least)}


def _retinanet(model: RetinaNet) -> Graph:
    def heads(pixels: Tensor) -> tuple[Tensor, ...]:
        maps = list(model.pyramid(model.backbone(pixels)).values())
        return model.class_tower(maps), model.box_tower(maps)

    dynamic = {0: ("batch", 1, 1), **_free(model.preprocessing.multiple, 2)}
    return Graph("model", model, heads, "pixels", ("logits", "deltas"), _images, dynamic)


def _stages(whole: nn.Module, model: FasterRCNN) -> list[Graph]:
    def first(pixels: Tensor) -> tuple[Tensor, ...]:
        maps = model.maps(pixels)
        return (*model.rpn_head(maps), *maps[:-1])

    def feed(batch: Batch) -> Tensor:
        return _pooled(model, model.box_roi_pool, batch)

    outputs = ("objectness", "deltas", *MAPS)
    dynamic = _free(model.preprocessing.multiple, 2)
    second = {0: ("regions", 1, 1)}
    return [
        Graph("model", whole, first, "pixels", outputs, _images, dynamic),
        Graph("regions", whole, model.box_head, "pooled", ("logits", "deltas"), feed, second),
    ]


def _branch(model: BranchedRCNN) -> Graph:
    def feed(batch: Batch) -> Tensor:
        return _pooled(model.detector, model.pool, batch)

    def head(pooled: Tensor) -> tuple[Tensor, ...]:
        return (model.head(pooled),)

    dynamic = {0: ("regions", 1, 1)}
    return Graph("branch", model, head, "pooled", ("logits",), feed, dynamic)


def _pooled(model: FasterRCNN, pool: MultiScaleRoIAlign, batch: Batch) -> Tensor:
    """Features of the proposals, as `pool` cuts them out."""
    maps = model.maps(batch.pixels)
    output = model.detect(maps, batch.pixels, batch.sizes, None, None)
    return cast(Tensor, pool(maps[:-1], output.rois, output.image))
