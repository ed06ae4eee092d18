from __future__ import annotations

import pytest
import torch

from tapetum.backbones import BACKBONES, make_backbone
from tapetum.base.errors import UsageError

PARAMETERS = {
    # torchvision's published counts less those of the classifier.
    "resnet18": 11_689_512 - 513_000,
    "resnet34": 21_797_672 - 513_000,
    "resnet50": 25_557_032 - 2_049_000,
    "resnet101": 44_549_160 - 2_049_000,
    "resnet152": 60_192_808 - 2_049_000,
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_sizes_are_those_of_the_reference(name: str) -> None:
    with torch.device("meta"):
        backbone = make_backbone(name)
    assert sum(p.numel() for p in backbone.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", ["resnet10", "resnet18", "resnet50"])
@pytest.mark.parametrize("norm", ["batch", "frozen", "group"])
def test_maps_halve_and_have_the_declared_channels(name: str, norm: str) -> None:
    backbone = BACKBONES[name](width=8, norm=norm, in_channels=1)
    maps = backbone(torch.randn(2, 1, 64, 96))
    assert list(maps) == ["c1", "c2", "c3", "c4", "c5"]
    for stride, (key, value) in zip((2, 4, 8, 16, 32), maps.items(), strict=True):
        assert value.shape == (2, backbone.channels[key], 64 // stride, 96 // stride)
        assert (value >= 0).all()


def test_tiny_is_tiny() -> None:
    backbone = make_backbone("resnet10", width=8)
    assert sum(p.numel() for p in backbone.parameters()) < 100_000
    assert backbone.channels == {"c1": 8, "c2": 8, "c3": 16, "c4": 32, "c5": 64}


def test_a_block_whose_correction_is_nothing_passes_its_input() -> None:
    block = make_backbone("resnet18", width=8).stage1[0].eval()
    torch.nn.init.zeros_(block.conv2.conv.weight)
    x = torch.rand(1, 8, 5, 5)
    torch.testing.assert_close(block(x), x)


def test_unknown_name() -> None:
    with pytest.raises(UsageError, match=r"unknown backbone 'resnet11' \(hint: one of resnet10,"):
        make_backbone("resnet11")


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_the_small_stem_keeps_small_images_large(norm: str) -> None:
    backbone = make_backbone("resnet18", width=8, norm=norm, stem="small")
    assert backbone.strides == {"c2": 1, "c3": 2, "c4": 4, "c5": 8}
    maps = backbone(torch.randn(2, 3, 32, 48))
    for key, value in maps.items():
        stride = backbone.strides[key]
        assert value.shape[2:] == (32 // stride, 48 // stride)
    assert make_backbone("resnet50", width=8).strides == {
        "c1": 2,
        "c2": 4,
        "c3": 8,
        "c4": 16,
        "c5": 32,
    }


def test_unknown_stem() -> None:
    with pytest.raises(ValueError, match="stem: expected one of imagenet, small, got 'large'"):
        make_backbone("resnet18", stem="large")
