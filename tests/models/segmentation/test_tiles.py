"""Tiles: weights that add up to one, whole-image results, bounded work."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tapetum.base.seeds import generator
from tapetum.models.segmentation.tiles import forward_tiles, spans, tile_weights
from tapetum.models.segmentation.unet import unet

TILE, OVERLAP = 96, 32
"""A tile counts for nothing in its outermost 8 pixels."""


def pixels(*shape: int) -> Tensor:
    return torch.randn(shape, generator=generator(0, *shape), dtype=torch.float64)


def looking(radius: int) -> Callable[[Tensor], Tensor]:
    """A network that sees `radius` pixels around each: the convolution with a random kernel."""
    torch.manual_seed(0)
    return nn.Conv2d(3, 1, 2 * radius + 1, padding=radius, dtype=torch.float64)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 6), st.sampled_from([1, 16, 32]))
def test_spans_cover_and_weights_add_up_to_one(
    length: int, tile: int, overlap: int, multiple: int
) -> None:
    overlap = min(overlap, tile // 2) * multiple
    length, tile = length * multiple, tile * multiple
    tiles = spans(length, tile, overlap, multiple)
    assert tiles[0][0] == 0
    assert tiles[-1][1] == length
    for begin, end in tiles:
        assert begin % multiple == 0
        assert end - begin == min(tile, length)
    for (begin, end), (after, _) in pairwise(tiles):
        assert begin < after <= end - overlap
    weight = tile_weights(length, tiles, overlap)
    assert ((weight >= 0) & (weight <= 1)).all()
    torch.testing.assert_close(weight.sum(dim=0), torch.ones(length, dtype=torch.float64))


def test_weights_by_hand() -> None:
    """Two tiles that overlap by 8: nothing for 2 pixels, a smooth rise over 4, then everything."""
    left, right = tile_weights(24, [(0, 16), (8, 24)], 8)
    rise = [t * t * (3 - 2 * t) for t in (0.125, 0.375, 0.625, 0.875)]
    assert right.tolist() == pytest.approx([0.0] * 10 + rise + [1.0] * 10)
    assert left.tolist() == pytest.approx(right.flip(0).tolist())


@pytest.mark.parametrize("size", [(112, 224), (192, 64)])
def test_the_result_is_that_of_the_whole_image_if_the_network_sees_no_further(
    size: tuple[int, int],
) -> None:
    whole = pixels(1, 3, *size)
    with torch.no_grad():
        for radius, equal in ((0, True), (8, True), (9, False)):
            network = looking(radius)
            found = forward_tiles(network, whole, TILE, OVERLAP, 16)
            error = (found - network(whole)).abs()
            assert (error.max() < 1e-12) == equal
            far = torch.ones(size, dtype=torch.bool)
            for axis, side in enumerate(size):
                for begin, end in spans(side, TILE, OVERLAP, 16):
                    for edge in {begin, end} - {0, side}:
                        far.narrow(axis, edge - radius, 2 * radius).fill_(False)
            assert error[:, :, far].max() < 1e-12


def test_a_unet_gives_what_it_gives_for_the_whole_image() -> None:
    """Its grids lie as in the whole image: far from the seams nothing differs."""
    torch.manual_seed(0)
    model = (
        unet("paper", num_classes=3, width=4, norm="none", tile=320, overlap=160).double().eval()
    )
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter)
    image = pixels(1, 3, 64, 640)
    with torch.no_grad():
        tiled = model(image, torch.tensor([[64, 640]])).logits
        model.tile = None
        whole = model(image, torch.tensor([[64, 640]])).logits
    assert tiled.std() > 0.1
    begins, ends = zip(*spans(640, 320, 160, 16), strict=True)
    reach = 94  # figure 1 of the paper: 572 pixels become 388, 92 fewer on each side, and the grid
    near = torch.zeros(640, dtype=torch.bool)
    for edge in (*begins[1:], *ends[:-1]):
        near[max(0, edge - reach) : edge + reach] = True
    assert not near.all()
    assert (tiled - whole)[..., ~near].abs().max() < 1e-9


def test_no_more_than_a_tile_is_computed_at_a_time() -> None:
    seen: list[tuple[int, ...]] = []

    def network(x: Tensor) -> Tensor:
        seen.append(tuple(x.shape))
        return x.mean(dim=1, keepdim=True).bfloat16()

    found = forward_tiles(network, pixels(2, 3, 160, 224), TILE, OVERLAP, 16)
    assert set(seen) == {(1, 3, TILE, TILE)}
    assert len(seen) == 2 * 2 * 3
    assert found.shape == (2, 1, 160, 224)
    assert found.dtype == torch.float32


def test_gradients_pass() -> None:
    network = looking(2)
    ours, theirs = (pixels(1, 3, 96, 160).requires_grad_() for _ in range(2))
    forward_tiles(network, ours, TILE, OVERLAP, 16).square().sum().backward()
    network(theirs).square().sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize(
    ("length", "tile", "overlap"),
    [(100, 64, 32), (96, 65, 32), (96, 64, 8), (96, 64, 48), (96, 0, 0)],
)
def test_misuse_is_refused(length: int, tile: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        spans(length, tile, overlap, 16)
