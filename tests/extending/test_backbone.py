"""One more backbone: a file, and a line of BACKBONES; then all models that take one have it."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import Tensor, nn

from tapetum.backbones import BACKBONES, Backbone
from tapetum.layers.conv import ConvNorm
from tests.extending.tools import export, look, train


class ToyBackbone(Backbone):
    """A convolution of stride 2 for each map, and nothing else."""

    def __init__(self, width: int = 8, norm: str = "batch", stem: str = "imagenet") -> None:
        super().__init__()
        self.channels = {f"map{2**n}": width for n in range(1, 6)}
        self.strides = {f"map{2**n}": 2**n for n in range(1, 6)}
        inputs = (3, *[width] * 4)
        self.steps = nn.ModuleList(ConvNorm(n, width, 3, 2, norm) for n in inputs)

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        maps = {}
        for name, step in zip(self.channels, self.steps, strict=True):
            pixels = step(pixels).relu()
            maps[name] = pixels
        return maps

    def layer_groups(self) -> list[tuple[str, ...]]:
        return [(f"steps.{n}.",) for n in range(len(self.steps))]

    def first_convolutions(self) -> tuple[str, ...]:
        return ("steps.0.conv.weight",)


SMALL = {
    "backbone_width": 8,
    "fpn_channels": 16,
    "head_convs": 1,
    "prior": 0.2,
    "detections_per_img": 5,
}


@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        ("retinanet", SMALL),
        ("localizer", {"backbone_width": 8}),
        ("unet", {"decoder_channels": [8, 8, 8, 8, 8]}),
    ],
)
def test_a_backbone_is_a_line_of_backbones(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    photo: Path,
    model: str,
    arguments: dict[str, object],
) -> None:
    monkeypatch.setitem(BACKBONES, "toy", ToyBackbone)
    run = train(model, tmp_path / "run", backbone="toy", arguments=arguments, freeze=1)
    assert "toy" in (run / "run.json").read_text()
    assert look(run, photo)
    if model == "localizer":
        export(run)
