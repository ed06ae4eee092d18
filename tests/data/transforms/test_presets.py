"""Windows, mirrored borders, elastic deformation, pairs of keypoints, and the recipes of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tapetum.base.errors import UsageError
from tapetum.base.seeds import generator
from tapetum.data.reading.loading import Plan, training_batches
from tapetum.data.transforms import (
    CLASSIFICATION_AUGMENTATIONS,
    DETECTION_AUGMENTATIONS,
    SEGMENTATION_AUGMENTATIONS,
    AlternatingFlip,
    DisplacementField,
    ElasticTransform,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomScaledCrop,
    RandomTranslate,
    ResizeCrop,
    Stages,
    classification_pixels,
    classification_transforms,
    detection_pixels,
    detection_transforms,
    keypoint_pairs,
    segmentation_transforms,
)
from tapetum.data.transforms.elastic import take_bilinear
from tapetum.structures import Objects, Sample, Target

SIZE = st.tuples(st.integers(1, 40), st.integers(1, 40))
PAIRED = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
COCO_PERSON = ["nose", *(f"{side}_{part}" for part in PAIRED for side in ("left", "right"))]


def image(size, seed=0):
    """An image and a map that tells every pixel's place (as far as 255 values go)."""
    pixels = torch.randint(0, 256, (3, *size), generator=generator(seed), dtype=torch.uint8)
    places = (torch.arange(size[0] * size[1]) % 255).reshape(size).to(torch.uint8)
    return Sample(pixels, Target(torch.tensor([2]), semantic=places), "a.png")


# --- windows ------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(SIZE, st.integers(8, 40), st.integers(0, 2**31), st.sampled_from([0.1, 0.35, 1.0]))
def test_a_resized_crop_shows_so_much_of_the_image_and_nothing_else(size, side, seed, least):
    operation = RandomResizedCrop((side, side), least).draw(size, generator(seed))
    assert operation.size == (side, side)
    corners = torch.tensor([[0.0, 0, 1], [side, side, 1]], dtype=torch.float64)
    first, last = (corners @ operation.matrix(size).inverse().T)[:, :2]
    frame = torch.tensor(size[::-1], dtype=torch.float64)
    slack = frame / torch.tensor(operation.scaled[::-1]) + 1e-9  # whole pixels of the result
    assert (first >= -slack).all()
    assert (last <= frame + slack).all()
    width, height = (last - first).tolist()
    share = width * height / (size[0] * size[1])
    room = (1 + 1 / side) ** 2
    assert share <= room
    wide, narrow = 4 / 3 * room, 3 / 4 / room
    uncut = width < 0.99 * size[1] and height < 0.99 * size[0]
    if uncut:
        assert share >= least / room
        assert narrow <= width / height <= wide


def test_resized_crops_use_their_whole_range():
    random = generator(1)
    shares = []
    for _ in range(400):
        operation = RandomResizedCrop((50, 50)).draw((200, 200), random)
        shares.append(50 * 50 / (operation.scaled[0] * operation.scaled[1]))
    assert 0.34 < min(shares) < 0.4
    assert 0.9 < max(shares) <= 1


def test_a_zoomed_crop_pads_with_what_is_ignored():
    sample = image((40, 60))
    random = generator(0)
    drawn = [RandomScaledCrop((50, 50), 0.5, 2.0).draw((40, 60), random) for _ in range(300)]
    factors = np.array([operation.scaled[0] / 40 for operation in drawn])
    assert 0.5 <= factors.min() < 0.55
    assert 1.85 < factors.max() <= 2
    assert 0.4 < (factors < 1).mean() < 0.6  # even in the logarithm
    for operation in drawn[:40]:
        result = operation.apply(sample)
        assert result.size == (50, 50)
        outside = result.target.semantic == 255
        gray = torch.tensor([124, 116, 104], dtype=torch.uint8)[:, None]
        assert (result.image[:, outside] == gray).all()
        if min(operation.scaled) >= 50:
            assert not outside.any()


def test_a_mirrored_border_by_hand():
    row = torch.arange(1, 5, dtype=torch.uint8).expand(3, 1, 4)
    sample = Sample(row, Target(semantic=torch.zeros(1, 4, dtype=torch.uint8)))
    shifted = ResizeCrop((1, 4), 0, -6, (1, 14), fill=None).apply(sample)
    assert shifted.image[0, 0].tolist() == [3, 4, 4, 3, 2, 1, 1, 2, 3, 4, 4, 3, 2, 1]
    inside = [255] * 6 + [0] * 4 + [255] * 4
    assert shifted.target.semantic[0].tolist() == inside


@settings(max_examples=100, deadline=None)
@given(SIZE, st.integers(0, 30), st.integers(0, 30), st.integers(0, 2**31))
def test_a_mirrored_shift_is_numpys_symmetric_padding(size, y, x, seed):
    sample = image(size)
    operation = RandomTranslate(y, x, fill=None).draw(size, generator(seed))
    padded = np.pad(sample.image.numpy(), ((0, 0), (30, 30), (30, 30)), mode="symmetric")
    top, left = 30 + operation.top, 30 + operation.left
    expected = padded[:, top : top + size[0], left : left + size[1]]
    np.testing.assert_array_equal(operation.apply(sample).image.numpy(), expected)


# --- elastic deformation ------------------------------------------------------------------------


def constant(right, down):
    return DisplacementField(*(tuple((value,) * 3 for _ in range(3)) for value in (right, down)))


def test_no_shift_changes_nothing():
    sample = image((17, 23))
    result = constant(0.0, 0.0).apply(sample)
    assert torch.equal(result.image, sample.image)
    assert torch.equal(result.target.semantic, sample.target.semantic)


@pytest.mark.parametrize(("right", "down"), [(3.0, 0.0), (0.0, -5.0), (-4.0, 2.0), (30.0, 50.0)])
def test_a_constant_shift_shows_the_mirrored_image(right, down):
    sample = image((17, 23))
    result = constant(right, down).apply(sample)
    same = ResizeCrop((17, 23), int(down), int(right), (17, 23), fill=None).apply(sample)
    assert (result.image.int() - same.image.int()).abs().max() <= 1
    places = np.pad(sample.target.semantic.numpy(), 60, mode="symmetric")
    top, left = 60 + int(down), 60 + int(right)
    np.testing.assert_array_equal(
        result.target.semantic.numpy(), places[top : top + 17, left : left + 23]
    )


@settings(max_examples=60, deadline=None)
@given(st.tuples(st.integers(4, 50), st.integers(4, 50)), st.integers(0, 2**31))
def test_image_and_map_follow_the_same_points(size, seed):
    """On a ramp the interpolated value is the point itself; the map's pixel holds it."""
    operation = ElasticTransform(3.0).draw(size, generator(seed))
    x, y = operation.sources(size)
    inside = (x > 0.5) & (x < size[1] - 0.5) & (y > 0.5) & (y < size[0] - 0.5)
    columns = (torch.arange(size[1], dtype=torch.float64) + 0.5).expand(3, *size).clone()
    columns[1] = (torch.arange(size[0], dtype=torch.float64) + 0.5)[:, None]
    taken = take_bilinear(columns, x, y)
    torch.testing.assert_close(taken[0][inside], x[inside])
    torch.testing.assert_close(taken[1][inside], y[inside])
    semantic = torch.arange(size[1]).expand(size).to(torch.uint8).contiguous()
    result = operation.apply(Sample(torch.zeros(3, *size), Target(semantic=semantic)))
    assert torch.equal(result.target.semantic[inside].long(), x[inside].floor().long())


def test_shifts_are_as_large_as_they_should_be_and_smooth():
    random = generator(4)
    drawn = [ElasticTransform(10.0).draw((64, 64), random) for _ in range(200)]
    nodes = np.array([(operation.right, operation.down) for operation in drawn])
    assert nodes.shape == (200, 2, 3, 3)
    assert abs(nodes.std() - 10) < 0.5
    assert abs(nodes.mean()) < 0.5
    x, _ = drawn[0].sources((64, 64))
    shifts = x - (torch.arange(64) + 0.5)
    np.testing.assert_allclose(
        shifts[[0, 0, 63, 63], [0, 63, 0, 63]], nodes[0, 0, ::2, ::2].ravel()
    )
    assert shifts.diff(dim=0).abs().max() < 4 * 10 * 2 / 63 * 3  # bicubic between nodes 32 apart


def test_objects_cannot_be_bent_and_the_rest_stays():
    objects = Objects(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    bend = ElasticTransform()
    with pytest.raises(ValueError, match="expected a sample without objects"):
        bend(Sample(torch.zeros(3, 8, 8), Target(objects=objects)), generator(0))
    with pytest.raises(ValueError, match="no matrix"):
        bend.draw((8, 8), generator(0)).matrix((8, 8))
    result = bend(image((20, 20)), generator(0))
    assert result.target.labels.tolist() == [2]
    assert result.image.dtype == torch.uint8


# --- keypoints ----------------------------------------------------------------------------------


def test_pairs_of_keypoints():
    pairs = keypoint_pairs(COCO_PERSON)
    assert len(pairs) == 8
    assert all(COCO_PERSON[b] == COCO_PERSON[a].replace("left", "right") for a, b in pairs)
    assert keypoint_pairs(["Left Eye", "right eye", "cleft", "wing-left", "wing-right"]) == (
        (0, 1),
        (3, 4),
    )
    assert keypoint_pairs(["left_hand", "nose"]) == ()
    points = torch.zeros(1, 17, 3)
    points[0, 5] = torch.tensor([2.0, 3, 2])  # left shoulder
    objects = Objects(torch.tensor([[0.0, 0, 9, 9]]), torch.tensor([0]), keypoints=points)
    sample = Sample(torch.zeros(3, 10, 10), Target(objects=objects))
    mirrored = RandomHorizontalFlip(1.0, pairs=pairs)(sample, generator(0)).target.objects.keypoints
    assert mirrored[0, 6].tolist() == [8, 3, 2]
    assert mirrored[0, 5].tolist() == [0, 0, 0]


# --- recipes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("augmentation", CLASSIFICATION_AUGMENTATIONS)
@pytest.mark.parametrize("size", [(28, 28), (90, 50)])
def test_classifiers_see_squares_with_their_label(augmentation, size):
    transform = classification_transforms(28, augmentation)
    results = [transform(image(size), generator(seed)) for seed in range(30)]
    assert {result.size for result in results} == {(28, 28)}
    assert all(result.target.labels.tolist() == [2] for result in results)
    variants = {result.image.numpy().tobytes() for result in results}
    most = {"none": 1, "flip": 2}.get(augmentation, 30)
    assert (len(variants) == most) if most < 3 else len(variants) > 10


def test_windows_grow_with_the_training():
    """Three of eight epochs see windows of 3/4, three of 7/8, also after a stop."""
    dataset = [image((32, 32), seed) for seed in range(4)]
    stages = classification_transforms(32, "growing")
    plan = Plan(count=4, batch_size=2, seed=0)
    batches = list(training_batches(dataset, plan, stages, first=0, last=16))
    assert [batch[0].size[0] for batch in batches] == [24] * 4 + [28] * 4 + [32] * 8
    resumed = list(training_batches(dataset, plan, stages, first=5, last=16))
    assert torch.equal(resumed[0][1].image, batches[5][1].image)


def test_alternating_flips_show_both_sides_in_turn():
    """Half of the images begin mirrored; each is the other way round in the next epoch."""
    dataset = [image((8, 12), seed) for seed in range(40)]
    plan = Plan(count=40, batch_size=40, seed=0)
    batches = list(training_batches(dataset, plan, AlternatingFlip(), first=0, last=4))
    turned = []  # by epoch: the names of the images that were seen mirrored
    for number, samples in enumerate(batches):
        order = [index for _, index in plan.epoch(number)[0]]
        pairs = list(zip(order, samples, strict=True))
        mirrored = {
            i for i, sample in pairs if torch.equal(sample.image, dataset[i].image.flip(-1))
        }
        plain = {i for i, sample in pairs if torch.equal(sample.image, dataset[i].image)}
        assert mirrored | plain == set(range(40))
        turned.append(mirrored)
    assert turned[0] == turned[2] == set(range(40)) - turned[1]
    assert turned[1] == turned[3]
    assert 10 < len(turned[0]) < 30
    assert {AlternatingFlip().draw((8, 12), generator(i)).flip_x for i in range(20)} == {
        True,
        False,
    }


@pytest.mark.parametrize(
    ("make", "pixels", "augmentations"),
    [
        (detection_transforms, detection_pixels, DETECTION_AUGMENTATIONS),
        (classification_transforms, classification_pixels, CLASSIFICATION_AUGMENTATIONS),
    ],
)
def test_no_more_pixels_are_seen_than_is_said(make, pixels, augmentations):
    """What a cache may shrink to: no draw enlarges an image of that size, and some nearly use it
    up."""
    for augmentation in augmentations:
        for size in (32, 160):
            transform, most = make(size, augmentation), pixels(size, augmentation)
            shapes = [(2000, 3000), (1500, 1000), (1000, 1000)]
            scales = [
                min(shape)
                * float(transform.draw(shape, generator(seed)).matrix(shape)[:2, :2].abs().max())
                for seed in range(100)
                for shape in shapes
            ]
            assert max(scales) <= most + 1
            assert max(scales) > 0.85 * most


@pytest.mark.parametrize("shares", [(), (0.5,), (0.7, 0.3, 1.0)])
def test_stages_cover_the_training(shares):
    with pytest.raises(ValueError, match="stages: expected fractions that rise to 1"):
        Stages(tuple((share, RandomHorizontalFlip()) for share in shares))


@pytest.mark.parametrize("augmentation", ["small-no-flip", "digits"])
def test_nothing_is_mirrored_where_sides_matter(augmentation):
    """A single bright pixel in the left part stays in the left part."""
    image = torch.zeros(3, 28, 28, dtype=torch.uint8)
    image[:, 14, 8] = 255
    transform = classification_transforms(28, augmentation)
    columns = {
        int(transform(Sample(image), generator(seed)).image[0].max(0).values.argmax())
        for seed in range(60)
    }
    reach = 2 if augmentation == "digits" else 3
    assert columns == set(range(8 - reach, 8 + reach + 1))


@pytest.mark.parametrize("augmentation", SEGMENTATION_AUGMENTATIONS)
def test_maps_stay_with_their_images(augmentation):
    """Each class has its own gray, which every recipe leaves apart by more than the jitter."""
    classes = torch.zeros(60, 80, dtype=torch.uint8)
    classes[:, 40:] = 1
    image = torch.where(classes == 1, 250, 5).to(torch.uint8).expand(3, -1, -1).clone()
    sample = Sample(image, Target(semantic=classes))
    transform = segmentation_transforms((48, 64), augmentation)
    for seed in range(20):
        result = transform(sample, generator(seed))
        assert result.size == ((60, 80) if augmentation in ("flip", "none") else (48, 64))
        semantic, gray = result.target.semantic, result.image.float().mean(0)
        assert set(semantic.unique().tolist()) <= {0, 1, 255}
        near = semantic.float()[None]
        inner = (F.max_pool2d(near, 5, 1, 2) == -F.max_pool2d(-near, 5, 1, 2))[0]
        right = torch.where(semantic == 1, gray > 128, gray < 128)
        assert right[inner & (semantic != 255)].all()  # the border between the two is mixed


def test_unknown_recipes():
    with pytest.raises(UsageError, match="unknown augmentation 'x'"):
        classification_transforms(28, "x")
    with pytest.raises(UsageError, match="unknown augmentation 'microscope'"):
        segmentation_transforms((4, 4), "microscope")
