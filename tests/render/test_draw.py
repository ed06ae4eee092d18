"""Boxes on the right pixels, truth and predictions told apart, at any size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tapetum.render.draw import class_name, draw_objects
from tapetum.render.palette import class_color
from tapetum.structures import Objects

GRAY = (90, 90, 90)


def image(width=500, height=400):
    return Image.new("RGB", (width, height), GRAY)


def objects(*boxes, labels=None, scores=None):
    return Objects(
        boxes=torch.tensor(boxes, dtype=torch.float32).view(-1, 4),
        labels=torch.tensor(labels if labels is not None else [0] * len(boxes)).long(),
        scores=None if scores is None else torch.tensor(scores),
    )


def pixels(image):
    return np.asarray(image).astype(int)


def test_no_objects_leave_the_image_as_it_is():
    picture_ = image()
    drawn = draw_objects(picture_, Objects.empty(scored=True), ["cat"])
    assert (pixels(drawn) == pixels(picture_)).all()
    assert drawn is not picture_


def test_the_line_runs_around_the_box_and_its_inside_is_untouched():
    shown = pixels(draw_objects(image(), objects((100, 50, 200, 150)), ["cat"], labels=False))
    color = class_color(0)
    assert (shown[48:50, 98:202] == color).all()  # above: two pixels wide
    assert (shown[150:152, 98:202] == color).all()
    assert (shown[48:152, 98:100] == color).all()
    assert (shown[48:152, 200:202] == color).all()
    assert (shown[50:150, 100:200] == GRAY).all()
    assert (shown[47, 97:203] == 0).all()  # a thin dark edge outside
    assert (shown[:46] == GRAY).all()


def test_truth_is_dashed_inside_its_box_so_that_a_perfect_prediction_does_not_hide_it():
    box = objects((100, 50, 300, 250))
    shown = pixels(draw_objects(image(), box, ["cat"], box, labels=False, legend=False))
    color = class_color(0)
    assert (shown[48:50, 98:302] == color).all()
    top = (shown[50, 100:300] == color).all(axis=1)
    assert top[0]
    assert top[-1]
    runs = np.flatnonzero(np.diff(top.astype(int)))
    assert len(runs) >= 20  # dashes and gaps take turns
    assert (shown[50, 100:300][~top] == 0).all()
    assert 0.5 < top.mean() < 0.65


def test_the_difference_survives_without_color():
    box = objects((100, 50, 300, 250))
    solid = draw_objects(image(), box, ["cat"], labels=False).convert("L")
    nothing = Objects.empty(scored=True)
    dashed = draw_objects(image(), nothing, ["cat"], box, labels=False, legend=False).convert("L")
    assert len(np.unique(np.asarray(solid)[49, 98:302])) == 1
    assert len(np.unique(np.asarray(dashed)[50, 100:300])) == 2


def test_small_images_are_enlarged_and_boxes_with_them():
    image = Image.new("RGB", (40, 40), GRAY)
    drawn = draw_objects(image, objects((10, 5, 20, 15)), ["cat"], labels=False)
    assert drawn.size == (480, 480)
    shown = pixels(drawn)
    assert (shown[60:180, 120:240] == GRAY).all()
    assert (shown[58:60, 118:242] == class_color(0)).all()


def test_a_tiny_box_stays_visible_in_a_large_image():
    drawn = draw_objects(
        Image.new("RGB", (4000, 3000), GRAY), objects((2000, 1500, 2001, 1501)), ["c"]
    )
    assert (pixels(drawn.crop((1991, 1491, 2010, 1500))) == class_color(0)).all()


def test_boxes_are_clipped_and_what_is_not_finite_is_left_out():
    odd = objects(
        (-1e30, -5, 1e30, 5000),
        (float("nan"), 0, 5, 5),
        (0, 0, float("inf"), 5),
        (900, 900, 950, 950),
        (30, 30, 30, 30),
    )
    shown = pixels(draw_objects(image(), odd[:1], ["cat"], labels=False))
    assert (shown[0:2] == class_color(0)).all()
    assert (shown[2:-2, 2:-2] == GRAY).all()
    draw_objects(image(), odd, ["cat"])
    nothing = draw_objects(image(), odd[1:3], ["cat"])
    assert (pixels(nothing) == GRAY).all()


def test_the_strongest_score_is_drawn_on_top():
    same = objects((100, 50, 200, 150), (100, 50, 200, 150), labels=[0, 1], scores=[0.9, 0.3])
    shown = pixels(draw_objects(image(), same, ["a", "b"], labels=False))
    assert (shown[49, 98:202] == class_color(0)).all()
    other = same.with_(scores=torch.tensor([0.3, 0.9]))
    assert (
        pixels(draw_objects(image(), other, ["a", "b"], labels=False))[49, 150] == class_color(1)
    ).all()


def test_labels_say_score_crowd_and_difficult():
    """Whatever is written differs, so the images do."""
    base = objects((100, 100, 200, 200), scores=[0.87])
    variants = [
        draw_objects(image(), base, ["cat"]),
        draw_objects(image(), base, ["cat"], scores=False),
        draw_objects(image(), base, ["dog"]),
        draw_objects(image(), base.with_(crowd=torch.tensor([True])), ["cat"]),
        draw_objects(image(), base.with_(difficult=torch.tensor([True])), ["cat"]),
        draw_objects(image(), base, ["cat"], labels=False),
    ]
    assert len({pixels.tobytes() for pixels in variants}) == len(variants)


def test_the_legend_is_a_strip_below_and_only_with_truth():
    box = objects((100, 100, 200, 200))
    assert draw_objects(image(), box, ["c"]).size == (500, 400)
    assert draw_objects(image(), box, ["c"], box, legend=False).size == (500, 400)
    with_legend = draw_objects(image(), box, ["c"], box)
    assert with_legend.width == 500
    assert 415 < with_legend.height < 430
    without = draw_objects(image(), box, ["c"], box, legend=False)
    assert (pixels(with_legend)[:400] == pixels(without)).all()


def test_masks_are_tinted_at_the_enlarged_size():
    mask = torch.zeros(1, 40, 40, dtype=torch.bool)
    mask[0, 10:30, 10:30] = True
    obj = objects((10, 10, 30, 30)).with_(masks=mask)
    shown = pixels(draw_objects(Image.new("RGB", (40, 40), GRAY), obj, ["c"], labels=False))
    tinted = [round(90 * 0.55 + c * 0.45) for c in class_color(0)]
    assert (shown[200, 200] == tinted).all()
    assert (shown[100, 100] == GRAY).all()
    plain = draw_objects(Image.new("RGB", (40, 40), GRAY), obj, ["c"], labels=False, masks=False)
    assert (pixels(plain)[200, 200] == GRAY).all()


def test_keypoints_are_discs_rings_or_nothing():
    points = torch.tensor([[[150.0, 100, 2], [250, 100, 1], [350, 100, 0], [float("nan"), 0, 2]]])
    obj = objects((100, 50, 400, 150)).with_(keypoints=points)
    shown = pixels(draw_objects(image(), obj, ["c"], labels=False))
    assert (shown[100, 150] == class_color(0)).all()
    assert (shown[100, 250] == GRAY).all()
    assert (shown[96:105, 246:255] == class_color(0)).all(axis=2).any()
    assert (shown[90:110, 340:360] == GRAY).all()


def test_names_beyond_the_list():
    assert class_name(["cat"], 0) == "cat"
    assert class_name(["cat"], 7) == "class 7"
    assert class_name([], -1) == "class -1"


NAMES = ["猫 кот قط 🐈", "a\nb\x1b[31m\x00", "x" * 5000, "", "Z̸̢̛͔̼a̴l̵g̶o̷" * 20, "\ud800", "$\\frac{1}"]


@pytest.mark.parametrize("size", [(1, 1), (32, 32), (3000, 4), (5, 900), (64, 6000)])
def test_any_name_on_any_size(size):
    boxes = [(0.0, 0.0, float(size[0]), float(size[1]))] * len(NAMES)
    instances = objects(*boxes, labels=list(range(len(NAMES))), scores=[0.5] * len(NAMES))
    drawn = draw_objects(Image.new("RGB", size), instances, NAMES, instances[:2])
    assert drawn.width >= size[0]
    assert drawn.height >= size[1]


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 200),
    st.integers(1, 200),
    st.lists(st.tuples(*[st.floats(-1e4, 1e4, width=32)] * 4), max_size=4),
)
def test_any_boxes_on_any_size(width, height, boxes):
    instances = objects(*boxes, scores=[0.5] * len(boxes))
    draw_objects(Image.new("RGB", (width, height)), instances, ["cat"], instances)


def test_the_largest_images():
    drawn = draw_objects(
        Image.new("RGB", (8000, 6000)), objects((100, 100, 5000, 4000), (0, 0, 3, 3)), ["cat"]
    )
    assert drawn.size == (8000, 6000)


def test_the_same_pixels_every_time():
    instances = objects((10, 10, 90, 90), (50, 50, 300, 200), labels=[1, 2], scores=[0.5, 0.5])
    first = draw_objects(image(), instances, ["a", "b", "c"], instances)
    assert first.tobytes() == draw_objects(image(), instances, ["a", "b", "c"], instances).tobytes()
