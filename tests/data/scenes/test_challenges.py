"""Each challenge makes scenes harder in its own way, measured from the truth, and in no other."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from tapetum.base.errors import UsageError
from tapetum.data.scenes import (
    CHALLENGES,
    OBJECTS,
    SceneOptions,
    Scenes,
    open_scenes,
    scene_options,
)
from tapetum.data.scenes.individuals import USUAL
from tapetum.data.scenes.options import challenge
from tapetum.data.scenes.textures import TEXTURES
from tapetum.data.scenes.warps import Warp, draw_warp, tilted

SCENES = 16


@cache
def layouts(name, level):
    scenes = Scenes(options=challenge(name, level))
    return [scenes._layout(index) for index in range(SCENES)]


@cache
def images(name, level):
    scenes = Scenes(options=challenge(name, level))
    return [scenes[index].image.double() for index in range(SCENES)]


def shares_visible(name, level):
    """Visible pixels over all pixels of each object."""
    shares = []
    for layout in layouts(name, level):
        _, areas = layout.boxes_and_areas(range(len(layout.pieces)))
        whole = [np.count_nonzero(piece.sprite.mask) for piece in layout.pieces]
        shares += (areas / whole).tolist()
    return np.array(shares)


def test_occlusion_hides_more_and_keeps_what_must_be_seen():
    means = [shares_visible("occlusion", level).mean() for level in (0.0, 0.5, 1.0)]
    assert means[0] > 0.9
    assert means[0] - means[1] > 0.15
    assert means[1] - means[2] > 0.1
    assert shares_visible("occlusion", 1.0).min() >= 0.25
    assert [len(a.pieces) for a in layouts("occlusion", 1.0)] == [
        len(a.pieces) for a in layouts("occlusion", 0.0)
    ]


def test_what_lies_on_an_object_belongs_to_nobody():
    for layout in layouts("occlusion", 1.0)[:10]:
        assert layout.hidden.any()
        assert (layout.owner[layout.hidden] == -1).all()


def test_illumination_spreads_brightness_and_leaves_the_truth():
    spreads = []
    for level in (0.0, 0.5, 1.0):
        means = [float(image.mean().log()) for image in images("illumination", level)]
        spreads.append(np.std(means))
    assert spreads[0] < 0.8 * spreads[1] < 0.8 * spreads[2]
    plain = Scenes(task="instance_segmentation")
    hard = Scenes(options=CHALLENGES["illumination"], task="instance_segmentation")
    assert torch.equal(plain[3].target.objects.masks, hard[3].target.objects.masks)


def test_clutter_adds_edges_without_labels():
    edges = [
        np.mean([image.diff(dim=2).abs().mean() for image in images("clutter", level)])
        for level in (0.0, 0.5, 1.0)
    ]
    assert edges[0] * 1.1 < edges[1] < edges[2] / 1.1
    for plain, full in zip(layouts("clutter", 0.0), layouts("clutter", 1.0), strict=True):
        assert len(full.beneath) == 30
        assert np.array_equal(plain.owner, full.owner)


def test_viewpoint_shrinks_and_deformation_bends_but_neither_leaves_the_square():
    random = np.random.default_rng(1)
    square = random.uniform(-1, 1, (400, 2))
    areas, bends = [], []
    for level in (0.25, 0.5, 1.0):
        tilts = [draw_warp(np.random.default_rng(i), 0.0, level, 0.0) for i in range(30)]
        areas.append(np.mean([_area(warp) for warp in tilts]))
        assert max(np.abs(warp(square)).max() for warp in tilts) <= 1 + 1e-9
        bent = [draw_warp(np.random.default_rng(i), 0.0, 0.0, level) for i in range(30)]
        bends.append(np.mean([_bending(warp) for warp in bent]))
    assert 1 > areas[0] > areas[1] + 0.05 > areas[2] + 0.2
    assert 0.01 < bends[0] < 0.6 * bends[1] < 0.4 * bends[2]


def _area(warp):
    """The share of the unit square that the warped one takes, by the corners' cross product."""
    x, y = warp(np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)])).T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 8


def _bending(warp):
    """How far the middles of straight lines move off them."""
    ends = np.random.default_rng(0).uniform(-1, 1, (2, 100, 2))
    return np.abs(warp(ends.mean(0)) - (warp(ends[0]) + warp(ends[1])) / 2).mean()


def test_straight_lines_stay_straight_under_viewpoint():
    along = np.linspace(0, 1, 9)[:, None]
    line = np.array([-0.8, 0.3]) * (1 - along) + np.array([0.9, -0.6]) * along
    warp = draw_warp(np.random.default_rng(3), 0.2, 1.0, 0.0)
    moved = warp(line) - warp(line)[0]
    assert np.abs(moved[:, 0] * moved[-1, 1] - moved[:, 1] * moved[-1, 0]).max() < 1e-12


@pytest.mark.parametrize("seed", range(20))
def test_warps_can_be_undone(seed):
    warp = draw_warp(np.random.default_rng(seed), 0.7, 1.0, 1.0)
    warp = Warp(warp.angle, warp.bow, warp.waves, warp.view, stretch=1.7)
    points = np.random.default_rng(0).uniform(-1, 1, (200, 2)) * (0.7, 1.0)
    np.testing.assert_allclose(warp.inverse(warp(points)), points, atol=1e-9)


def test_a_tilt_by_hand():
    """About the vertical axis by 60 degrees: half as wide, the near edge higher than the far."""
    view = tilted(np.pi / 3, np.pi / 2)
    corners = np.array([(-1, -1, 1), (1, -1, 1), (1, 1, 1), (-1, 1, 1)]) @ view.T
    x, y = (corners[:, :2] / corners[:, 2:]).T
    heights = y[3] - y[0], y[2] - y[1]
    depth = np.sin(np.pi / 3) / 3
    assert max(heights) / min(heights) == pytest.approx((1 + depth) / (1 - depth))
    assert max(np.abs(x).max(), np.abs(y).max()) == pytest.approx(1)
    assert np.ptp(x) / max(heights) == pytest.approx(0.5 * (2 / (1 - depth**2)) / (2 / (1 - depth)))


def test_intraclass_widens_the_spread_of_colors_and_shapes():
    colors, shapes = [], []
    for level in (0.0, 0.5, 1.0):
        color, shape = {}, {}
        for layout in layouts("intraclass", level):
            for piece in layout.pieces:
                inside = piece.sprite.color[:, piece.sprite.alpha == 1]
                if inside.size:
                    color.setdefault(piece.label, []).append(inside.mean(1))
                    high, wide = piece.sprite.alpha.shape
                    shape.setdefault(piece.label, []).append(np.log(high / wide))
        colors.append(np.mean([np.std(each, 0).mean() for each in color.values()]))
        shapes.append(np.mean([np.std(each) for each in shape.values()]))
    assert colors[0] < 0.3 * colors[1] < 0.3 * colors[2]
    assert shapes[0] < shapes[1] < 0.8 * shapes[2]


def test_context_ties_objects_to_backgrounds_or_keeps_them_apart():
    assert set(USUAL) == set(TEXTURES)
    assert {name for names in USUAL.values() for name in names} == set(OBJECTS)
    usual = []
    for level in (-1.0, 0.5, 1.0):
        fits = [
            OBJECTS[label] in USUAL[layout.texture]
            for layout in layouts("context", level)
            for label in layout.labels
        ]
        usual.append(np.mean(fits))
    assert usual[0] == 0
    assert 0.45 < usual[1] < 0.8
    assert usual[2] == 1


def test_scale_spreads_sizes_about_the_same_middle():
    spreads, middles = [], []
    for level in (0.0, 0.5, 1.0):
        sizes = [np.log(p.sprite.size) for layout in layouts("scale", level) for p in layout.pieces]
        spreads.append(np.std(sizes))
        middles.append(np.exp(np.mean(sizes)))
    assert spreads[0] < 1e-9
    assert 0.3 < spreads[1] < spreads[2] - 0.3
    assert all(30 < middle < 50 for middle in middles)


@pytest.mark.parametrize("name", sorted(set(CHALLENGES) - {"scale", "context", "intraclass"}))
def test_a_turned_knob_keeps_everything_else(name):
    """The objects are those of the plain scene; only what the knob is about differs."""
    for plain, turned in zip(layouts("occlusion", 0.0), layouts(name, 1.0), strict=True):
        first = [piece.sprite.size for piece in plain.pieces]
        second = [piece.sprite.size for piece in turned.pieces]
        assert first[0] == second[0]
        assert abs(len(first) - len(second)) <= 2
    assert not torch.equal(images(name, 1.0)[0], images("occlusion", 0.0)[0])


@pytest.mark.parametrize("name", CHALLENGES)
def test_every_challenge_serves_every_task(name):
    for task in ("localization", "keypoint_detection", "semantic_segmentation"):
        scenes = Scenes("test", options=CHALLENGES[name], task=task)
        assert scenes[0].size == (192, 256)
        assert len(scenes.record(0)) >= 1


def test_words_become_options():
    assert scene_options("") == SceneOptions()
    assert scene_options("occlusion") == SceneOptions(occlusion=1.0)
    assert scene_options("occlusion=0.8, clutter=0.5") == SceneOptions(occlusion=0.8, clutter=0.5)
    assert scene_options("context=-1") == SceneOptions(context=-1.0)
    assert scene_options("mixed,scale=0").figures == (1, 2)
    assert scene_options("scale=0").scale == pytest.approx((39.2, 39.2))
    scenes = open_scenes("scenes:occlusion=0.8", "val", "keypoint_detection")
    assert scenes.name == "scenes:occlusion=0.8"
    assert (scenes.options.occlusion, scenes.task, scenes.split) == (
        0.8,
        "keypoint_detection",
        "val",
    )


@pytest.mark.parametrize("words", ["count=3", "count=3,occlusion=0.8", " occlusion , count = 3"])
def test_a_count_is_of_the_scenes_of_each_split_and_changes_none(words):
    for split in ("train", "val", "test"):
        few = open_scenes(f"scenes:{words}", split)
        options = SceneOptions(occlusion=few.options.occlusion)
        whole = Scenes(split, options=options)
        assert (len(few), few.options) == (3, options)
        assert torch.equal(few[2].image, whole[2].image)


@pytest.mark.parametrize("number", ["", "0", "-1", "2.5", "1000001", "many", "²"])
def test_counts_that_cannot_be_are_refused_in_one_line(number):
    with pytest.raises(UsageError, match=r"count: .* is no number of scenes.*1 to 1,000,000") as e:
        open_scenes(f"scenes:count={number}")
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("fog", "no challenge 'fog'.*one of mixed, viewpoint.*scale"),
        ("occlusion=2", "occlusion: '2' is no level.*0 to 1"),
        ("occlusion=", "occlusion: '' is no level"),
        ("occlusion=nan", "is no level"),
        ("context=-2", "-1 to 1"),
        ("mixed=1", "no challenge 'mixed'"),
    ],
)
def test_words_that_mean_nothing_are_refused_in_one_line(words, message):
    with pytest.raises(UsageError, match=message) as caught:
        scene_options(words)
    assert "\n" not in str(caught.value)
