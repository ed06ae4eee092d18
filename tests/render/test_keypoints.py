"""Joints on the right pixels; sides, hidden ones and kinds of line told apart without color."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from tapetum.render.draw import draw_objects
from tapetum.render.keypoints import draw_keypoints, sides_of
from tapetum.render.palette import OKABE_ITO, class_color
from tapetum.structures import Objects

GRAY = (90, 90, 90)
ORANGE, BLUE = OKABE_ITO[4], OKABE_ITO[1]
NAMES = ("nose", "left_hand", "right_hand")


def image(width=500, height=400):
    return Image.new("RGB", (width, height), GRAY)


def body(*points, scores=None):
    return Objects(
        boxes=torch.tensor([[50.0, 50, 450, 350]]),
        labels=torch.tensor([0]),
        scores=None if scores is None else torch.tensor(scores),
        keypoints=torch.tensor([points], dtype=torch.float32),
    )


def pixels(image):
    return np.asarray(image).astype(int)


def test_each_side_has_its_color_and_its_shape():
    three = body((250, 100, 2), (350, 200, 2), (150, 200, 2))
    shown = pixels(draw_keypoints(image(), three, names=NAMES, legend=False))
    assert (shown[100, 250] == (255, 255, 255)).all()
    assert (shown[200, 350] == ORANGE).all()
    assert (shown[200, 150] == BLUE).all()
    disc, square = (
        (shown[190:211, x - 10 : x + 11] != GRAY).any(axis=2) for x in (350, 150)
    )  # the marks alone
    for mark, fills in ((square, True), (disc, False)):
        rows, columns = mark.nonzero()
        hull = mark[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert hull.all() == fills
        assert hull.size >= 25


def test_truth_absent_hidden_visible():
    three = body((100, 100, 0), (250, 100, 1), (400, 100, 2), (100, 300, 2))
    shown = pixels(draw_keypoints(image(), three))
    assert (shown[90:111, 90:111] == GRAY).all()
    assert (shown[100, 250] == GRAY).all()
    assert (shown[95:106, 245:256] == class_color(0)).all(axis=2).any()
    assert (shown[100, 400] == class_color(0)).all()


def test_what_a_model_is_unsure_of_is_hollow_but_there():
    pair = body((100, 100, -2.5), (400, 100, 0.01), scores=[0.8])
    shown = pixels(draw_keypoints(image(), pair))
    assert (shown[100, 100] == GRAY).all()
    assert (shown[95:106, 95:106] != GRAY).any()
    assert (shown[100, 400] == class_color(0)).all()


def test_limbs_join_what_is_there_and_nothing_else():
    """The first limb is drawn, the second has an absent end, the third an index that is none."""
    three = body((100, 200, 2), (400, 200, 2), (250, 50, 0))
    shown = pixels(draw_keypoints(image(), three, [(0, 1), (1, 2), (0, 7)]))
    assert (shown[200, 120:380] == class_color(0)).all()
    assert (shown[40:190] == GRAY).all()
    above, below = shown[197:200, 120:380], shown[201:204, 120:380]
    for edge in (above, below):
        assert (edge == 0).all(axis=(1, 2)).any()  # dark, so that it shows on any ground


def test_truth_is_dashed_and_prediction_solid_also_in_grey():
    ends = ((100, 200, 2), (400, 200, 2))
    nothing = body(*ends)[:0]
    solid = draw_keypoints(image(), body(*ends, scores=[0.9]), [(0, 1)]).convert("L")
    dashed = draw_keypoints(image(), nothing, [(0, 1)], ground_truth=body(*ends), legend=False)
    row = np.asarray(dashed.convert("L"))[200, 110:390].astype(int)
    assert len(np.unique(np.asarray(solid)[200, 110:390])) == 1
    assert len(np.unique(row)) == 2
    assert (np.diff(row) != 0).sum() >= 20
    assert 0.35 < (row > 0).mean() < 0.65


def test_sides_come_from_names_and_seventeen_are_cocos():
    assert sides_of(NAMES, 3) == ("", "left", "right")
    assert sides_of((), 17) == ("", *["left", "right"] * 8)
    assert sides_of((), 5) == ("",) * 5
    assert sides_of(("leftovers", "right_eye", "x"), 2) == ("", "right")
    assert sides_of(("left_eye",), 3) == ("left", "", "")


def test_the_legend_tells_what_is_there():
    sided = body(*[(200, 100 + 5 * i, 2) for i in range(17)])
    plain = body((250, 100, 2))
    assert draw_keypoints(image(), plain).size == (500, 400)
    assert draw_keypoints(image(), sided, legend=False).size == (500, 400)
    strip = draw_keypoints(image(), sided).crop((0, 400, 500, 430))
    both = draw_keypoints(image(), sided, ground_truth=sided).crop((0, 400, 500, 430))
    colors = {tuple(c) for c in np.asarray(strip).reshape(-1, 3).tolist()}
    assert {ORANGE, BLUE} <= colors
    assert both.tobytes() != strip.tobytes()


def test_small_images_are_enlarged_and_small_people_get_thin_lines():
    tiny = body((10, 10, 2), (30, 10, 2))
    drawn = draw_keypoints(Image.new("RGB", (40, 40), GRAY), tiny, [(0, 1)])
    assert drawn.size == (480, 480)
    assert (pixels(drawn)[120, 130:350] == class_color(0)).all()
    crowd = body((100, 100, 2), (112, 100, 2))
    near = pixels(draw_keypoints(image(), crowd, [(0, 1)]))
    assert (near != GRAY).any(axis=2)[:, 105].sum() <= 4


def test_objects_with_keypoints_have_their_skeleton_too():
    three = body((250, 100, 2), (350, 200, 2), (150, 200, 2))
    one = draw_objects(image(), three, ["c"], labels=False)
    joined = draw_objects(image(), three, ["c"], skeleton=[(1, 2)], labels=False)
    assert (pixels(one)[200, 200:300] == GRAY).all()
    assert (pixels(joined)[200, 200:300] == class_color(0)).all()
    named = draw_objects(image(), three, ["c"], keypoint_names=NAMES, labels=False)
    assert (pixels(named)[200, 350] == ORANGE).all()


def test_without_keypoints_the_image_stays():
    bare = Objects(torch.zeros(1, 4), torch.tensor([0]))
    for objects in (bare, Objects.empty(), body((5, 5, 0))):
        drawn = draw_keypoints(image(), objects, [(0, 1)])
        assert (pixels(drawn) == GRAY).all()


number = st.floats(allow_nan=True, allow_infinity=True, width=32)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 120),
    st.integers(1, 120),
    st.lists(st.tuples(number, number, number), min_size=17, max_size=17),
)
@example(8, 8, [(0.0, 0.0, 1.0), (0.0, math.nan, 1.0), *[(0.0, 0.0, 0.0)] * 15])
@example(8, 8, [(0.0, 0.0, 1.0), (math.nan, 0.0, 1.0), *[(0.0, 0.0, 0.0)] * 15])
def test_any_points_on_any_size(width, height, points):
    objects = body(*points)
    pairs = [(0, 1), (5, 9), (16, 40), (-1, 3)]
    draw_keypoints(Image.new("RGB", (width, height)), objects, pairs, ground_truth=objects)
    draw_keypoints(Image.new("RGB", (width, height)), body(*points, scores=[0.5]), pairs)


@pytest.mark.parametrize("dashed", [True, False])
def test_the_same_pixels_every_time(dashed):
    three = body((250, 100, 2), (350, 200, 1), (150, 200, 2))
    ground_truth = three if dashed else None
    first = draw_keypoints(image(), three, [(0, 1)], NAMES, ground_truth)
    assert (
        first.tobytes() == draw_keypoints(image(), three, [(0, 1)], NAMES, ground_truth).tobytes()
    )
