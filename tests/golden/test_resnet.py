"""ResNet against torchvision's numbers (make_resnet.py), and its names both ways."""

from __future__ import annotations

import pytest
import torch

from tapetum.backbones import BACKBONES
from tapetum.backbones.resnet import REFERENCE, ResNet

from .drawing import assert_sample, draw_image, draw_weights, read

RENAMES = REFERENCE["torchvision"]


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_names_are_a_bijection_with_the_reference(name: str) -> None:
    theirs = [key for key in read(f"{name}.keys.json") if not key.startswith("fc.")]
    ours = list(BACKBONES[name]().state_dict())
    assert sorted(str(RENAMES.ours(key)) for key in theirs) == sorted(ours)
    assert [RENAMES.ours(str(RENAMES.theirs(key))) for key in ours] == ours
    assert RENAMES.ours("fc.weight") is None


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_maps_are_those_of_the_reference(name: str) -> None:
    backbone = load(name)
    pixels = torch.stack([draw_image(f"resnet.{i}", 96, 128) for i in range(2)]) * 4 - 2
    golden = read("resnet.json")[name]
    with torch.no_grad():
        maps = backbone(pixels)
        maps32 = backbone.float()(pixels.float())
    assert list(maps) == ["c1", *golden]
    for key in golden:
        assert maps[key].shape[1] == backbone.channels[key]
        assert_sample(f"{name}.{key}", maps[key], golden[key], 1e-6)
        assert_sample(f"{name}.{key}", maps32[key], golden[key], 1e-4)


def load(name: str) -> ResNet:
    drawn = draw_weights(read(f"{name}.keys.json"), {})
    state = {RENAMES.ours(key): value for key, value in drawn.items() if RENAMES.ours(key)}
    backbone = BACKBONES[name]().double().eval()
    backbone.load_state_dict(state)
    return backbone
