from __future__ import annotations

import pytest
import torch

from tapetum.layers.anchors import AnchorGrid, cell_anchors, octave_sizes


def maps(*sizes: tuple[int, int]) -> list[torch.Tensor]:
    return [torch.zeros(1, 1, *size) for size in sizes]


def test_cell_anchors_by_hand() -> None:
    """Area 16 x 16; a ratio of 4 is twice as high and half as wide."""
    assert cell_anchors((16,), (1.0, 4.0)).tolist() == [[-8, -8, 8, 8], [-4, -16, 4, 16]]


def test_cell_anchors_run_through_the_sizes_first() -> None:
    assert cell_anchors((8, 16), (1.0, 4.0))[:, 2].tolist() == [4, 8, 2, 4]


def test_cells_row_by_row_then_anchors() -> None:
    grid = AnchorGrid(sizes=((8, 16), (32, 64)), ratios=(1.0,))
    fine, coarse = grid(torch.zeros(1, 3, 32, 48), maps((4, 6), (2, 3)))
    assert fine.shape == (4 * 6 * 2, 4)
    assert fine[:4].tolist() == [[-4, -4, 4, 4], [-8, -8, 8, 8], [4, -4, 12, 4], [0, -8, 16, 8]]
    assert fine[6 * 2].tolist() == [-4, 4, 4, 12]  # the second row
    assert coarse[2].tolist() == [0, -16, 32, 16]
    assert coarse[-1].tolist() == [32 - 32, 16 - 32, 32 + 32, 16 + 32]


def test_steps_are_rounded_down() -> None:
    """A map of 3 rows over 160 pixels steps 53, as in the published detectors."""
    (level,) = AnchorGrid(sizes=((2,),), ratios=(1.0,))(torch.zeros(1, 3, 160, 64), maps((3, 1)))
    assert level[:, 1].tolist() == [-1, 52, 105]


def test_octaves() -> None:
    assert octave_sizes((32, 64), 3) == ((32, 40, 50), (64, 80, 101))
    assert octave_sizes((8,), 1) == ((8,),)


def test_the_cache_does_not_mix_devices_sizes_or_modes() -> None:
    grid = AnchorGrid(sizes=((8,),), ratios=(1.0,))
    with torch.inference_mode():
        (first,) = grid(torch.zeros(1, 3, 32, 32), maps((4, 4)))
    (second,) = grid(torch.zeros(2, 3, 32, 32), maps((4, 4)))
    assert first is second
    assert not first.is_inference()
    assert grid(torch.zeros(1, 3, 32, 32).double(), maps((4, 4)))[0].dtype == torch.float64
    assert grid(torch.zeros(1, 3, 32, 32).bfloat16(), maps((4, 4)))[0].dtype == torch.float32
    assert grid(torch.zeros(1, 3, 64, 32), maps((4, 4)))[0][-1].tolist() == [20, 44, 28, 52]


def test_errors_say_what_was_expected() -> None:
    grid = AnchorGrid(sizes=((8,), (16,)), ratios=(1.0, 2.0, 0.5))
    assert grid.per_cell == 3
    with pytest.raises(ValueError, match="expected 2 levels, got 1"):
        grid(torch.zeros(1, 3, 32, 32), maps((4, 4)))
    with pytest.raises(ValueError, match=r"as many for each level, got \[1, 2\]"):
        AnchorGrid(sizes=((8,), (16, 20)), ratios=(1.0,))
