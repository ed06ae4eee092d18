"""Colors that stay apart for every kind of color vision."""

from __future__ import annotations

import itertools

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapetum.render.palette import (
    HEAT_MAPS,
    OKABE_ITO,
    class_color,
    contrast,
    heat_table,
    hex_color,
    luminance,
    mix,
    text_color,
)

channel = st.integers(0, 255)

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
VISIONS = {
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def linear(color):
    c = np.array(color) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIE L*a*b* of linear RGB (D65)."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    x, y, z = to_xyz @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089]
    f = [v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISIONS)
def test_base_colors_stay_apart_for_the_color_blind(vision):
    seen = [lab(np.array(VISIONS[vision]) @ linear(color)) for color in OKABE_ITO]
    # 2.3 is a just noticeable difference.
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 4 * 2.3


@given(channel, channel, channel)
def test_text_reads_on_every_color(red, green, blue):
    background = (red, green, blue)
    assert contrast(text_color(background), background) >= 4.58


def test_contrast_by_hand():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((9, 9, 9), (9, 9, 9)) == 1
    assert luminance((255, 0, 0)) == pytest.approx(0.2126)


def test_class_colors_are_stable_and_differ_over_21_classes():
    assert class_color(0) == OKABE_ITO[0]
    assert class_color(8) == mix(OKABE_ITO[1], (0, 0, 0), 0.42)
    assert len({class_color(i) for i in range(21)}) == 21
    assert class_color(21) == class_color(0)


def test_mix_and_hex():
    assert mix((0, 100, 255), (255, 0, 255), 0.5) == (128, 50, 255)
    assert hex_color((1, 160, 255)) == "#01a0ff"


@pytest.mark.parametrize("name", HEAT_MAPS)
def test_heat_maps_are_matplotlibs_and_get_brighter_throughout(name):
    table = heat_table(name)
    assert table.shape == (256, 3)
    expected = matplotlib.colormaps[name](100, bytes=True)[:3]
    assert np.abs(table[100].astype(int) - expected).max() <= 1
    lightness = np.array([lab(linear(color))[0] for color in table])
    assert (np.diff(lightness) > -0.6).all()
    assert lightness[-1] - lightness[0] > 70


def test_unknown_heat_map_is_refused():
    with pytest.raises(ValueError, match=r"expected one of viridis.*got 'jet'"):
        heat_table("jet")
