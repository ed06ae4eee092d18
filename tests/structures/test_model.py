"""The base class of all models: what it refuses, and its neutral answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

import tapetum
from tapetum.structures import (
    DEFAULT_POSTPROCESS,
    Batch,
    ExplainLayer,
    ExportGraph,
    Model,
    PostprocessOptions,
    Prediction,
    Target,
)


class DummyOutput(NamedTuple):
    logits: Tensor


class Dummy(Model[DummyOutput]):
    task = "classification"

    def preprocess(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> Batch:
        sizes = torch.tensor([image.shape[-2:] for image in images])
        return Batch(torch.stack(list(images)), sizes, sizes)

    def forward(
        self,
        pixels: Tensor,
        sizes: Tensor,
        targets: Sequence[Target] | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> DummyOutput:
        return DummyOutput(pixels.mean(dim=(2, 3)))

    def losses(self, output: DummyOutput, targets: Sequence[Target]) -> dict[str, Tensor]:
        return {"nothing": 0 * output.logits.sum()}

    def postprocess(
        self, output: DummyOutput, batch: Batch, options: PostprocessOptions = DEFAULT_POSTPROCESS
    ) -> list[Prediction]:
        return [Prediction(class_scores=row) for row in output.logits]

    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        return torch.zeros(0)

    def explain_layers(self) -> dict[str, ExplainLayer]:
        return {}


def test_a_model_without_all_verbs_cannot_be_made() -> None:
    class Half(Dummy):
        losses = Model.losses

    with pytest.raises(TypeError, match=r"abstract method '?losses"):
        Half()  # type: ignore[abstract]


def test_a_model_has_neutral_answers() -> None:
    model = Dummy()
    assert isinstance(model, tapetum.Model)
    assert model.phases == ("descend",)
    assert model.layer_groups() == []
    assert model.resizable_weights() == {}
    assert model.export_graphs() == []
    assert model.export_rule() is None
    model.initialize_from_data([], torch.Generator())
    with pytest.raises(NotImplementedError, match="Dummy has no phase 'fit'"):
        model.fit([], torch.Generator())


def test_the_axes_of_a_graph_name_what_is_free() -> None:
    graph = ExportGraph(
        "model",
        lambda pixels: (pixels,),
        "pixels",
        ("logits",),
        lambda batch: batch.pixels,
        {0: ("batch", 1, 1), 2: ("height", 32, 2)},
    )
    assert graph.free_size
    assert graph.axes(torch.zeros(2, 3, 64, 64)) == ["batch", 3, "32 * height", 64]
