"""Every transform against its own matrix, and colors against examples worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tapetum.base.errors import UsageError
from tapetum.base.seeds import generator
from tapetum.data.transforms import (
    DETECTION_AUGMENTATIONS,
    ColorAdjustment,
    ColorJitter,
    Compose,
    Dihedral,
    Pad,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotate90,
    RandomScaledCrop,
    RandomShortestSize,
    RandomTranslate,
    RandomVerticalFlip,
    Resize,
    ResizeCrop,
    ScaleJitter,
    detection_transforms,
)
from tapetum.structures import Objects, Sample, Target

SIDE = st.integers(1, 64)
SIZE = st.tuples(SIDE, SIDE)
SMALL_SIZE = st.tuples(st.integers(1, 24), st.integers(1, 24))
SHARE = st.sampled_from([0.0, 0.25, 0.6])
MARGIN = st.integers(0, 20)
MOVING = st.one_of(
    st.builds(RandomHorizontalFlip, st.sampled_from([0.0, 0.5, 1.0])),
    st.builds(RandomVerticalFlip, st.sampled_from([0.0, 0.5, 1.0])),
    st.builds(RandomRotate90, st.booleans()),
    st.builds(Resize, st.one_of(SIDE, SIZE), st.one_of(st.none(), SIDE)),
    st.builds(lambda low, more: RandomShortestSize(low, low + more, 80), SIDE, MARGIN),
    st.builds(RandomCrop, SIZE, SHARE),
    st.builds(ScaleJitter, st.just(0.3), st.just(2.0), st.one_of(st.none(), SIDE, SIZE)),
    st.builds(RandomTranslate, MARGIN, MARGIN, SHARE),
    st.builds(Pad, MARGIN, MARGIN, MARGIN, MARGIN),
    st.builds(RandomResizedCrop, SIZE, st.sampled_from([0.1, 0.35, 1.0])),
    st.builds(RandomScaledCrop, SIZE, st.just(0.3), st.just(2.0), SHARE),
)


def make_sample(size, count, seed):
    """Random boxes, masks, keypoints and maps; every field filled."""
    random = np.random.default_rng(seed)
    height, width = size
    corners = random.uniform(0, 1, (count, 2, 2)) * [width, height]
    boxes = np.concatenate([corners.min(1), corners.max(1)], 1)
    keypoints = random.uniform(0, 1, (count, 3, 3)) * [width, height, 1]
    keypoints[..., 2] = random.integers(0, 3, (count, 3))
    keypoints[keypoints[..., 2] == 0] = 0
    objects = Objects(
        boxes=torch.tensor(boxes, dtype=torch.float32),
        labels=torch.tensor(random.integers(0, 5, count)),
        masks=torch.tensor(random.random((count, *size)) > 0.4),
        keypoints=torch.tensor(keypoints, dtype=torch.float32),
        crowd=torch.tensor(random.random(count) > 0.5),
        area=torch.tensor(random.uniform(0, 50, count), dtype=torch.float32),
        ids=tuple(range(10, 10 + count)),
    )
    semantic = torch.tensor(random.integers(0, 9, size, dtype=np.uint8))
    pixels = torch.tensor(random.integers(0, 256, (3, *size), dtype=np.uint8))
    return Sample(pixels, Target(torch.tensor([1, 3]), objects, semantic), "a.png")


def map_points(points, matrix):
    return points @ matrix[:2, :2].T + matrix[:2, 2]


def hulls(boxes, matrix):
    """Axis-aligned hulls (N, 4) of all four corners of each box, mapped."""
    corners = boxes[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 4, 2)
    mapped = map_points(corners, matrix)
    return np.concatenate([mapped.min(1), mapped.max(1)], 1)


def sources(matrix, size):
    """For every pixel of the result (h, w): the old pixel its center comes from, and certainty."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    centers = np.stack([columns, rows], -1) + 0.5
    old = map_points(centers, np.linalg.inv(matrix))
    certain = (np.abs(old - np.round(old)) > 1e-9).all(-1)
    return np.floor(old).astype(int), certain


@settings(max_examples=600, deadline=None)
@given(MOVING, SIZE, st.integers(0, 4), st.integers(0, 2**31))
def test_everything_follows_the_matrix(transform, size, count, seed):
    sample = make_sample(size, count, seed)
    operation = transform.draw(size, generator(seed))
    matrix = transform.matrix(operation, size).numpy()
    result = operation.apply(sample)
    assert matrix.dtype == np.float64
    assert result.size == operation.size_after(size)
    before, after = sample.target.objects, result.target.objects

    old, certain = sources(matrix, result.size)
    inside = ((old >= 0) & (old < [size[1], size[0]])).all(-1)
    x, y = np.where(inside[..., None], old, 0).transpose(2, 0, 1)
    expected = np.where(inside, sample.target.semantic.numpy()[y, x], 255)
    np.testing.assert_array_equal(result.target.semantic.numpy()[certain], expected[certain])
    assume(certain.all())
    masks = before.masks.numpy()[:, y, x] & inside

    moved = hulls(before.boxes.double().numpy(), matrix)
    kept, clipped = np.ones(count, dtype=bool), moved
    limit = getattr(operation, "min_visible", None)
    if limit is not None:
        height, width = result.size
        clipped = np.clip(moved, 0, [width, height, width, height])
        sides = clipped[:, 2:] - clipped[:, :2]
        share = sides.prod(1) / (moved[:, 2:] - moved[:, :2]).prod(1)
        assume((np.abs(sides - 1) > 1e-9).all() and (np.abs(share - limit) > 1e-9)[share > 0].all())
        kept = (sides >= 1).all(1) & (share >= limit) & masks.any((1, 2))
    np.testing.assert_allclose(after.boxes.numpy(), clipped[kept], rtol=1e-6, atol=1e-5)
    np.testing.assert_array_equal(after.masks.numpy(), masks[kept])
    check_other_fields(before, after, kept, clipped, matrix, result.size)
    assert result.target.labels.tolist() == [1, 3]
    assert result.name == "a.png"


def check_other_fields(before, after, kept, clipped, matrix, size):
    np.testing.assert_array_equal(after.labels.numpy(), before.labels.numpy()[kept])
    np.testing.assert_array_equal(after.crowd.numpy(), before.crowd.numpy()[kept])
    assert after.ids == tuple(i for i, keep in zip(before.ids, kept, strict=True) if keep)
    boxes = before.boxes.double().numpy()
    old_area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    new_area = (clipped[:, 2:] - clipped[:, :2]).prod(1)
    area = before.area.numpy() * new_area / old_area
    np.testing.assert_allclose(after.area.numpy(), area[kept], rtol=1e-5)

    keypoints = before.keypoints.double().numpy()
    points = map_points(keypoints[..., :2], matrix).astype(np.float32)
    present = keypoints[..., 2] > 0
    present &= ((points >= -1e-5) & (points <= np.array(size[::-1]) + 1e-5)).all(-1)
    expected = np.concatenate([points, keypoints[..., 2:]], -1) * present[..., None]
    np.testing.assert_allclose(after.keypoints.numpy(), expected[kept], rtol=1e-6, atol=1e-5)


def filtered(image, matrix, size):
    """Antialiased bilinear by its definition (3, h, w), and where the image is (h, w).

    Each new pixel is the mean of the old ones under a triangle about the point where its center
    comes from; the triangle reaches one pixel, of the old or of the new, whichever is larger.
    """
    rows, columns = np.mgrid[: size[0], : size[1]]
    back = np.linalg.inv(matrix)
    old = map_points(np.stack([columns.ravel(), rows.ravel()], -1) + 0.5, back)  # (P, 2)
    reach = np.maximum(1, np.abs(back[:2, :2]).sum(1))
    weights = []
    for axis, side in ((0, image.shape[2]), (1, image.shape[1])):
        away = np.abs(old[:, axis, None] - (np.arange(side) + 0.5)) / reach[axis]
        weight = np.clip(1 - away, 0, None)  # (P, side)
        weights.append(weight / np.maximum(weight.sum(1, keepdims=True), 1e-12))
    mixed = np.einsum("chp,ph->cp", image @ weights[0].T, weights[1])
    inside = ((old > 0) & (old < [image.shape[2], image.shape[1]])).all(-1)
    return mixed.reshape(-1, *size), inside.reshape(size)


@settings(max_examples=300, deadline=None)
@given(MOVING, SMALL_SIZE, st.integers(0, 2**31), st.booleans())
def test_the_image_follows_the_matrix(transform, size, seed, whole):
    image = make_sample(size, 0, seed).image
    image = image if whole else image.double() / 255
    operation = transform.draw(size, generator(seed))
    result = operation.apply(Sample(image))
    assert result.image.dtype == image.dtype
    assert result.image.is_contiguous()
    matrix = transform.matrix(operation, size).numpy()
    expected, inside = filtered(image.double().numpy(), matrix, result.size)
    fill = np.array([124, 116, 104])[:, None, None] / (1 if whole else 255)
    expected = np.where(inside, expected, fill)
    # uint8 is rounded twice, after rows and after columns.
    np.testing.assert_allclose(result.image.numpy(), expected, atol=1.01 if whole else 1e-6)


def test_flips_by_hand():
    boxes = torch.tensor([[1.0, 2, 4, 3]])
    keypoints = torch.tensor([[[1.0, 2, 2], [4, 3, 1], [0, 0, 0]]])
    objects = Objects(boxes, torch.tensor([0]), keypoints=keypoints)
    sample = Sample(torch.zeros(3, 5, 10), Target(objects=objects))
    mirrored = RandomHorizontalFlip(1.0, pairs=((0, 1),))(sample, generator(0)).target.objects
    assert mirrored.boxes.tolist() == [[6, 2, 9, 3]]
    assert mirrored.keypoints.tolist() == [[[6, 3, 1], [9, 2, 2], [0, 0, 0]]]
    upside_down = RandomVerticalFlip(1.0)(sample, generator(0)).target.objects
    assert upside_down.boxes.tolist() == [[1, 2, 4, 3]]
    assert upside_down.keypoints.tolist() == [[[1, 3, 2], [4, 2, 1], [0, 0, 0]]]
    half_turn = Dihedral(flip_x=True, flip_y=True, pairs=((0, 1),)).apply(sample).target.objects
    assert half_turn.keypoints.tolist() == [[[9, 3, 2], [6, 2, 1], [0, 0, 0]]]


def test_rotate90_draws_all_turns_and_mirrors_only_when_asked():
    random = generator(3)
    assert len({RandomRotate90().draw((4, 5), random) for _ in range(200)}) == 8
    turns = {RandomRotate90(mirror=False).draw((4, 5), random) for _ in range(200)}
    assert len(turns) == 4
    assert all(turn.matrix((4, 5)).det() == 1 for turn in turns)


def test_a_crop_drops_what_hardly_shows():
    boxes = torch.tensor([[0.0, 0, 8, 8], [6, 0, 16, 10], [0, 0, 6.5, 8], [7, 7, 9, 9]])
    objects = Objects(boxes, torch.arange(4), area=torch.full((4,), 10.0), ids=("a", "b", "c", "d"))
    sample = Sample(torch.zeros(3, 20, 20), Target(objects=objects))
    crop = ResizeCrop(scaled=(20, 20), top=0, left=6, size=(8, 20), min_visible=0.25)
    left = crop.apply(sample).target.objects
    # a keeps exactly a quarter; b 10 x 8 of 10 x 10; c is half a pixel wide; d is half inside.
    assert left.ids == ("a", "b", "d")
    assert left.boxes.tolist() == [[0, 0, 2, 8], [0, 0, 10, 8], [1, 7, 3, 8]]
    assert left.area.tolist() == [2.5, 8, 5]


def test_an_object_whose_mask_is_cropped_away_goes():
    masks = torch.zeros(1, 10, 10, dtype=torch.bool)
    masks[0, 0, 0] = True
    objects = Objects(torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([0]), masks=masks)
    sample = Sample(torch.zeros(3, 10, 10), Target(objects=objects))
    crop = ResizeCrop(scaled=(10, 10), top=2, left=2, size=(8, 8), min_visible=0.25)
    assert len(crop.apply(sample).target.objects) == 0


def test_sizes_after_scaling():
    assert Resize(20).draw((10, 31), generator(0)).size == (20, 62)
    assert Resize(20, max_size=31).draw((10, 31), generator(0)).size == (10, 31)
    assert Resize((7, 9)).draw((10, 31), generator(0)).size == (7, 9)
    random = generator(1)
    sides = {min(RandomShortestSize(5, 8).draw((10, 31), random).size) for _ in range(100)}
    assert sides == {5, 6, 7, 8}
    scaled = [ScaleJitter(0.5, 2).draw((100, 200), random) for _ in range(300)]
    assert {operation.size for operation in scaled} == {(100, 200)}
    heights = np.array([operation.scaled[0] for operation in scaled])
    assert 50 <= heights.min() < 60
    assert 170 < heights.max() <= 200
    assert 0.4 < (heights < 100).mean() < 0.6  # even in the logarithm


@pytest.mark.parametrize("augmentation", DETECTION_AUGMENTATIONS)
def test_draws_depend_on_the_size_alone(augmentation):
    transform = Compose(
        (RandomTranslate(3, 3), RandomCrop((30, 30)), detection_transforms(32, augmentation))
    )
    first, second = generator(5, "augment", 1), generator(5, "augment", 1)
    crowded = transform(make_sample((40, 60), 4, seed=1), first)
    empty = transform(Sample(torch.zeros(3, 40, 60)), second)
    assert crowded.size == empty.size
    assert torch.equal(first.get_state(), second.get_state())
    again = transform(make_sample((40, 60), 4, seed=1), generator(5, "augment", 1))
    assert torch.equal(again.image, crowded.image)
    assert torch.equal(again.target.objects.boxes, crowded.target.objects.boxes)


def test_compose_multiplies_matrices():
    transform = Compose((RandomRotate90(), Resize(20), RandomHorizontalFlip(), Pad(1, 2, 3, 4)))
    sample = make_sample((30, 50), 3, seed=2)
    for seed in range(10):
        operation = transform.draw(sample.size, generator(seed))
        result = operation.apply(sample)
        assert result.size == operation.size_after(sample.size)
        expected = hulls(
            sample.target.objects.boxes.double().numpy(), operation.matrix(sample.size).numpy()
        )
        np.testing.assert_allclose(result.target.objects.boxes.numpy(), expected, rtol=1e-5)


def test_the_given_sample_stays_as_it_was():
    sample, duplicate = make_sample((20, 30), 3, seed=4), make_sample((20, 30), 3, seed=4)
    for augmentation in DETECTION_AUGMENTATIONS:
        detection_transforms(24, augmentation)(sample, generator(0))
    assert torch.equal(sample.image, duplicate.image)
    assert torch.equal(sample.target.objects.masks, duplicate.target.objects.masks)


def test_standard_recipes():
    sample = make_sample((40, 60), 2, seed=0)
    for augmentation in ("default", "flip", "none"):
        operation = detection_transforms(20, augmentation).draw((40, 60), generator(0))
        assert operation.size_after((40, 60)) == (20, 30)
    assert detection_transforms(20, "none")(sample, generator(0)).size == (20, 30)
    with pytest.raises(UsageError, match="unknown augmentation 'nonsense'"):
        detection_transforms(20, "nonsense")


def colors(*triples):
    return torch.tensor(triples, dtype=torch.float64).T[:, None]  # (3, 1, N)


def adjust_color(image, **changes):
    return ColorAdjustment(**changes).apply(Sample(image)).image


def test_colors_by_hand():
    image = colors((1, 0, 0), (0.5, 0.5, 0.5), (0.2, 0.4, 0.9))
    turned = adjust_color(image, hue=1 / 3)  # a third of the way round: each channel moves on
    torch.testing.assert_close(turned, colors((0, 1, 0), (0.5, 0.5, 0.5), (0.9, 0.2, 0.4)))
    gray = adjust_color(image, saturation=0.0)
    torch.testing.assert_close(gray, colors([0.299] * 3, [0.5] * 3, [0.3972] * 3))
    torch.testing.assert_close(adjust_color(image, contrast=0.0), torch.full_like(image, 0.5))
    contrasty = adjust_color(image, contrast=2.0)
    torch.testing.assert_close(contrasty, colors((1, 0, 0), (0.5,) * 3, (0, 0.3, 1)))
    bright = adjust_color(image, brightness=1.5)
    torch.testing.assert_close(bright, colors((1, 0, 0), (0.75,) * 3, (0.3, 0.6, 1)))


def test_color_changes_apply_in_the_stated_order():
    image = colors((0.3, 0.5, 0.4), (0.6, 0.45, 0.5))
    at_once = adjust_color(image, hue=0.02, saturation=0.9, contrast=0.8, brightness=1.1)
    one_by_one = image
    for step in ({"hue": 0.02}, {"saturation": 0.9}, {"contrast": 0.8}, {"brightness": 1.1}):
        one_by_one = adjust_color(one_by_one, **step)
    torch.testing.assert_close(at_once, one_by_one)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (150, 230)])
def test_uint8_colors_are_the_rounded_float_ones(size):
    image = torch.randint(0, 256, (3, *size), generator=generator(9), dtype=torch.uint8)
    operation = ColorJitter(0.4, 0.4, 0.4, 0.1).draw(size, generator(2))
    exact = operation.apply(Sample(image.double() / 255)).image * 255
    actual = operation.apply(Sample(image)).image
    assert actual.dtype == torch.uint8
    assert (actual.double() - exact).abs().max() <= 0.5 + 1e-3


def test_jitter_stays_in_its_ranges_and_none_changes_nothing():
    random = generator(0)
    drawn = [ColorJitter(0.3, 0.2, 0.1, 0.05).draw((4, 4), random) for _ in range(300)]
    for name, most, middle in (
        ("brightness", 0.3, 1), ("contrast", 0.2, 1), ("saturation", 0.1, 1), ("hue", 0.05, 0),
    ):  # fmt: skip
        away = np.array([getattr(operation, name) - middle for operation in drawn])
        assert np.abs(away).max() <= most
        assert away.max() > 0.9 * most
        assert away.min() < -0.9 * most
    sample = make_sample((5, 6), 1, seed=0)
    assert torch.equal(ColorJitter(0, 0, 0, 0)(sample, random).image, sample.image)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: RandomHorizontalFlip(1.5),
        lambda: ScaleJitter(1.2, 0.8),
        lambda: ScaleJitter(0, 1),
        lambda: RandomShortestSize(9, 8),
        lambda: RandomCrop((4, 4), min_visible=2),
        lambda: Pad(-1),
        lambda: RandomTranslate(-1, 3),
        lambda: ColorJitter(hue=-0.1),
        lambda: RandomResizedCrop((4, 4), min_area=0.0),
        lambda: RandomResizedCrop((4, 4), ratio=0.5),
        lambda: RandomScaledCrop((4, 4), 2.0, 1.0),
    ],
)
def test_wrong_arguments_are_refused_at_birth(wrong):
    with pytest.raises(ValueError, match="expected"):
        wrong()
