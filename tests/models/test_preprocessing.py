from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from tapetum.models.preprocessing import Preprocessing, boxes_to_original, resize_target
from tapetum.structures import Objects, Target

LIKE = torch.zeros(())
SIDE = st.integers(1, 3000)


@given(SIDE, SIDE)
def test_the_shorter_side_reaches_its_size_unless_the_longer_would_pass_its_own(
    height: int, width: int
) -> None:
    new = Preprocessing(min_size=320, max_size=427).size(height, width)
    assert min(new) >= 1
    assert max(new) <= 427
    assert min(new) in (319, 320) or max(new) in (426, 427)
    stretched = (new[0] / height) / (new[1] / width)
    assert min(new) < 50 or 0.97 < stretched < 1.03


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((480, 640), (320, 426)),
        ((640, 480), (426, 320)),
        ((100, 400), (106, 426)),  # 400 * (427 / 400) is a hair less than 427
        ((1, 9999), (1, 427)),
    ],
)
def test_sizes_by_hand(old: tuple[int, int], new: tuple[int, int]) -> None:
    assert Preprocessing(min_size=320, max_size=427).size(*old) == new


def test_pixels_are_resized_normalised_and_padded_with_zeros() -> None:
    preprocess = Preprocessing(min_size=40, max_size=70, mean=(0.1, 0.2, 0.3), std=(0.5, 1.0, 2.0))
    images = [torch.rand(3, 20, 30), torch.rand(3, 80, 50)]
    batch = preprocess(images, None, LIKE)
    assert batch.sizes.tolist() == [[40, 60], [64, 40]]
    assert batch.originals.tolist() == [[20, 30], [80, 50]]
    assert batch.pixels.shape == (2, 3, 64, 64)
    assert batch.targets is None
    for one, pixels, (h, w) in zip(images, batch.pixels, batch.sizes.tolist(), strict=True):
        mean, std = torch.tensor(preprocess.mean), torch.tensor(preprocess.std)
        normal = (one - mean[:, None, None]) / std[:, None, None]
        expected = F.interpolate(normal[None], (h, w), mode="bilinear", align_corners=False)[0]
        torch.testing.assert_close(pixels[:, :h, :w], expected)
        assert pixels[:, h:].abs().sum() == pixels[:, :, w:].abs().sum() == 0


def test_convolutions_get_the_memory_order_they_are_fastest_on() -> None:
    batch = Preprocessing(min_size=32, max_size=64)([torch.rand(3, 40, 50)] * 2, None, LIKE)
    assert batch.pixels.is_contiguous(memory_format=torch.channels_last)


def test_an_image_that_has_its_size_is_not_resampled() -> None:
    preprocess = Preprocessing(min_size=32, max_size=64, mean=(0, 0, 0), std=(1, 1, 1))
    one = torch.rand(3, 32, 50)
    assert torch.equal(preprocess([one], None, LIKE).pixels[0, :, :, :50], one)


def test_bytes_are_divided_by_255() -> None:
    preprocess = Preprocessing(min_size=32, max_size=64, mean=(0, 0, 0), std=(1, 1, 1))
    one = torch.full((3, 32, 32), 255, dtype=torch.uint8)
    assert (preprocess([one], None, LIKE).pixels == 1).all()


def test_truth_moves_along() -> None:
    masks = torch.zeros(2, 20, 30, dtype=torch.bool)
    masks[0, 5:15, 10:20] = True
    objects = Objects(
        boxes=torch.tensor([[10.0, 5, 20, 15], [0, 0, 30, 20]]),
        labels=torch.tensor([1, 0]),
        masks=masks,
        keypoints=torch.tensor([[[10.0, 5, 2]], [[30, 20, 1]]]),
        area=torch.tensor([100.0, 600]),
        ids=("a", "b"),
    )
    semantic = torch.arange(600, dtype=torch.int64).reshape(20, 30) % 256
    target = Target(labels=torch.tensor([3]), objects=objects, semantic=semantic)
    batch = Preprocessing(min_size=40, max_size=90)([torch.rand(3, 20, 30)], [target], LIKE)
    assert batch.targets is not None
    moved = batch.targets[0].objects
    assert moved is not None
    assert moved.boxes.tolist() == [[20, 10, 40, 30], [0, 0, 60, 40]]
    assert moved.keypoints.tolist() == [[[20, 10, 2]], [[60, 40, 1]]]
    assert moved.area.tolist() == [400, 2400]
    assert moved.ids == ("a", "b")
    assert torch.equal(moved.masks, masks.repeat_interleave(2, 1).repeat_interleave(2, 2))
    doubled = semantic.repeat_interleave(2, 0).repeat_interleave(2, 1)
    assert torch.equal(batch.targets[0].semantic, doubled)
    assert batch.targets[0].labels.tolist() == [3]
    assert objects.boxes[0].tolist() == [10, 5, 20, 15]


def test_height_and_width_have_their_own_scale() -> None:
    objects = Objects(
        boxes=torch.tensor([[1.0, 2, 4, 8]]),
        labels=torch.tensor([0]),
        keypoints=torch.tensor([[[1.0, 2, 2]]]),
    )
    moved = resize_target(Target(objects=objects), (10, 20), (30, 40), torch.float32).objects
    assert moved.boxes.tolist() == [[2, 6, 8, 24]]
    assert moved.keypoints.tolist() == [[[2, 6, 2]]]


def test_no_masks_stay_no_masks() -> None:
    objects = Objects.empty().with_(masks=torch.zeros(0, 20, 30, dtype=torch.bool))
    preprocess = Preprocessing(min_size=40, max_size=90)
    batch = preprocess([torch.rand(3, 20, 30)], [Target(objects=objects)], LIKE)
    assert batch.targets[0].objects.masks.shape == (0, 40, 60)


@given(st.tuples(SIDE, SIDE), st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_boxes_there_and_back(size: tuple[int, int], corners: list[float]) -> None:
    preprocess = Preprocessing(min_size=64, max_size=128)
    height, width = size
    x1, x2 = sorted((corners[0] * width, corners[1] * width))
    y1, y2 = sorted((corners[2] * height, corners[3] * height))
    box = torch.tensor([[x1, y1, x2, y2]], dtype=torch.float64)
    new = preprocess.size(height, width)
    y, x = new[0] / height, new[1] / width
    back = boxes_to_original(box * torch.tensor([x, y, x, y]), new, size)
    torch.testing.assert_close(back, box, rtol=1e-5, atol=1e-4)
    assert (back >= 0).all()
    assert (back[:, 0::2] <= width).all()
    assert (back[:, 1::2] <= height).all()


def test_everything_comes_out_in_the_dtype_of_the_model() -> None:
    target = Target(objects=Objects.empty())
    for dtype, boxes in ((torch.float64, torch.float64), (torch.bfloat16, torch.float32)):
        like = torch.zeros((), dtype=dtype)
        batch = Preprocessing(min_size=32)([torch.rand(3, 32, 32)], [target], like)
        assert batch.pixels.dtype == dtype
        assert batch.targets[0].objects.boxes.dtype == boxes


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "expected at least one, got none"),
        ([torch.rand(1, 8, 8)], r"expected \(3, H, W\), got \(1, 8, 8\)"),
        ([torch.rand(3, 8, 0)], r"expected \(3, H, W\), got \(3, 8, 0\)"),
        ([torch.zeros(3, 8, 8, dtype=torch.int64)], r"uint8 or float in \[0, 1\], got torch.int64"),
        ([torch.rand(3, 8, 8)] * 2, "expected 2, one an image, got 1"),
    ],
)
def test_errors_say_what_was_expected(images: list[torch.Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Preprocessing()(images, [Target()], LIKE)


def test_numbers_of_pixels_are_not_cut_to_bytes() -> None:
    """Somebody behind checks them; 256 must not arrive there as class 0."""
    semantic = torch.tensor([[256, -1], [70000, 3]])
    preprocess = Preprocessing(min_size=4, max_size=4, mean=(0, 0, 0), std=(1, 1, 1), multiple=1)
    batch = preprocess([torch.rand(3, 2, 2)], [Target(semantic=semantic)], torch.zeros(1))
    expected = semantic.repeat_interleave(2, 0).repeat_interleave(2, 1)
    assert torch.equal(batch.targets[0].semantic, expected)
