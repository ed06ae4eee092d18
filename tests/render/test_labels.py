"""Labels stay in the image, and off one another where that is easy."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tapetum.render.canvas import Canvas, make_canvas
from tapetum.render.labels import Label, paste_labels
from tapetum.render.text import load_font

COLORS = [(200, i, 255 - i) for i in range(0, 250, 10)]


def painted(canvas, color):
    """The rectangle that pixels of `color` span, or None."""
    rows, columns = (np.asarray(canvas.image) == color).all(axis=2).nonzero()
    if len(rows) == 0:
        return None
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def blank(width=500, height=400):
    return make_canvas(Image.new("RGB", (width, height), (1, 2, 3)))


def label(box, color, name="object", ground_truth=False):
    return Label(box=box, name=name, note="0.50", color=color, ground_truth=ground_truth)


def test_a_prediction_is_named_above_its_box_and_truth_below():
    canvas = blank()
    box = (100, 100, 300, 200)
    paste_labels(canvas, [label(box, COLORS[0]), label(box, COLORS[1], ground_truth=True)])
    above, below = painted(canvas, COLORS[0]), painted(canvas, COLORS[1])
    assert above[0] == 100
    assert above[3] == 100
    assert below[0] == 100
    assert below[1] == 200


def test_at_the_upper_edge_the_label_moves_into_the_box():
    canvas = blank()
    paste_labels(canvas, [label((0, 0, 300, 200), COLORS[0])])
    assert painted(canvas, COLORS[0])[:2] == (0, 0)


def test_two_labels_of_one_box_do_not_cover_one_another():
    canvas = blank()
    boxes = [(100, 100, 300, 250)] * 4
    paste_labels(canvas, [label(box, color) for box, color in zip(boxes, COLORS, strict=False)])
    rects = [painted(canvas, color) for color in COLORS[:4]]
    areas = [(r[2] - r[0]) * (r[3] - r[1]) for r in rects]
    assert len(set(rects)) == 4
    assert len(set(areas)) == 1  # each is seen whole


def test_the_first_label_lies_on_top_where_there_is_no_room():
    canvas = Canvas(Image.new("RGB", (70, 20)), 1, 2, load_font(12))
    paste_labels(canvas, [label((0, 0, 70, 20), color) for color in COLORS[:5]])
    assert painted(canvas, COLORS[0]) is not None
    assert painted(canvas, COLORS[4]) is None


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.text(max_size=40),
    st.lists(st.integers(-50, 350), min_size=4, max_size=4),
    st.booleans(),
)
def test_any_label_on_any_image(width, height, name, edges, ground_truth):
    image = Image.new("RGB", (width, height))
    x1, x2 = sorted(edges[:2])
    y1, y2 = sorted(edges[2:])
    paste_labels(
        Canvas(image, 1, 2, load_font(12)), [label((x1, y1, x2, y2), COLORS[3], name, ground_truth)]
    )
    assert image.size == (width, height)


def test_a_label_is_whole_or_absent():
    """Never cut by the edge of the image: its width and height do not depend on the place."""
    sizes = set()
    for x, y in [(0, 0), (490, 390), (250, 200), (-40, 395), (499, -20)]:
        canvas = blank()
        paste_labels(canvas, [label((x, y, x + 8, y + 8), COLORS[0])])
        rect = painted(canvas, COLORS[0])
        sizes.add((rect[2] - rect[0], rect[3] - rect[1]))
    assert len(sizes) == 1
