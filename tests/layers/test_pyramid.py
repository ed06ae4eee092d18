from __future__ import annotations

import pytest
import torch
from torch import nn

from tapetum.layers.pyramid import ConvTop, FeaturePyramid, PoolTop

STRIDES = {"c2": 4, "c3": 8, "c4": 16, "c5": 32}


def plain(pyramid: FeaturePyramid) -> FeaturePyramid:
    """Lateral convolutions add their channels up, output convolutions change nothing."""
    for conv in pyramid.lateral:
        nn.init.ones_(conv.weight)
    for conv in pyramid.output:
        nn.init.dirac_(conv.weight)
    return pyramid


def test_coarse_maps_are_carried_down_and_added() -> None:
    pyramid = plain(FeaturePyramid({"c3": 2, "c4": 1, "c5": 1}, STRIDES, channels=1))
    maps = {
        "c3": torch.tensor([[[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]]).expand(1, 2, 3, 3),
        "c4": torch.tensor([[[[10.0, 20], [30, 40]]]]),
        "c5": torch.tensor([[[[100.0]]]]),
    }
    levels = pyramid(maps)
    assert list(levels) == ["p3", "p4", "p5"]
    assert levels["p5"].flatten().tolist() == [100]
    assert levels["p4"].flatten().tolist() == [110, 120, 130, 140]
    # Nearest: of three pixels the first two lie over the first of two.
    assert levels["p3"][0, 0].tolist() == [[112, 114, 126], [118, 120, 132], [144, 146, 158]]


def test_the_smoothing_is_for_the_output_only() -> None:
    """What goes down a level is the sum, not the sum after its 3 x 3 convolution."""
    pyramid = plain(FeaturePyramid({"c4": 1, "c5": 1}, STRIDES, channels=1))
    nn.init.zeros_(pyramid.output[1].weight)
    levels = pyramid({"c4": torch.ones(1, 1, 2, 2), "c5": torch.ones(1, 1, 1, 1)})
    assert levels["p5"].sum() == 0
    assert levels["p4"].flatten().tolist() == [2, 2, 2, 2]


def test_pool_top_takes_every_second_pixel() -> None:
    p5 = torch.arange(15.0).reshape(1, 1, 3, 5)
    assert PoolTop()(p5)[0][0, 0].tolist() == [[0, 2, 4], [10, 12, 14]]


def test_conv_top_makes_p7_from_p6_without_its_negative_part() -> None:
    top = ConvTop(4)
    p6, p7 = top(torch.randn(2, 4, 6, 7))
    assert (p6.shape, p7.shape) == ((2, 4, 3, 4), (2, 4, 2, 2))
    assert torch.equal(p7, top.p7(p6.clamp(min=0)))


def test_tops_join_the_levels() -> None:
    pyramid = FeaturePyramid({"c4": 3, "c5": 5}, STRIDES, 8, top=ConvTop(8))
    levels = pyramid({"c4": torch.randn(2, 3, 8, 8), "c5": torch.randn(2, 5, 4, 4)})
    assert list(levels) == ["p4", "p5", "p6", "p7"]
    assert torch.equal(levels["p6"], pyramid.top.p6(levels["p5"]))


def test_levels_are_named_for_their_strides_whatever_the_maps_are_called() -> None:
    """Strides 3 and 9 lie nearest to 2 ** 2 and 2 ** 3; the second is the next level."""
    pyramid = FeaturePyramid({"fine": 2, "coarse": 3}, {"fine": 3, "coarse": 9}, 4, top=PoolTop())
    maps = {"coarse": torch.randn(1, 3, 3, 4), "fine": torch.randn(1, 2, 9, 12)}
    assert pyramid.strides == {"p2": 3, "p3": 9, "p4": 18}
    assert pyramid.map_strides == (3, 9)
    shapes = [tuple(level.shape) for level in pyramid(maps).values()]
    assert shapes == [(1, 4, 9, 12), (1, 4, 3, 4), (1, 4, 2, 2)]


@pytest.mark.parametrize("size", [(1, 1), (5, 1), (2, 3)])
def test_the_top_has_whole_gradients_in_bfloat16(size):
    """On maps one pixel wide, whatever lies about in memory."""
    for seed in range(4):
        torch.manual_seed(seed)
        top = ConvTop(16).to(memory_format=torch.channels_last)
        p5 = torch.randn(2, 16, *size).to(memory_format=torch.channels_last)
        junk = [torch.full((50_000,), float("nan")) for _ in range(20)]
        del junk
        gradients = []
        for precise in (True, False):
            top.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=not precise):
                maps = top(p5)
            sum(level.float().sum() for level in maps).backward()
            gradients.append(top.p7.weight.grad.clone())
        torch.testing.assert_close(gradients[1], gradients[0], rtol=0.1, atol=0.2)
