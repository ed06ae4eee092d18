"""Images made ready: the right pixels, large enough to read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tapetum.render.canvas import enlargement, make_canvas, to_array, to_image


@given(st.integers(1, 9000), st.integers(1, 9000))
def test_enlarged_by_a_whole_factor_to_a_readable_size(width, height):
    factor = enlargement((width, height))
    assert factor >= 1
    assert isinstance(factor, int)
    long, short = max(width, height) * factor, min(width, height) * factor
    if long < 480 or short < 48:
        # Only where more would make the long side too long.
        assert long + max(width, height) > 4096
    if factor > 1:
        assert max(width, height) * (factor - 1) < 480 or min(width, height) * (factor - 1) < 48


def test_ordinary_images_keep_their_size():
    assert enlargement((640, 480)) == 1
    assert enlargement((8000, 6000)) == 1
    assert enlargement((40, 40)) == 12
    assert enlargement((32, 20)) == 15


def test_few_pixels_are_shown_as_squares():
    image = torch.zeros(3, 32, 32, dtype=torch.uint8)
    image[:, 3, 5] = torch.tensor([255, 0, 7], dtype=torch.uint8)
    canvas = make_canvas(image)
    shown = np.asarray(canvas.image)
    assert canvas.factor == 15
    assert (shown[45:60, 75:90] == [255, 0, 7]).all()
    assert shown.sum() == 15 * 15 * 262


@pytest.mark.parametrize("size", [(32, 32), (480, 640), (3000, 4000)])
def test_pens_and_letters_grow_with_the_image(size):
    canvas = make_canvas(Image.new("RGB", size[::-1]))
    expected = {32: (2, 12), 480: (2, 13), 3000: (9, 62)}[size[0]]
    assert (canvas.line, canvas.font.size) == expected


def test_floats_and_bytes_give_the_same_image():
    bytes_ = torch.arange(48, dtype=torch.uint8).view(3, 4, 4)
    assert to_array(bytes_)[1, 2].tolist() == [6, 22, 38]
    assert (to_array(bytes_.float() / 255) == to_array(bytes_)).all()
    assert to_array(torch.full((3, 1, 1), 1.7)).tolist() == [[[255, 255, 255]]]


def test_every_mode_becomes_rgb_and_a_copy():
    image = Image.new("RGB", (4, 4))
    copy = to_image(image)
    copy.putpixel((0, 0), (9, 9, 9))
    assert image.getpixel((0, 0)) == (0, 0, 0)
    assert to_image(Image.new("L", (4, 4), 7)).getpixel((0, 0)) == (7, 7, 7)


@pytest.mark.parametrize("shape", [(1, 4, 4), (4, 4), (3, 0, 4)])
def test_wrong_shapes_are_named(shape):
    with pytest.raises(ValueError, match=r"expected \(3, H, W\)"):
        to_image(torch.zeros(shape))


def test_wrong_kinds_are_named():
    with pytest.raises(ValueError, match="expected uint8 or float"):
        to_image(torch.zeros(3, 2, 2, dtype=torch.int32))
