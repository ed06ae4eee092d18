from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tapetum.models.classification.preprocessing import SquarePreprocessing
from tapetum.structures import Objects, Target

LIKE = torch.zeros(())


def test_images_become_squares_and_are_normalised() -> None:
    preprocess = SquarePreprocessing(4, mean=(0.1, 0.2, 0.3), std=(0.5, 1.0, 2.0))
    flat = torch.tensor([0.6, 0.7, 0.8])[:, None, None]
    batch = preprocess([flat.expand(3, 9, 2), flat.expand(3, 4, 4)], None, LIKE)
    assert batch.pixels.shape == (2, 3, 4, 4)
    assert batch.pixels.is_contiguous(memory_format=torch.channels_last)
    expected = torch.tensor([1.0, 0.5, 0.25])[:, None, None].expand(2, 3, 4, 4)
    torch.testing.assert_close(batch.pixels, expected)
    assert batch.sizes.tolist() == [[4, 4], [4, 4]]
    assert batch.originals.tolist() == [[9, 2], [4, 4]]
    assert batch.targets is None


def test_shrinking_averages_over_all_pixels_unless_told_otherwise() -> None:
    """Stripes of one pixel are grey from afar; sampling sees only some of them."""
    stripes = torch.zeros(3, 64, 64)
    stripes[:, :, ::4] = 1
    smooth, rough = (
        SquarePreprocessing(16, (0.0,) * 3, (1.0,) * 3, antialias)([stripes], None, LIKE).pixels
        for antialias in (True, False)
    )
    torch.testing.assert_close(smooth.mean(), stripes.mean(), atol=0.02, rtol=0)
    assert smooth[..., 1:-1].std() < 1e-6
    assert rough.max() == 0  # between the stripes


def test_growing_is_bilinear() -> None:
    one = torch.tensor([[0.0, 1.0]]).expand(3, 1, 2)
    pixels = SquarePreprocessing(4, (0.0,) * 3, (1.0,) * 3)([one], None, LIKE).pixels
    torch.testing.assert_close(pixels[0, 0, 2], torch.tensor([0, 0.25, 0.75, 1]))


def test_bytes_are_divided_by_255_and_a_square_is_left_alone() -> None:
    preprocess = SquarePreprocessing(5, (0.0,) * 3, (1.0,) * 3)
    one = torch.randint(0, 256, (3, 5, 5), dtype=torch.uint8)
    assert torch.equal(preprocess([one], None, LIKE).pixels[0], one.float() / 255)


def test_truth_moves_along() -> None:
    objects = Objects(boxes=torch.tensor([[10.0, 5, 20, 15]]), labels=torch.tensor([2]))
    target = Target(labels=torch.tensor([1]), objects=objects)
    batch = SquarePreprocessing(60)([torch.rand(3, 20, 30)], [target], LIKE)
    assert batch.targets is not None
    moved = batch.targets[0]
    assert moved.labels.tolist() == [1]
    assert moved.objects.boxes.tolist() == [[20, 15, 40, 45]]
    assert moved.objects.labels.tolist() == [2]


@pytest.mark.parametrize("size", [8, 90])
def test_every_pixel_has_a_gradient(size: int) -> None:
    one = torch.rand(3, 30, 50, dtype=torch.float64).requires_grad_()
    pixels = SquarePreprocessing(size)([one], None, torch.zeros((), dtype=torch.float64)).pixels
    assert pixels.dtype == torch.float64
    pixels.sum().backward()
    assert (one.grad > 0).all()


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        SquarePreprocessing(8)([], None, LIKE)
    with pytest.raises(ValueError, match=r"expected \(3, H, W\)"):
        SquarePreprocessing(8)([torch.rand(1, 4, 4)], None, LIKE)
    with pytest.raises(ValueError, match="expected 1, one an image, got 2"):
        SquarePreprocessing(8)([torch.rand(3, 4, 4)], [Target()] * 2, LIKE)
    with pytest.raises(ValueError, match="image_size"):
        SquarePreprocessing(0)


# --- the middle ---------------------------------------------------------------------------------

PLAIN = ((0.0,) * 3, (1.0,) * 3)


def middle(size: int, resize_size: int | None) -> SquarePreprocessing:
    return SquarePreprocessing(size, *PLAIN, resize_size=resize_size, crop_mode="center")


@pytest.mark.parametrize(("height", "width"), [(20, 20), (20, 31), (34, 20), (20, 33)])
@pytest.mark.parametrize("size", [12, 13, 20])
def test_a_short_side_of_resize_size_gives_exactly_the_middle(height, width, size) -> None:
    one = torch.randint(0, 256, (3, height, width), dtype=torch.uint8)
    top, left = round((height - size) / 2), round((width - size) / 2)
    expected = one[:, top : top + size, left : left + size].float() / 255
    batch = middle(size, 20)([one], None, LIKE)
    assert torch.equal(batch.pixels[0], expected)
    assert batch.windows is not None
    assert batch.windows.tolist() == [[left, top, left + size, top + size]]
    several = middle(size, 20)([one, one], None, LIKE)
    assert torch.equal(several.pixels[1], expected)
    assert several.sizes.tolist() == [[size, size]] * 2
    assert several.originals.tolist() == [[height, width]] * 2


def test_the_middle_is_a_window_of_the_image_resized_by_its_short_side() -> None:
    one = torch.rand(3, 60, 95)
    whole = F.interpolate(one[None], (40, 63), mode="bilinear", antialias=True)[0]
    batch = middle(32, 40)([one], None, LIKE)
    torch.testing.assert_close(batch.pixels[0], whole[:, 4:36, 16:48])  # 15.5 rounds to even
    assert batch.windows is not None
    expected = torch.tensor([[16 * 95 / 63, 6.0, 48 * 95 / 63, 54.0]])
    torch.testing.assert_close(batch.windows, expected)


def test_whole_images_have_no_window_and_are_as_they_were() -> None:
    one = torch.rand(3, 60, 95)
    whole = middle(32, 40).whole()
    assert whole == SquarePreprocessing(32, *PLAIN)
    batch = whole([one], None, LIKE)
    assert batch.windows is None
    expected = F.interpolate(one[None], (32, 32), mode="bilinear", antialias=True)[0]
    assert torch.equal(batch.pixels[0], expected)


def test_without_resize_size_the_short_side_becomes_that_of_the_crop() -> None:
    one = torch.rand(3, 8, 20)
    assert torch.equal(middle(8, None)([one], None, LIKE).pixels[0], one[:, :, 6:14])


def test_after_a_crop_the_truth_is_the_labels() -> None:
    objects = Objects(boxes=torch.tensor([[10.0, 5, 20, 15]]), labels=torch.tensor([2]))
    target = Target(labels=torch.tensor([1]), objects=objects)
    batch = middle(8, 10)([torch.rand(3, 20, 30)], [target], LIKE)
    assert batch.targets is not None
    assert batch.targets[0].labels.tolist() == [1]
    assert batch.targets[0].objects is None


def test_what_lies_outside_has_no_gradient() -> None:
    one = torch.rand(3, 60, 100, dtype=torch.float64).requires_grad_()
    middle(24, 30)([one], None, torch.zeros((), dtype=torch.float64)).pixels.sum().backward()
    assert (one.grad[:, 6:54, 26:74] > 0).all()
    beside = one.grad.clone()
    beside[:, 5:55, 25:75] = 0  # shrunk by two, a pixel takes from one more on each side
    assert not beside.any()


@pytest.mark.parametrize("size", [(1, 100_000), (100_001, 2)])
def test_a_line_of_pixels_does_not_fill_the_memory(size) -> None:
    """Resized whole, the first would have 20 gigabytes."""
    line = torch.zeros(3, *size)
    at = size[0] // 2, size[1] // 2
    line[:, max(0, at[0] - 3) : at[0] + 3, max(0, at[1] - 3) : at[1] + 3] = 1
    batch = middle(224, 256)([line], None, LIKE)
    assert batch.pixels.shape == (1, 3, 224, 224)
    assert (batch.pixels > 0.5).all()
    assert batch.windows is not None
    left, top, right, bottom = batch.windows[0].tolist()
    side = min(size) * 224 / 256
    assert [right - left, bottom - top] == pytest.approx([side, side], rel=1e-2)
    assert [(left + right) / 2, (top + bottom) / 2] == pytest.approx(
        [size[1] / 2, size[0] / 2], abs=0.51
    )


def test_what_is_no_way_to_crop_is_refused() -> None:
    with pytest.raises(ValueError, match="crop_mode: expected one of squash, center, got 'middle'"):
        SquarePreprocessing(8, crop_mode="middle")
    with pytest.raises(ValueError, match="resize_size: only with crop_mode"):
        SquarePreprocessing(8, resize_size=10)
    with pytest.raises(ValueError, match="resize_size: expected at least image_size, 8, got 7"):
        SquarePreprocessing(8, resize_size=7, crop_mode="center")
