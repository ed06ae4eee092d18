"""Scenes: reproducible, and with a truth that is exact."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation
from scipy.signal import fftconvolve

from tapetum.base.errors import UsageError
from tapetum.data.scenes import LENGTHS, Scenes, handwriting
from tapetum.data.scenes.layout import SceneOptions, lay_out
from tapetum.data.scenes.shapes import Patch, box
from tapetum.data.scenes.sprites import draw_digit, draw_patches, put_down
from tapetum.data.scenes.textures import TEXTURES, noise
from tapetum.data.scenes.things import DRAWN, THINGS
from tapetum.ops.masks import rle_decode

FLAT = {"light": 0.0, "texture": 0.0, "noise": 0.0}


def digest(sample):
    """A hash of everything in a sample."""
    objects = sample.target.objects
    parts = (sample.image, sample.target.semantic, sample.target.labels, objects.boxes,
             objects.labels, objects.masks, objects.area)  # fmt: skip
    whole = hashlib.sha256(repr((sample.name, objects.ids)).encode())
    for part in parts:
        whole.update(repr((part.dtype, tuple(part.shape))).encode())
        whole.update(part.contiguous().numpy().tobytes())
    return whole.hexdigest()


def test_a_scene_depends_on_seed_split_and_index_alone():
    scenes = Scenes("val", seed=3)
    there = [digest(scenes[i]) for i in range(6)]
    back = [digest(Scenes("val", seed=3, length=6)[i]) for i in reversed(range(6))]
    assert there == back[::-1]
    assert len(set(there)) == 6
    assert digest(Scenes("val", seed=4)[0]) != there[0]


def test_another_process_makes_the_same_scene():
    code = (
        "from tapetum.data.scenes import Scenes; s = Scenes('test', seed=8)[5];"
        "print(hash_of(s.image), hash_of(s.target.semantic), hash_of(s.target.objects.boxes))"
    )
    define = "import hashlib; hash_of = lambda t: hashlib.sha256(t.numpy().tobytes()).hexdigest();"
    run = subprocess.run([sys.executable, "-c", define + code], capture_output=True, check=True)
    target = Scenes("test", seed=8)[5].target
    parts = Scenes("test", seed=8)[5].image, target.semantic, target.objects.boxes
    here = [hashlib.sha256(part.numpy().tobytes()).hexdigest() for part in parts]
    assert run.stdout.decode().split() == here


def test_splits_share_nothing():
    scenes = [Scenes(split) for split in LENGTHS]
    images = {each[i].image.numpy().tobytes() for each in scenes for i in range(10)}
    layouts = {each.picture(i).xywh.tobytes() for each in scenes for i in range(10)}
    assert len(images) == len(layouts) == 30
    written = {split: {glyph.tobytes() for glyph in handwriting(split)} for split in LENGTHS}
    assert {len(glyphs) for glyphs in written.values()} == {1260, 179, 358}
    assert not written["train"] & written["val"]
    assert not written["test"] & (written["train"] | written["val"])


@pytest.mark.parametrize("crowded", [False, True])
def test_the_truth_agrees_with_itself(crowded):
    options = SceneOptions(count=(20, 40), overlap=0.9) if crowded else SceneOptions()
    scenes, seen = Scenes("train", options=options), set()
    for index in range(10 if crowded else 40):
        sample = scenes[index]
        target, objects = sample.target, sample.target.objects
        assert sample.image.dtype == torch.uint8
        assert sample.size == target.semantic.shape == objects.masks.shape[1:] == (192, 256)
        assert objects.masks.sum(0).max() <= 1
        semantic = (objects.masks * (objects.labels + 1)[:, None, None]).sum(0)
        assert torch.equal(target.semantic.long(), semantic)
        assert torch.equal(objects.area.long(), objects.masks.sum((1, 2)))
        for mask, found in zip(objects.masks, objects.boxes.tolist(), strict=True):
            rows, columns = mask.nonzero().unbind(1)
            hull = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert found == [float(side) for side in hull]
        assert target.labels.tolist() == sorted(set(objects.labels.tolist()))
        seen |= {scenes.classes[label] for label in objects.labels.tolist()}
    assert seen == set(THINGS)


def test_records_say_what_the_sample_says():
    scenes = Scenes("test", seed=2)
    ids = set()
    for index in range(20):
        sample, picture = scenes[index], scenes.picture(index)
        objects = sample.target.objects
        assert (picture.name, picture.size, picture.id) == (sample.name, sample.size, index)
        assert picture.path is None
        boxes = np.concatenate([picture.xywh[:, :2], picture.xywh[:, :2] + picture.xywh[:, 2:]], 1)
        np.testing.assert_array_equal(boxes, objects.boxes.double().numpy())
        np.testing.assert_array_equal(picture.labels, objects.labels.numpy())
        np.testing.assert_array_equal(picture.area, objects.area.double().numpy())
        assert picture.xywh.dtype == picture.area.dtype == np.float64
        assert not picture.crowd.any()
        assert picture.ids == objects.ids
        masks = [rle_decode(segment) for segment in picture.segments]
        np.testing.assert_array_equal(masks, objects.masks.numpy())
        assert not ids & set(picture.ids)
        ids |= set(picture.ids)


def test_the_picture_shows_things_where_the_masks_say_and_nowhere_else():
    scenes = Scenes(options=SceneOptions(count=(15, 25), overlap=0.8, **FLAT))
    for index in range(15):
        sample = scenes[index]
        things = sample.target.objects.masks.any(0).numpy()
        image = sample.image.numpy()
        near = binary_dilation(things, np.ones((3, 3)), iterations=2)
        ground = np.median(image[:, ~near], 1)
        differs = (np.abs(image - ground[:, None, None]) > 2).any(0)
        assert not (differs & ~near).any()
        assert (differs & things).sum() > 0.95 * things.sum()


def test_what_hardly_shows_is_left_out():
    options = SceneOptions(count=(40, 40), overlap=1.0, cut=0.9, min_visible=0.4)
    dropped = 0
    for seed in range(10):
        layout = lay_out(np.random.default_rng(seed), (192, 256), options, handwriting("val"))
        shown = np.bincount(layout.owner.ravel() + 1, minlength=len(layout.labels) + 1)[1:]
        whole = np.array([(sprite.alpha >= 0.5).sum() for sprite in layout.sprites])
        assert (shown >= 0.4 * whole).all()
        assert (shown >= 1).all()
        dropped += 40 - len(shown)
    assert dropped > 50


def test_light_and_noise_leave_the_truth_alone():
    plain, harsh = (Scenes(options=SceneOptions(light=light, noise=8)) for light in (0.0, 1.0))
    for index in range(5):
        assert torch.equal(plain[index].target.semantic, harsh[index].target.semantic)
        assert torch.equal(plain[index].target.objects.boxes, harsh[index].target.objects.boxes)
        assert not torch.equal(plain[index].image, harsh[index].image)


def test_options_are_kept():
    options = SceneOptions(count=(4, 4), scale=(30, 40), overlap=0, cut=0, rotation=0)
    scenes = Scenes(size=(400, 400), options=options)
    for index in range(20):
        boxes = scenes[index].target.objects.boxes
        assert len(boxes) == 4
        longest = (boxes[:, 2:] - boxes[:, :2]).max(1).values
        assert longest.min() >= 0.75 * 30
        assert longest.max() <= 40 + 3
        apart = (boxes[:, None, :2] >= boxes[None, :, 2:]).any(-1)
        assert (apart | apart.T | torch.eye(4, dtype=torch.bool)).all()


def test_a_scene_without_things_is_normal():
    sample = Scenes(options=SceneOptions(count=(0, 0)))[0]
    assert len(sample.target.objects) == len(sample.target.labels) == 0
    assert sample.target.objects.masks.shape == (0, 192, 256)
    assert sample.target.objects.boxes.shape == (0, 4)
    assert not sample.target.semantic.any()
    assert len(Scenes(options=SceneOptions(count=(0, 0))).picture(0)) == 0


@pytest.mark.parametrize(
    ("size", "options"),
    [
        ((1, 1), SceneOptions()),
        ((1, 700), SceneOptions()),
        ((700, 3), SceneOptions(light=1.0, noise=50.0)),
        ((40, 50), SceneOptions(scale=(0.3, 1.5))),
        ((40, 50), SceneOptions(scale=(300.0, 300.0), cut=1.0, overlap=1.0)),
        ((1100, 600), SceneOptions(rotation=180.0, cut=0.0)),
    ],
)
def test_extremes_do_not_break(size, options):
    for index in range(4):
        scenes = Scenes(size=size, options=options)
        sample = scenes[index]
        assert sample.size == size
        boxes = sample.target.objects.boxes
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert (boxes >= 0).all()
        assert (boxes <= torch.tensor([size[1], size[0]] * 2)).all()
        assert len(scenes.picture(index)) == len(boxes)


def test_length_is_only_a_count():
    assert [len(Scenes(split)) for split in LENGTHS] == [2000, 200, 200]
    assert len(Scenes(length=5)) == len(list(Scenes(length=5)))
    assert digest(Scenes(length=10**6)[4]) == digest(Scenes(length=5)[4])
    for index in (-1, 5):
        with pytest.raises(IndexError, match="of 5"):
            Scenes(length=5)[index]


def test_wrong_arguments_are_refused():
    with pytest.raises(UsageError, match="no split 'dev'"):
        Scenes("dev")
    with pytest.raises(ValueError, match="size"):
        Scenes(size=(0, 5))
    for wrong in (
        {"count": (5, 4)}, {"count": (-1, 4)}, {"count": (0, 1000)}, {"scale": (0, 4)},
        {"overlap": 1.1}, {"min_visible": -0.1}, {"rotation": -1}, {"noise": -1}, {"light": 2},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="expected"):
            SceneOptions(**wrong)


def test_a_drawn_square_has_its_area_place_and_colour():
    patch = Patch(box(-0.5, -0.25, 0.5, 0.25), (250, 120, 10))
    for angle in (0.0, 0.7):
        sprite = draw_patches([patch], 80, angle)
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
        assert (sprite.colour[:, inside] == np.array([[250], [120], [10]])).all()


def test_a_drawn_digit_is_the_written_one():
    """Of twenty written digits, the one that a stroke matches best is the one it was made from."""
    glyphs = handwriting("test")[:20]
    written = [np.kron(glyph - glyph.mean(), np.ones((8, 8))) for glyph in glyphs]
    recognised = 0
    for number, glyph in enumerate(glyphs):
        stroke = draw_digit(glyph, ((255, 0, 0), (0, 0, 0)), 72, 0.0).colour[0]  # 8 px a cell
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
        sprite = draw_digit(glyph, inks, size, 0.3)
        near = binary_dilation(sprite.solid, np.ones((3, 3)), iterations=2)
        assert (sprite.alpha > 0)[~near].sum() <= 0.02 * sprite.solid.sum()
        assert max(sprite.solid.shape) <= 1.4 * size
        assert (sprite.colour <= 255 * sprite.alpha + 1e-3).all()


def test_light_falls_on_the_side_that_faces_it_and_the_shadow_on_the_other():
    sprite = draw_patches([Patch(box(-0.5, -0.5, 0.5, 0.5), (120, 120, 120))], 60, 0.0)
    canvas = np.full((3, 80, 80), 200, dtype=np.float32)
    put_down(canvas, sprite, (25, 25), (-1.0, 0.0), 0.5)  # light from the left
    middle = canvas[0, 40]
    assert middle[28] > 125
    assert middle[52] < 115
    assert middle[60] < 190
    assert middle[18] > 198
    assert (canvas[0] == canvas[2]).all()


@pytest.mark.parametrize("name", DRAWN)
def test_every_thing_fills_its_square_and_varies(name):
    shapes = set()
    for seed in range(20):
        patches = DRAWN[name](np.random.default_rng(seed))
        corners = np.concatenate([patch.points for patch in patches])
        assert np.abs(corners).max() <= 1.05
        assert (np.ptp(corners, 0) > 0.9).all()
        assert np.ptp(corners, 0).max() > 1.4
        shapes.add(tuple(patches[1].points.round(3).ravel()) + tuple(patches[0].colour))
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
