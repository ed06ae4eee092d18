from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tapetum.base.seeds import generator
from tapetum.models.detection.two_stage.heatmaps import (
    bicubic_matrix,
    keypoint_cells,
    read_heatmaps,
)


def test_cells_by_hand() -> None:
    """A grid of 4 x 4 over a box 8 wide and 16 high: cells of 2 x 4 pixels."""
    rows = [
        (10.0, 20, 2, 0, True),  # the corner
        (12.0, 23.9, 1, 1, True),  # hidden, but marked; column 1, row 0
        (13.9, 24.0, 2, 5, True),
        (18.0, 36.0, 2, 15, True),  # right and lower edge
        (18.0, 20.0, 2, 3, True),  # right edge only
        (18.1, 30.0, 2, 0, False),  # outside on each side
        (9.9, 30.0, 2, 0, False),
        (12.0, 36.1, 2, 0, False),
        (12.0, 19.9, 2, 0, False),
        (12.0, 30.0, 0, 0, False),  # not marked
    ]
    points = torch.tensor([row[:3] for row in rows])[None]
    cells, valid = keypoint_cells(points, torch.tensor([[10.0, 20, 18, 36]]), 4)
    assert cells.tolist() == [[row[3] for row in rows]]
    assert valid.tolist() == [[row[4] for row in rows]]


def test_cells_of_a_box_without_area_and_of_nothing() -> None:
    points = torch.tensor([[[5.0, 5, 2], [7, 7, 2]]])
    cells, valid = keypoint_cells(points, torch.tensor([[5.0, 5, 5, 9]]), 4)
    assert ((cells >= 0) & (cells < 16)).all()
    assert not valid[0, 1]
    cells, valid = keypoint_cells(torch.zeros(0, 3, 3), torch.zeros(0, 4), 4)
    assert cells.shape == valid.shape == (0, 3)


def test_a_box_as_large_as_the_map_is_read_as_it_is() -> None:
    maps = torch.rand(2, 3, 8, 8, generator=generator(0))
    maps[0, 1, 6, 2], maps[1, 2, 0, 7] = 5, 6
    boxes = torch.tensor([[10.0, 20, 18, 28], [0.5, 1.5, 8.5, 9.5]])
    found = read_heatmaps(maps, boxes)
    assert found.shape == (2, 3, 3)
    assert found[0, 1].tolist() == [12.5, 26.5, 5]
    assert found[1, 2].tolist() == [8.0, 2.0, 6]


def test_boxes_between_pixels_are_read_at_the_next_size() -> None:
    """3.2 wide and 0.5 high: 4 columns of 0.8 pixels, and one row of one pixel."""
    maps = torch.zeros(1, 1, 4, 4)
    maps[0, 0, :, 2] = 1
    (found,) = read_heatmaps(maps, torch.tensor([[10.0, 20, 13.2, 20.5]]))
    torch.testing.assert_close(found[0, :2], torch.tensor([10 + 2.5 * 0.8, 20.5]))


def test_what_is_read_lies_in_the_cell_that_was_learnt() -> None:
    points = torch.rand(6, 5, 3, generator=generator(1)) * 40 + 20
    boxes = torch.tensor([[20.0, 20, 60, 60], [18.5, 19, 97, 61.3]]).repeat(3, 1)
    cells, valid = keypoint_cells(points, boxes, 8)
    assert valid.all()
    maps = torch.nn.functional.one_hot(cells, 64).reshape(6, 5, 8, 8).float()
    found = read_heatmaps(maps, boxes)
    assert torch.equal(keypoint_cells(found, boxes, 8)[0], cells)


def test_reading_nothing_and_half_precision() -> None:
    assert read_heatmaps(torch.zeros(0, 3, 8, 8), torch.zeros(0, 4)).shape == (0, 3, 3)
    maps = torch.rand(1, 2, 8, 8, generator=generator(2)).bfloat16()
    found = read_heatmaps(maps, torch.tensor([[0.0, 0, 30, 30]]))
    assert found.dtype == torch.float32
    assert torch.equal(found, read_heatmaps(maps.float(), torch.tensor([[0.0, 0, 30, 30]])))


@pytest.mark.parametrize("shape", [(5, 9), (56, 31), (130, 77)])
def test_enlarging_by_matrices_is_bicubic_interpolation(shape: tuple[int, int]) -> None:
    maps = torch.randn(3, 14, 14, generator=generator(0), dtype=torch.float64)
    expected = F.interpolate(maps[:, None], shape, mode="bicubic", align_corners=False)[:, 0]
    rows, columns = (bicubic_matrix(14, size, maps) for size in shape)
    torch.testing.assert_close(rows @ maps @ columns.T, expected)
