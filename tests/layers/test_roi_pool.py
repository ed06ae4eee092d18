from __future__ import annotations

import torch

from tapetum.layers.roi_pool import MultiScaleRoIAlign
from tapetum.ops.roi import roi_align


def test_levels_by_the_side_of_the_box() -> None:
    """224 pixels are read from p4 (index 2), each halving one level finer, within the pyramid."""
    sides = torch.tensor([1.0, 55, 56, 111, 112, 223, 224, 447, 448, 5000])
    boxes = torch.stack((0 * sides, 0 * sides, sides, sides), dim=1)
    assert MultiScaleRoIAlign().levels(boxes).tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 3, 3]
    flat = torch.tensor([[0.0, 0, 448, 112], [5, 5, 5, 9]])  # as large as 224 x 224; nothing
    assert MultiScaleRoIAlign().levels(flat).tolist() == [2, 0]


def test_with_other_strides_a_box_is_read_from_the_coarsest_map_that_is_fine_enough() -> None:
    """224 pixels ask for stride 16: of 3, 9, 27 the second; 112 for 8: the first."""
    sides = torch.tensor([10.0, 112, 126, 224, 377, 379])
    boxes = torch.stack((0 * sides, 0 * sides, sides, sides), dim=1)
    assert MultiScaleRoIAlign(strides=(3, 9, 27)).levels(boxes).tolist() == [0, 0, 1, 1, 1, 2]


def test_each_box_is_read_from_its_image_and_level_in_order() -> None:
    maps = [torch.randn(2, 3, 512 // s, 512 // s) for s in (4, 8, 16, 32)]
    boxes = torch.tensor(
        [[0.0, 0, 500, 500], [10, 10, 40, 60], [100, 50, 300, 400], [7, 9, 140, 160]]
    )
    image = torch.tensor([1, 0, 1, 0])
    pooled = MultiScaleRoIAlign(output_size=5)(maps, boxes, image)
    for i, level in enumerate((3, 0, 2, 1)):
        roi = torch.cat((image[i : i + 1], boxes[i]))[None]
        expected = roi_align(maps[level], roi, 5, 1 / (4 * 2**level), 2)
        torch.testing.assert_close(pooled[i : i + 1], expected)


def test_no_boxes() -> None:
    maps = [torch.randn(1, 3, 8, 8, requires_grad=True) for _ in range(2)]
    pooled = MultiScaleRoIAlign(strides=(4, 8))(
        maps, torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)
    )
    assert pooled.shape == (0, 3, 7, 7)
