from __future__ import annotations

import pytest
import torch

from tapetum.models.classification.preparing import SquarePreparation
from tapetum.structures import Objects, Target

LIKE = torch.zeros(())


def test_pictures_become_squares_and_are_normalised() -> None:
    prepare = SquarePreparation(4, mean=(0.1, 0.2, 0.3), std=(0.5, 1.0, 2.0))
    flat = torch.tensor([0.6, 0.7, 0.8])[:, None, None]
    batch = prepare([flat.expand(3, 9, 2), flat.expand(3, 4, 4)], None, LIKE)
    assert batch.pixels.shape == (2, 3, 4, 4)
    assert batch.pixels.is_contiguous(memory_format=torch.channels_last)
    expected = torch.tensor([1.0, 0.5, 0.25])[:, None, None].expand(2, 3, 4, 4)
    torch.testing.assert_close(batch.pixels, expected)
    assert batch.sizes.tolist() == [[4, 4], [4, 4]]
    assert batch.originals.tolist() == [[9, 2], [4, 4]]
    assert batch.truth is None


def test_shrinking_averages_over_all_pixels_unless_told_otherwise() -> None:
    """Stripes of one pixel are grey from afar; sampling sees only some of them."""
    stripes = torch.zeros(3, 64, 64)
    stripes[:, :, ::4] = 1
    smooth, rough = (
        SquarePreparation(16, (0.0,) * 3, (1.0,) * 3, antialias)([stripes], None, LIKE).pixels
        for antialias in (True, False)
    )
    torch.testing.assert_close(smooth.mean(), stripes.mean(), atol=0.02, rtol=0)
    assert smooth[..., 1:-1].std() < 1e-6
    assert rough.max() == 0  # between the stripes


def test_growing_is_bilinear() -> None:
    one = torch.tensor([[0.0, 1.0]]).expand(3, 1, 2)
    pixels = SquarePreparation(4, (0.0,) * 3, (1.0,) * 3)([one], None, LIKE).pixels
    torch.testing.assert_close(pixels[0, 0, 2], torch.tensor([0, 0.25, 0.75, 1]))


def test_bytes_are_divided_by_255_and_a_square_is_left_alone() -> None:
    prepare = SquarePreparation(5, (0.0,) * 3, (1.0,) * 3)
    one = torch.randint(0, 256, (3, 5, 5), dtype=torch.uint8)
    assert torch.equal(prepare([one], None, LIKE).pixels[0], one.float() / 255)


def test_truth_moves_along() -> None:
    objects = Objects(boxes=torch.tensor([[10.0, 5, 20, 15]]), labels=torch.tensor([2]))
    target = Target(labels=torch.tensor([1]), objects=objects)
    batch = SquarePreparation(60)([torch.rand(3, 20, 30)], [target], LIKE)
    assert batch.truth is not None
    moved = batch.truth[0]
    assert moved.labels.tolist() == [1]
    assert moved.objects.boxes.tolist() == [[20, 15, 40, 45]]
    assert moved.objects.labels.tolist() == [2]


@pytest.mark.parametrize("size", [8, 90])
def test_every_pixel_has_a_gradient(size: int) -> None:
    one = torch.rand(3, 30, 50, dtype=torch.float64).requires_grad_()
    pixels = SquarePreparation(size)([one], None, torch.zeros((), dtype=torch.float64)).pixels
    assert pixels.dtype == torch.float64
    pixels.sum().backward()
    assert (one.grad > 0).all()


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        SquarePreparation(8)([], None, LIKE)
    with pytest.raises(ValueError, match=r"expected \(3, H, W\)"):
        SquarePreparation(8)([torch.rand(1, 4, 4)], None, LIKE)
    with pytest.raises(ValueError, match="expected 1, one a picture, got 2"):
        SquarePreparation(8)([torch.rand(3, 4, 4)], [Target()] * 2, LIKE)
    with pytest.raises(ValueError, match="image_size"):
        SquarePreparation(0)
