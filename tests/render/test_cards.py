"""Cards of a classifier, grids of images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from tapetum.render.cards import draw_class_scores, image_grid, side_by_side
from tapetum.render.palette import OKABE_ITO

GRAY = (90, 90, 90)
BLUE, GREEN, RED = OKABE_ITO[5], OKABE_ITO[2], OKABE_ITO[0]
CLASSES = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu")
SCORES = torch.tensor([0.05, 0.4, 0.02, 0.3, 0.1, 0.08, 0.05])


def image(width=500, height=400):
    return Image.new("RGB", (width, height), GRAY)


def bars(image, height=400):
    """(color, length) of each bar from top to bottom."""
    strip = np.asarray(image)[height:]
    found = []
    for color in (BLUE, GREEN, RED):
        rows = (strip == color).all(axis=2).sum(1)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], rows > 0, [0]])))
        found += [(start, color, int(rows[start])) for start in edges[::2]]
    return [(color, length) for _, color, length in sorted(found)]


def test_the_five_likeliest_in_order_with_bars_as_long_as_their_scores():
    drawn = draw_class_scores(image(), SCORES, CLASSES)
    assert (np.asarray(drawn)[:400] == GRAY).all()
    found = bars(drawn)
    assert [color for color, _ in found] == [BLUE] * 5
    lengths = np.array([length for _, length in found])
    unit = lengths[0] / 0.4
    assert np.abs(lengths - unit * np.array([0.4, 0.3, 0.1, 0.08, 0.05])).max() <= 2


def test_right_is_green_and_a_wrong_first_is_red_and_marked():
    right = draw_class_scores(image(), SCORES, CLASSES, ground_truth=1)
    assert [color for color, _ in bars(right)] == [GREEN, *[BLUE] * 4]
    wrong = draw_class_scores(image(), SCORES, CLASSES, ground_truth=3)
    assert [color for color, _ in bars(wrong)] == [RED, GREEN, *[BLUE] * 3]
    plain = draw_class_scores(image(), SCORES, CLASSES)
    gray = [np.asarray(pixels.convert("L"))[400:, :60] for pixels in (plain, right, wrong)]
    assert not (gray[0] == gray[1]).all()  # the tick
    assert not (gray[1] == gray[2]).all()


def test_a_true_class_beyond_the_first_is_added():
    low = draw_class_scores(image(), SCORES, CLASSES, ground_truth=[1, 2])
    assert [color for color, _ in bars(low)] == [GREEN, *[BLUE] * 4, GREEN]
    assert low.height > draw_class_scores(image(), SCORES, CLASSES, ground_truth=1).height
    none = draw_class_scores(image(), SCORES, CLASSES, ground_truth=[])
    assert bars(none)[0][0] == RED


def test_margins_have_bars_by_the_largest():
    drawn = draw_class_scores(image(), torch.tensor([4.0, -3.0, 2.0]), CLASSES[:3])
    lengths = [length for _, length in bars(drawn)]
    assert len(lengths) == 2  # nothing for the negative one
    assert lengths[1] == pytest.approx(lengths[0] / 2, abs=1)


@pytest.mark.parametrize("size", [(1, 1), (5, 900), (3000, 4), (32, 32)])
def test_any_size_name_and_score(size):
    odd = torch.tensor([float("nan"), 1e30, -1e30, 0.5])
    names = ("x" * 500, "", "a\nb", "猫")
    drawn = draw_class_scores(Image.new("RGB", size), odd, names, ground_truth=[0, 9])
    assert drawn.width >= size[0]
    draw_class_scores(Image.new("RGB", size), torch.zeros(3), names[:3], ground_truth=2)


def test_a_grid_holds_every_image_and_keeps_pixels_square():
    images = [Image.new("RGB", (8, 8), (10 * i, 200, 0)) for i in range(10)]
    checks = Image.fromarray(np.indices((8, 8)).sum(0).astype(np.uint8) % 2 * 255)
    sheet = np.asarray(image_grid([*images, checks.convert("RGB")], [f"c{i}" for i in range(11)]))
    for i in range(10):
        inside = (sheet == (10 * i, 200, 0)).all(axis=2)
        assert inside.sum() >= 100 * 100
    black, white = ((sheet == value).all(axis=2).sum() for value in (0, 255))
    assert black == 32 * 16 * 16
    assert white > black
    assert 0.5 < sheet.shape[1] / sheet.shape[0] < 2


def test_grids_are_bounded_and_count_captions():
    large = [Image.new("RGB", (900, 600)) for _ in range(12)]
    assert image_grid(large, width=1000).width <= 1100
    assert image_grid([]).size[0] > 0
    assert image_grid(large[:1]).width > 900
    with pytest.raises(ValueError, match="expected 1, got 2"):
        image_grid(large[:1], ["a", "b"])


def test_side_by_side_keeps_images_whole_and_aligned():
    images = [Image.new("RGB", size, c) for size, c in (((20, 30), (9, 0, 0)), ((40, 10), GRAY))]
    sheet = np.asarray(side_by_side(images, gap=5))
    assert sheet.shape == (30, 65, 3)
    assert (sheet[:, :20] == (9, 0, 0)).all()
    assert (sheet[:10, 25:] == GRAY).all()
    assert (sheet[10:, 25:] == 255).all()
    assert (sheet[:, 20:25] == 255).all()
    with pytest.raises(ValueError, match="at least one"):
        side_by_side([])
