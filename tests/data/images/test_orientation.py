"""How images, points and boxes turn together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from tapetum.data.images.orientation import turn_array, turn_boxes, turn_points, turned_size

ORIENTATIONS = range(1, 9)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_arrays_turn_as_pillow_turns_them(make, orientation):
    array = make.noise(5, 8)
    image = Image.fromarray(array)
    image.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    assert (turn_array(array, orientation) == expected).all()
    assert turned_size((5, 8), orientation) == expected.shape[:2]


@given(st.sampled_from(ORIENTATIONS), st.tuples(*[st.integers(0, 5)] * 4))
def test_a_box_holds_the_same_pixels_before_and_after(orientation, numbers):
    left, top, width, height = numbers
    array = np.arange(12 * 15).reshape(12, 15)
    box = np.array([[left, top, width + 1, height + 1]], dtype=np.float64)
    x, y, w, h = turn_boxes(box, orientation, (12, 15))[0].astype(int)
    inside = array[top : top + height + 1, left : left + width + 1]
    upright = turn_array(array, orientation)[y : y + h, x : x + w]
    assert sorted(upright.reshape(-1)) == sorted(inside.reshape(-1))
    assert upright.shape == turn_array(inside, orientation).shape


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_points_stay_on_their_pixels(orientation):
    array = np.arange(6 * 9).reshape(6, 9)
    upright = turn_array(array, orientation)
    centres = np.array([[x + 0.5, y + 0.5] for y in range(6) for x in range(9)])
    turned = turn_points(centres, orientation, (6, 9))
    found = [upright[int(y), int(x)] for x, y in turned]
    assert found == list(range(54))


def test_sides_of_turned_boxes_are_not_rounded():
    box = np.array([[0.1, 0.2, 0.3, 0.7]])
    assert turn_boxes(box, 6, (10, 20))[0, 2:].tolist() == [0.7, 0.3]
    assert turn_boxes(box, 3, (10, 20))[0, 2:].tolist() == [0.3, 0.7]
