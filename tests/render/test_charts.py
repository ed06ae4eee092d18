"""Charts as SVG: safe, the same every time, and showing the right numbers."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapetum.render.charts import (
    class_bars,
    histogram,
    line_chart,
    loss_curves,
    metric_curves,
    precision_recall_curves,
    running_mean,
)

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=y>',
    "$\\frac{$",
    "a\nb\x00\x1b",
    "_x",
    "日本 🐈",
]


NAMES = ("loss", "metric", "curve", "bars", "histogram", "line")


def make_charts():
    x = list(range(1, 60))
    y = [1 / v for v in x]
    lines = dict.fromkeys(HOSTILE, (x, y))
    return {
        "loss": loss_curves(lines),
        "metric": metric_curves(lines),
        "curve": precision_recall_curves(lines),
        "bars": class_bars(HOSTILE, [0.1 * i for i in range(len(HOSTILE))], x_label="AP"),
        "histogram": histogram(dict.fromkeys(HOSTILE, y), x_label="score"),
        "line": line_chart(lines, x_label=HOSTILE[0], y_label=HOSTILE[1]),
    }


@pytest.fixture(scope="module")
def charts():
    return make_charts()


def texts(svg):
    return ["".join(t.itertext()) for t in ET.fromstring(svg).iter(f"{SVG}text")]


def curves(svg, color="#d55e00"):
    """Points of each drawn stretch of the curves in `color`."""
    found = []
    for path in ET.fromstring(svg).iter(f"{SVG}path"):
        if path.get("stroke") == color and path.get("fill") == "none":
            stretches = [part.split() for part in path.get("d").split("M")[1:]]
            found += [np.array([float(v) for v in s if v != "L"]).reshape(-1, 2) for s in stretches]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_nothing_foreign_and_nothing_that_runs(charts, name):
    root = ET.fromstring(charts[name])
    allowed = {"svg", "g", "path", "text", "defs", "use", "clipPath", "rect"}
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= allowed
    for element in root.iter():
        for key, value in element.attrib.items():
            assert not key.startswith("on")
            assert key != "style"
            assert "://" not in value
            if key == "href":
                assert value.startswith("#")


@pytest.mark.parametrize("name", NAMES)
def test_ids_are_used_and_unique(charts, name):
    ids = re.findall(r' id="([^"]+)"', charts[name])
    assert ids
    assert len(ids) == len(set(ids))
    assert set(ids) == set(re.findall(r"#(c[0-9a-f]{10}-\d+)", charts[name]))


def test_the_same_text_every_time(charts):
    assert make_charts() == charts


def test_ids_differ_between_charts():
    a, b = (line_chart({"a": ([1, 2], [v, 2])}, x_label="x", y_label="y") for v in (1, 3))
    ids = [set(re.findall(r' id="([^"]+)"', svg)) for svg in (a, b)]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_names_are_text_as_they_are():
    shown = texts(class_bars(HOSTILE, [0.5] * len(HOSTILE), x_label="AP"))
    assert "<script>alert(1)</script>" in shown
    assert "$\\frac{$" in shown
    assert "a\\nb\\x00\\x1b" in shown
    assert "日本 🐈" in shown


def test_the_ink_follows_the_page():
    svg = loss_curves({"loss": ([1, 2, 3], [3.0, 2, 1])})
    assert 'fill="currentColor"' in svg
    assert "#010203" not in svg


def test_matplotlibs_settings_neither_reach_the_chart_nor_change(monkeypatch):
    line = {"a": ([1, 2], [1, 2])}
    expected = line_chart(line, x_label="x", y_label="y")
    monkeypatch.setitem(matplotlib.rcParams, "axes.spines.left", False)
    before = dict(matplotlib.rcParams)
    assert line_chart(line, x_label="x", y_label="y") == expected
    assert dict(matplotlib.rcParams) == before


def test_a_gap_splits_the_curve():
    y = [1.0, 2, 3, None, 5, 6, math.nan, 8, 9]
    stretches = curves(line_chart({"a": (list(range(9)), y)}, x_label="x", y_label="y"))
    assert [len(s) for s in stretches] == [3, 2, 2]


def test_points_lie_where_the_numbers_are():
    (points,) = curves(line_chart({"a": ([0, 1, 3], [0.0, 20, 10])}, x_label="x", y_label="y"))
    (x0, y0), (x1, y1), (x3, y3) = points
    assert x3 - x0 == pytest.approx(3 * (x1 - x0), abs=0.01)
    assert y0 - y1 == pytest.approx(2 * (y0 - y3), abs=0.01)
    assert y1 < y0  # SVG counts from the top


def test_a_logarithmic_axis_makes_decades_equal_and_drops_what_is_not_positive():
    line = ([0, 1, 2, 3], [1.0, 100, 10, 0])
    svg = line_chart({"a": line}, x_label="x", y_label="y", log=True)
    (points,) = curves(svg)
    one, hundred, ten = points[:, 1]
    assert one - hundred == pytest.approx(2 * (one - ten), abs=0.01)
    assert {"1", "10", "100"} <= set(texts(svg))


def test_a_log_axis_without_positive_values_is_no_error():
    line_chart({"a": ([0, 1], [0.0, -1])}, x_label="x", y_label="y", log=True)


def test_empty_charts():
    assert "<svg" in loss_curves({})
    assert "<svg" in metric_curves({})
    assert "<svg" in precision_recall_curves({})
    assert "<svg" in class_bars([], [], x_label="AP")
    assert "<svg" in histogram({}, x_label="score")
    assert "<svg" in histogram({"a": [math.nan]}, x_label="score")


def test_bars_are_ordered_and_undefined_ones_are_dashes():
    svg = class_bars(["a", "b", "c", "d"], [0.2, 0.8, -1, None], x_label="AP")
    shown = texts(svg)
    assert [t for t in shown if t in ("a", "b", "c", "d")] == ["b", "a", "c", "d"]
    assert shown.count("–") == 2
    assert "0.800" in shown


def test_of_many_classes_the_best_and_the_worst_are_shown():
    names = [f"class{i:03}" for i in range(100)]
    shown = [
        t
        for t in texts(class_bars(names, [i / 100 for i in range(100)], x_label="AP"))
        if t.startswith("class")
    ]
    assert len(shown) == 40
    assert shown[0] == "class099"
    assert shown[-1] == "class000"


def test_a_legend_names_a_few_curves_and_counts_the_rest():
    shown = texts(precision_recall_curves({f"n{i}": ([0, 1], [1, 0]) for i in range(20)}))
    assert "n7" in shown
    assert "n8" not in shown
    assert "and 12 more" in shown


def test_histogram_counts():
    svg = histogram({"a": [0.05] * 7 + [0.95] * 3}, x_label="score", bins=10, x_range=(0, 1))
    assert {"0", "2", "4", "6"} <= set(texts(svg))


def test_long_curves_become_short_ones_with_the_same_mean():
    n = 30_000
    y = np.sin(np.arange(n) / 3000) + 2
    svg = line_chart({"a": (range(n), list(y))}, x_label="x", y_label="y")
    assert len(svg) < 20_000


def test_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="as many x as y, got 2 and 3"):
        line_chart({"a": ([1, 2], [1, 2, 3])}, x_label="x", y_label="y")


def test_running_mean_by_hand():
    values = np.array([1.0, 3, np.nan, 5, 9])
    mean = running_mean(values, 1)
    assert mean[[0, 1, 3, 4]].tolist() == [2, 2, 7, 7]
    assert np.isnan(mean[2])


@given(st.lists(st.floats(-10, 10) | st.just(math.nan), max_size=30), st.integers(1, 40))
def test_running_mean_stays_between_the_extremes(values, reach):
    mean = running_mean(np.array(values, dtype=float), reach)
    finite = [v for v in values if not math.isnan(v)]
    assert np.isfinite(mean).sum() == len(finite)
    if finite:
        assert min(finite) - 1e-9 <= np.nanmin(mean) <= np.nanmax(mean) <= max(finite) + 1e-9
