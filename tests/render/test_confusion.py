"""Charts of what a classifier mixes up: right cells in the right places, safe at any size."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tapetum.render.confusion import confusion_matrix, reliability_diagram
from tapetum.render.palette import OKABE_ITO, hex_color, mix

SVG = "{http://www.w3.org/2000/svg}"
RIGHT, WRONG = hex_color(OKABE_ITO[5]), hex_color(mix(OKABE_ITO[0], (0, 0, 0), 0.12))
HOSTILE = ["<script>alert(1)</script>", "$\\frac{$", "a\nb\x00", "_x", "日本 🐈", "x" * 300]


def texts(svg):
    return ["".join(t.itertext()) for t in ET.fromstring(svg).iter(f"{SVG}text")]


def rectangles(svg, color):
    """(left, top, right, bottom, opacity) of all cells of a color."""
    found = []
    for path in ET.fromstring(svg).iter(f"{SVG}path"):
        if path.get("fill") == color:
            for part in path.get("d").split("M")[1:]:
                xy = np.array([float(v) for v in re.findall(r"-?[\d.]+", part)]).reshape(-1, 2)
                opacity = float(path.get("opacity", path.get("fill-opacity", 1)))
                found.append((*xy.min(0), *xy.max(0), opacity))
    return np.array(found).reshape(-1, 5)


def test_cells_lie_where_the_matrix_says():
    """Rows downwards are true classes; a whole row of errors is one rectangle."""
    svg = confusion_matrix(np.array([[8, 0, 0], [5, 0, 5], [0, 0, 4]]), ["a", "b", "c"])
    right, wrong = rectangles(svg, RIGHT), rectangles(svg, WRONG)
    assert len(right) == 2
    side = right[0, 2] - right[0, 0]
    first = right[np.argmin(right[:, 0])]
    np.testing.assert_allclose(right[:, 2:4] - right[:, :2], side, rtol=1e-4)
    last = right[np.argmax(right[:, 0])]
    np.testing.assert_allclose(last[:2] - first[:2], 2 * side, rtol=1e-4)
    assert len(wrong) == 2
    np.testing.assert_allclose(wrong[:, 1] - first[1], side, rtol=1e-4)
    np.testing.assert_allclose(np.sort(wrong[:, 0]) - first[0], [0, 2 * side], atol=1e-3)


def test_a_stronger_share_is_more_opaque():
    svg = confusion_matrix(np.array([[90, 10, 0], [30, 40, 30], [0, 45, 55]]), ["a", "b", "c"])
    wrong = rectangles(svg, WRONG)
    order = wrong[np.argsort(wrong[:, 1])]
    assert order[0, 4] < order[1, 4] < order[-1, 4] < 1
    right = rectangles(svg, RIGHT)
    assert sorted(set(right[:, 4]))[-1] == 1


def test_few_classes_have_numbers_in_percent_of_their_row():
    matrix = np.array([[2, 6, 0], [30, 10, 0], [0, 1, 999]])
    written = texts(confusion_matrix(matrix, ["cat", "dog", "elk"]))
    numbers = sorted(t for t in written if t[-1].isdigit())
    assert numbers == ["100", "25", "25", "75", "75", "<1"]
    assert {"cat", "dog", "true class", "predicted class"} <= set(written)


@pytest.mark.parametrize("size", [21, 100])
def test_many_classes_are_named_on_both_sides_without_numbers(size):
    random = np.random.default_rng(0)
    matrix = random.poisson(0.3, (size, size)) + 30 * np.eye(size)
    names = [f"name{i}" for i in range(size)]
    svg = confusion_matrix(matrix, names)
    written = texts(svg)
    assert sorted(written) == sorted([*names, *names, "true class", "predicted class"])
    assert len(svg) < 1_000_000
    area = rectangles(svg, WRONG)
    side = rectangles(svg, RIGHT)
    cell = (side[0, 2] - side[0, 0]) ** 2
    off = (matrix > 0).sum() - size
    total = ((area[:, 2] - area[:, 0]) * (area[:, 3] - area[:, 1])).sum()
    assert total / cell == pytest.approx(off, rel=1e-3)


def test_more_classes_than_can_be_read_and_none_at_all():
    svg = confusion_matrix(np.eye(400), [f"c{i}" for i in range(400)])
    assert 100 <= sum(t.startswith("c") for t in texts(svg)) <= 260
    assert "svg" in confusion_matrix(np.zeros((0, 0)), [])
    assert rectangles(confusion_matrix(np.zeros((3, 3)), "abc"), RIGHT).size == 0


def test_charts_are_safe_and_the_same_every_time():
    for make in (
        lambda: confusion_matrix(np.eye(6), HOSTILE),
        lambda: reliability_diagram(np.full(15, 0.5), np.full(15, 0.4), np.arange(15)),
    ):
        svg = make()
        assert svg == make()
        allowed = {"svg", "g", "path", "text", "defs", "use", "clipPath", "rect"}
        root = ET.fromstring(svg)
        assert {element.tag.removeprefix(SVG) for element in root.iter()} <= allowed
        for element in root.iter():
            assert not [key for key in element.attrib if key.startswith("on") or key == "style"]


def test_bars_of_reliability_are_as_high_as_the_accuracy():
    confidence, accuracy = np.array([0.1, 0.3, 0.5, 0.7, 0.9]), np.array([0.2, -1, 0.4, 0.6, 1.0])
    svg = reliability_diagram(confidence, accuracy, np.array([10, 0, 20, 30, 40]))
    cells = rectangles(svg, RIGHT)
    middle = np.median(cells[:, 0])
    bars = cells[np.argsort(cells[:, 0])][:4]
    assert len(cells) == 8  # the empty bin has neither
    heights = bars[:, 3] - bars[:, 1]
    np.testing.assert_allclose(heights / heights[-1], [0.2, 0.4, 0.6, 1.0], atol=1e-3)
    shares = cells[np.argsort(cells[:, 0])][4:]
    heights = shares[:, 3] - shares[:, 1]
    np.testing.assert_allclose(heights / heights[-1], [0.25, 0.5, 0.75, 1.0], atol=1e-3)
    assert middle > bars[2, 0]


def test_nothing_measured_is_an_empty_chart():
    svg = reliability_diagram(np.full(15, -1.0), np.full(15, -1.0), np.zeros(15))
    assert rectangles(svg, RIGHT).size == 0


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 2\), got \(2, 3\)"):
        confusion_matrix(np.zeros((2, 3)), ["a", "b"])
    with pytest.raises(ValueError, match="three arrays"):
        reliability_diagram(np.zeros(3), np.zeros(3), np.zeros(4))
