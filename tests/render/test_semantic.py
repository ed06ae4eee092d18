"""Class maps: every class its own look, regions outlined, errors marked, ignored pixels apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from tapetum.render.canvas import make_canvas
from tapetum.render.legend import Entry, with_legend
from tapetum.render.palette import class_color
from tapetum.render.semantic import draw_semantic, draw_semantic_errors

GRAY = (90, 90, 90)
CLASSES = ("background", "cat", "dog")


def image(width=500, height=400):
    return Image.new("RGB", (width, height), GRAY)


def halves(left, right, width=500, height=400):
    """A map of two classes side by side."""
    semantic = torch.full((height, width), left, dtype=torch.uint8)
    semantic[:, width // 2 :] = right
    return semantic


def pixels(image):
    return np.asarray(image).astype(int)


def test_a_class_is_tinted_and_outlined_and_background_is_not():
    shown = pixels(draw_semantic(image(), halves(0, 1), CLASSES, alpha=0.4, legend=False))
    assert (shown[:, :250] == GRAY).all()
    assert (shown[:, 250:252] == class_color(0)).all()
    tint = [round(90 * 0.6 + c * 0.4) for c in class_color(0)]
    assert np.abs(shown[:, 252:] - tint).max() <= 1
    assert draw_semantic(image(), halves(0, 1), CLASSES, legend=False).size == (500, 400)


def test_objects_have_their_color_with_and_without_a_background():
    with_it = pixels(draw_semantic(image(), halves(0, 2), CLASSES, legend=False))
    without = pixels(draw_semantic(image(), halves(0, 1), ("cat", "dog"), legend=False))
    assert (with_it[:, 252:] == without[:, 252:]).all()
    assert not (without[:, :248] == GRAY).all(axis=2).any()


def test_many_classes_differ_without_color_and_always_look_the_same():
    names = [f"class {i}" for i in range(105)]
    looks = {}
    for i in range(105):
        drawn = draw_semantic(image(480, 60), torch.full((60, 480), i).long(), names, legend=False)
        looks[i] = drawn.tobytes()
    assert len(set(looks.values())) == 105
    pair = pixels(draw_semantic(image(), halves(0, 7), names, legend=False).convert("L"))
    assert len(np.unique(pair[:, :245])) == 1  # one of the first seven: plain
    assert len(np.unique(pair[:, 255:])) == 2  # a tone of the same color: hatched


def test_the_legend_names_the_classes_that_are_there():
    two, three = halves(0, 1), halves(0, 1)
    three[:100] = 2
    strips = []
    for semantic in (two, three, halves(0, 255)):
        drawn = draw_semantic(image(), semantic, CLASSES)
        assert drawn.width == 500
        assert drawn.height > 410
        strips.append(drawn.crop((0, 400, 500, drawn.height)))
    colors = [{tuple(c) for c in np.asarray(s).reshape(-1, 3).tolist()} for s in strips]
    assert class_color(0) in colors[0]
    assert class_color(1) not in colors[0]
    assert {class_color(0), class_color(1)} <= colors[1]
    assert class_color(0) not in colors[2]
    assert len({strip.tobytes() for strip in strips}) == 3


def test_errors_are_marked_and_nothing_can_be_wrong_where_truth_is_ignored():
    ground_truth, found = halves(0, 1), halves(0, 1)
    found[100:200, :100] = 2
    ground_truth[:50], found[:50] = 255, 2
    shown = pixels(draw_semantic_errors(image(), ground_truth, found, legend=False))
    right = shown[300, 300]
    assert right.max() - right.min() == 0  # grey
    assert (shown[200:, :] == right).all()
    assert (shown[100:200, 100:] == right).all()
    wrong = shown[100:200, :100]
    assert (wrong[..., 0] - wrong[..., 2] > 60).mean() > 0.6  # red
    assert not (wrong == right).all(axis=2).any()
    ignored = shown[:50]
    assert (ignored == ignored[0, 0]).all()
    assert (ignored[0, 0] != right).all()


def test_the_legend_says_how_much_is_wrong():
    ground_truth = halves(0, 1)
    strips = set()
    for rows in (0, 100, 200):
        found = ground_truth.clone()
        found[:rows] = 2
        drawn = draw_semantic_errors(image(), ground_truth, found)
        strips.add(drawn.crop((0, 400, 500, drawn.height)).tobytes())
    assert len(strips) == 3


def test_small_images_are_enlarged_with_their_map():
    semantic = torch.zeros(40, 40, dtype=torch.int64)
    semantic[10:30, 10:30] = 1
    shown = pixels(draw_semantic(image(40, 40), semantic, CLASSES, legend=False))
    assert shown.shape[:2] == (480, 480)
    assert (shown[:120] == GRAY).all()
    assert (shown[120:122, 120:360] == class_color(0)).all()
    assert (shown[240, 240] != GRAY).any()


@pytest.mark.parametrize("size", [(1, 1), (3000, 2), (2, 700), (500, 400)])
def test_any_size_and_any_number(size):
    numbers = torch.randint(0, 256, size[::-1], generator=torch.Generator().manual_seed(0))
    draw_semantic(image(*size), numbers, CLASSES)
    draw_semantic_errors(image(*size), numbers, numbers.flip(0))


def test_maps_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"size \(400, 500\), got \(500, 400\)"):
        draw_semantic(image(), halves(0, 1).T, CLASSES)
    with pytest.raises(ValueError, match="semantic"):
        draw_semantic_errors(image(), halves(0, 1), torch.zeros(3, 3).long())
    with pytest.raises(ValueError, match="alpha"):
        draw_semantic(image(), halves(0, 1), CLASSES, alpha=1.5)


def test_a_legend_takes_as_many_rows_as_it_needs_or_stays_away():
    canvas = make_canvas(image(300, 200))
    entries = [Entry(f"name {i}", Image.new("RGB", (20, 10), (250, i, 0))) for i in range(12)]
    drawn = with_legend(canvas.image, canvas.font, entries)
    shown = np.asarray(drawn)
    assert (shown[: canvas.image.height] == np.asarray(canvas.image)).all()
    for i in range(12):
        assert (shown == (250, i, 0)).all(axis=2).sum() == 200  # every swatch is whole
    narrow = Image.new("RGB", (40, 200))
    assert with_legend(narrow, canvas.font, entries) is narrow
    assert with_legend(narrow, canvas.font, []) is narrow
