"""What scenes are painted from: polygons, handwriting, light, objects, textures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_dilation
from scipy.signal import fftconvolve

from tapetum.data.scenes import handwriting
from tapetum.data.scenes.shapes import Patch, box
from tapetum.data.scenes.sketches import DRAWN
from tapetum.data.scenes.sprites import draw_digit, draw_patches, put_down
from tapetum.data.scenes.textures import TEXTURES, noise
from tapetum.data.scenes.warps import Warp


def test_a_drawn_square_has_its_area_place_and_color():
    patch = Patch(box(-0.5, -0.25, 0.5, 0.25), (250, 120, 10))
    for angle in (0.0, 0.7):
        sprite = draw_patches([patch], 80, Warp(angle))
        # The drawing of a polygon includes its outline: a sixth of a pixel on every side.
        wide, high = 40 + 1 / 3, 20 + 1 / 3
        assert sprite.alpha.sum() == pytest.approx(wide * high, rel=0.02)
        turned = np.cos(angle) ** 2, np.sin(angle) ** 2
        for axis, expected in (
            (1, turned[0] * wide**2 + turned[1] * high**2),
            (0, turned[1] * wide**2 + turned[0] * high**2),
        ):
            places = np.indices(sprite.alpha.shape)[axis]
            middle = np.average(places, weights=sprite.alpha)
            second = np.average((places - middle) ** 2, weights=sprite.alpha)
            assert second * 12 == pytest.approx(expected, rel=0.02)
        inside = sprite.alpha == 1
        assert (sprite.color[:, inside] == np.array([[250], [120], [10]])).all()


def test_a_drawn_digit_is_the_written_one():
    """Of twenty written digits, the one that a stroke matches best is the one it was made from."""
    glyphs = handwriting("test")[:20]
    written = [np.kron(glyph - glyph.mean(), np.ones((8, 8))) for glyph in glyphs]
    recognised = 0
    for number, glyph in enumerate(glyphs):
        stroke = draw_digit(glyph, ((255, 0, 0), (0, 0, 0)), 72, Warp()).color[0]  # 8 px a cell
        likeness = [
            fftconvolve(stroke, other[::-1, ::-1]).max() / np.linalg.norm(other)
            for other in written
        ]
        recognised += int(np.argmax(likeness)) == number
    assert recognised == 20


@pytest.mark.parametrize("size", [12, 20, 60])
def test_a_digit_ends_where_its_outline_ends(size):
    inks = (255.0, 0.0, 0.0), (255.0, 255.0, 255.0)
    for glyph in handwriting("val")[:20]:
        sprite = draw_digit(glyph, inks, size, Warp(0.3))
        near = binary_dilation(sprite.mask, np.ones((3, 3)), iterations=2)
        assert (sprite.alpha > 0)[~near].sum() <= 0.02 * sprite.mask.sum()
        assert max(sprite.mask.shape) <= 1.4 * size
        assert (sprite.color <= 255 * sprite.alpha + 1e-3).all()


def test_light_falls_on_the_side_that_faces_it_and_the_shadow_on_the_other():
    sprite = draw_patches([Patch(box(-0.5, -0.5, 0.5, 0.5), (120, 120, 120))], 60, Warp())
    canvas = np.full((3, 80, 80), 200, dtype=np.float32)
    put_down(canvas, sprite, (25, 25), (-1.0, 0.0), 0.5)  # light from the left
    middle = canvas[0, 40]
    assert middle[28] > 125
    assert middle[52] < 115
    assert middle[60] < 190
    assert middle[18] > 198
    assert (canvas[0] == canvas[2]).all()


@pytest.mark.parametrize("name", DRAWN)
def test_every_object_fills_its_square_and_varies(name):
    shapes = set()
    for seed in range(20):
        patches = DRAWN[name](np.random.default_rng(seed))
        corners = np.concatenate([patch.points for patch in patches])
        assert np.abs(corners).max() <= 1.05
        assert (np.ptp(corners, 0) > 0.9).all()
        assert np.ptp(corners, 0).max() > 1.4
        shapes.add(tuple(patches[1].points.round(3).ravel()) + tuple(patches[0].color))
    assert len(shapes) == 20


@pytest.mark.parametrize("name", TEXTURES)
def test_every_texture_varies_within_its_range(name):
    for size in ((60, 90), (1, 1), (600, 20)):
        field = TEXTURES[name](np.random.default_rng(1), size)
        assert field.shape == size
        assert field.dtype == np.float32
        assert np.isfinite(field).all()
        assert np.percentile(field, 1) > -0.5
        assert np.percentile(field, 99) < 1.5
    assert TEXTURES[name](np.random.default_rng(1), (150, 150)).std() > 0.04


def test_noise_repeats_without_a_seam():
    """Windows that leave the field come back on its other side."""
    for kind in ("smooth", "rough", "grain"):
        large = noise(np.random.default_rng(0), (1500, 1030), kind)
        assert np.array_equal(large[:988], large[512:])
        assert np.array_equal(large[:, :518], large[:, 512:])
        small = noise(np.random.default_rng(0), (40, 60), kind)
        assert np.array_equal(small, large[:40, :60])
