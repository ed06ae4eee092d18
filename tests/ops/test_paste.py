from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tapetum.base.seeds import generator
from tapetum.ops.paste import crop_masks, paste_masks
from tapetum.ops.roi import roi_align


def test_paste_by_hand() -> None:
    """Box 2 x 2 and its ring of zeros, frame 1 to 5 inclusive: 0 0.7 1 0.7 0 along both axes."""
    masks, boxes = torch.ones(1, 2, 2), torch.tensor([[2.0, 2, 4, 4]])
    drawn = paste_masks(masks, boxes, (8, 9))
    assert drawn.shape == (1, 8, 9)
    assert torch.nonzero(drawn[0]).tolist() == [[2, 3], [3, 2], [3, 3], [3, 4], [4, 3]]
    assert torch.equal(
        paste_masks(masks, boxes + 0.9, (8, 9)), drawn
    )  # frames are cut, not rounded
    square = paste_masks(masks, boxes, (8, 9), threshold=0.48)  # 0.7 x 0.7 in the corners
    assert torch.nonzero(square[0]).tolist() == [[y, x] for y in (2, 3, 4) for x in (2, 3, 4)]


def test_the_threshold_itself_is_inside() -> None:
    drawn = paste_masks(torch.full((1, 2, 2), 0.5), torch.tensor([[2.0, 2, 4, 4]]), (8, 8))
    assert torch.nonzero(drawn[0]).tolist() == [[3, 3]]


@pytest.mark.parametrize("corner", [(-2, 3), (3, -2), (7, 2), (2, 5), (-8, 0), (20, 30)])
def test_what_is_outside_of_the_image_is_cut_off(corner: tuple[int, int]) -> None:
    masks = torch.rand(1, 2, 2, generator=generator(0))
    x, y = corner
    box = torch.tensor([[x, y, x + 4, y + 6]], dtype=torch.float32)
    large = paste_masks(masks, box + 20, (60, 60), threshold=0.2)
    assert large.any()
    assert torch.equal(
        paste_masks(masks, box, (9, 8), threshold=0.2), large[:, 20 : 20 + 9, 20 : 20 + 8]
    )


def test_each_mask_is_in_its_box() -> None:
    boxes = torch.tensor([[0.0, 0, 30, 20], [40, 10, 60, 50], [5, 30, 6, 31]])
    drawn = paste_masks(torch.ones(3, 28, 28), boxes, (64, 64))
    for mask, (x1, y1, x2, y2) in zip(drawn, boxes.long().tolist(), strict=True):
        assert mask[y1 + 1 : y2, x1 + 1 : x2].all()  # the edges fade into the ring of zeros
        mask[max(y1 - 1, 0) : y2 + 1, max(x1 - 1, 0) : x2 + 1] = False  # frames are whole pixels
        assert not mask.any()


def test_no_masks_and_gradients() -> None:
    assert paste_masks(torch.zeros(0, 28, 28), torch.zeros(0, 4), (5, 7)).shape == (0, 5, 7)
    masks = torch.ones(1, 4, 4, requires_grad=True)
    assert not paste_masks(masks, torch.tensor([[1.0, 1, 4, 4]]), (8, 8)).requires_grad


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"masks: expected shape \(N, S, S\), got \(2, 3, 4\)"):
        paste_masks(torch.zeros(2, 3, 4), torch.zeros(2, 4), (8, 8))
    with pytest.raises(ValueError, match=r"boxes: expected shape \(2, 4\), got \(1, 4\)"):
        paste_masks(torch.zeros(2, 3, 3), torch.zeros(1, 4), (8, 8))


@given(seed=st.integers(0, 10**6), size=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_crop_is_roi_align_of_the_mask(seed: int, size: int) -> None:
    """Boxes inside, across and outside of the border, wide, high and thin."""
    random = generator(seed)
    masks = torch.rand(3, 20, 31, generator=random) < 0.5
    corner = torch.rand(8, 2, generator=random, dtype=torch.float64) * 50 - 10
    extent = torch.rand(8, 2, generator=random, dtype=torch.float64) ** 4 * 60
    boxes = torch.cat((corner, corner + extent), dim=1)
    index = torch.randint(0, 3, (8,), generator=random)
    regions = torch.cat((index[:, None].double(), boxes), dim=1)
    expected = roi_align(masks[:, None].double(), regions, size)[:, 0]
    torch.testing.assert_close(crop_masks(masks, boxes, index, size), expected)


def test_crop_is_as_precise_under_autocast() -> None:
    masks = torch.rand(1, 40, 40, generator=generator(0)) < 0.5
    boxes, index = torch.tensor([[3.2, 4.1, 37.0, 35.5]]), torch.tensor([0])
    with torch.autocast("cpu", torch.bfloat16):
        narrow = crop_masks(masks, boxes, index, 7)
    assert torch.equal(narrow, crop_masks(masks, boxes, index, 7))
    assert narrow.dtype == torch.float32


def test_crop_of_nothing() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    assert crop_masks(torch.zeros(0, 1, 1).bool(), torch.zeros(0, 4), none, 5).shape == (0, 5, 5)
    assert crop_masks(torch.ones(2, 9, 9).bool(), torch.zeros(0, 4), none, 5).shape == (0, 5, 5)
