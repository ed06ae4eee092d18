"""Samples in combination: pixels and labels mixed alike, objects where their pixels are."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tapetum.base.seeds import generator
from tapetum.data.reading.loading import Plan, training_batches
from tapetum.data.transforms import (
    Compose,
    CopyPaste,
    CutMix,
    EpochContext,
    MixUp,
    Mosaic,
    RandomHorizontalFlip,
    classification_transforms,
    detection_transforms,
)
from tapetum.data.transforms.joining import regions
from tapetum.models.classification.classifier import label_loss, multilabel_loss
from tapetum.structures import Objects, Sample, Target

SEED = st.integers(0, 2**31)


def plain(label, size=(16, 20)):
    """An image of one gray that tells its label."""
    return Sample(
        torch.full((3, *size), label / 8), Target(labels=torch.tensor([label])), str(label)
    )


def boxed(number, size=(40, 60), masks=True, count=3):
    """Rectangles of one color each on black: the color is 10 x label + 100, the image's number
    its label's tens."""
    random = generator(number, "boxes")
    image = torch.zeros(3, *size, dtype=torch.uint8)
    boxes, labels, layers = [], [], []
    owner = torch.full(size, -1)
    for n in range(count):
        y, x = (int(torch.randint(0, side - 9, (), generator=random)) for side in size)
        image[:, y : y + 9, x : x + 9] = 100 + 10 * number + n
        owner[y : y + 9, x : x + 9] = n
        boxes.append([x, y, x + 9, y + 9])
        labels.append(10 * number + n)
    layers = torch.stack([owner == n for n in range(count)])
    visible = layers.flatten(1).any(1)
    objects = Objects(
        torch.tensor(boxes, dtype=torch.float32),
        torch.tensor(labels),
        masks=layers if masks else None,
        keypoints=torch.tensor([[[b[0] + 4.5, b[1] + 4.5, 2.0]] for b in boxes]),
    )[visible]
    return Sample(image, Target(objects=objects), f"{number}.png")


def context(samples, index=0, epoch=0):
    return EpochContext(epoch, 4, index, 0, len(samples), samples.__getitem__)


def views(transform, samples, seeds):
    bound = transform.at(context(samples))
    return [bound(samples[0], generator(seed)) for seed in seeds]


def same(first, second):
    pairs = [(first.image, second.image)]
    for name in ("labels", "label_weights"):
        pairs.append((getattr(first.target, name), getattr(second.target, name)))
    if first.target.objects is not None:
        ours, theirs = first.target.objects, second.target.objects
        pairs += [(ours.boxes, theirs.boxes), (ours.labels, theirs.labels)]
        pairs += [(ours.masks, theirs.masks)]
    return all(a is b is None or torch.equal(a, b) for a, b in pairs)


# --- one law for all ----------------------------------------------------------------------------

ALL = {
    "mixup": (classification_transforms(16, "mixup"), [plain(n) for n in range(6)]),
    "cutmix": (classification_transforms(80, "cutmix"), [plain(n) for n in range(6)]),
    "mosaic": (detection_transforms(32, "mosaic"), [boxed(n) for n in range(6)]),
    "copy-paste": (detection_transforms(32, "copy-paste"), [boxed(n) for n in range(6)]),
}


@pytest.mark.parametrize("name", ALL)
def test_a_sample_depends_on_seed_epoch_and_index_alone(name):
    """With two workers as without any, and after a restart."""
    transform, samples = ALL[name]
    plan = Plan(count=6, batch_size=3, seed=0)
    batches = list(training_batches(samples, plan, transform, 0, 4))
    others = list(training_batches(samples, plan, transform, 0, 4, workers=2))
    resumed = list(training_batches(samples, plan, transform, 3, 4))
    for batch, other in zip(batches, others, strict=True):
        assert all(same(a, b) for a, b in zip(batch, other, strict=True))
    assert all(same(a, b) for a, b in zip(batches[3], resumed[0], strict=True))
    by_name = {s.name: s for s in batches[0] + batches[1]}
    again = {s.name: s for s in batches[2] + batches[3]}
    assert not all(same(sample, again[key]) for key, sample in by_name.items())


@pytest.mark.parametrize("name", ALL)
def test_without_a_training_nothing_is_combined(name):
    transform, samples = ALL[name]
    result = transform(samples[0], generator(3))
    if name in ("mixup", "cutmix"):
        assert result.target.labels.tolist() == [0]
        assert result.target.label_weights is None
    else:
        assert set(result.target.objects.labels.tolist()) <= {0, 1, 2}


# --- classification -----------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(SEED, st.sampled_from([MixUp, CutMix]), st.sampled_from([0.2, 1.0]))
def test_labels_weigh_as_much_as_their_pixels(seed, kind, alpha):
    """Each image has the gray of its label: the mean of the pixels is the mean of the labels."""
    samples = [plain(n) for n in range(8)]
    (result,) = views(kind(alpha=alpha), samples, [seed])
    target = result.target
    expected = (target.labels * target.label_weights).sum() / 8
    torch.testing.assert_close(result.image.mean(), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(target.label_weights.sum(), torch.tensor(1.0))
    assert len(set(target.labels.tolist())) == len(target.labels)


def test_mixup_blends_everywhere_and_cutmix_shows_one_box():
    samples = [plain(0), plain(8)]
    for image in (s.image[0] for s in views(MixUp(), samples, range(30))):
        assert (image == image[0, 0]).all()
    fractions = []
    for image in (s.image[0] for s in views(CutMix(), samples, range(200))):
        assert set(image.unique().tolist()) <= {0.0, 1.0}
        rows, columns = (image == 1).any(1).nonzero(), (image == 1).any(0).nonzero()
        fractions.append(float((image == 1).float().mean()))
        if len(rows):
            first, last = (rows[0], columns[0]), (rows[-1] + 1, columns[-1] + 1)
            assert (image[first[0] : last[0], first[1] : last[1]] == 1).all()
    assert min(fractions) == 0
    assert max(fractions) > 0.7


def test_a_probability_of_nought_mixes_nothing():
    samples = [plain(0), plain(8)]
    for kind in (MixUp, CutMix):
        assert all(s.target.label_weights is None for s in views(kind(p=0.0), samples, range(20)))


def test_bytes_stay_bytes_and_are_rounded():
    samples = [
        Sample(torch.full((3, 4, 4), value, dtype=torch.uint8), Target(torch.tensor([value])))
        for value in (0, 200)
    ]
    for result in views(MixUp(alpha=1.0), samples, range(30)):
        assert result.image.dtype == torch.uint8
        weights = dict(zip(result.target.labels.tolist(), result.target.label_weights, strict=True))
        assert abs(float(result.image[0, 0, 0]) - 200 * float(weights.get(200, 0))) <= 0.5001


def test_several_labels_are_joined():
    """Two images with one label in common: it keeps its full weight."""
    samples = [Sample(torch.zeros(3, 4, 4), Target(torch.tensor(row))) for row in ([1, 2], [2, 5])]
    mixed = views(MixUp(alpha=1.0), samples, range(40))
    assert any(s.target.labels.tolist() == [1, 2, 5] for s in mixed)
    for target in (s.target for s in mixed):
        weights = dict(zip(target.labels.tolist(), target.label_weights.tolist(), strict=True))
        assert weights[2] == pytest.approx(1.0)


@pytest.mark.parametrize("kind", [MixUp, CutMix])
def test_objects_cannot_be_mixed_and_sizes_must_fit(kind):
    with pytest.raises(ValueError, match="expected targets with labels of images"):
        views(kind(), [boxed(0), boxed(1)], range(3))
    with pytest.raises(ValueError, match=r"expected images of one size, got \(4, 4\) and \(4, 5\)"):
        views(kind(), [plain(0, (4, 4)), plain(1, (4, 5))], range(9))


def test_the_partner_has_a_view_of_its_own():
    image = torch.zeros(3, 1, 2)
    image[..., 0] = 1
    samples = [Sample(image, Target(torch.tensor([0])))]
    mixed = views(MixUp(RandomHorizontalFlip(), alpha=1.0), samples, range(60))
    assert len({tuple(s.image[0, 0].tolist()) for s in mixed}) > 10  # both ways round, blended


def test_the_loss_weighs_labels():
    """Cross entropy is linear in the target: that of a mixture is the mixture of both."""
    logits = torch.randn(3, 4, generator=generator(0), dtype=torch.float64, requires_grad=True)

    def loss(x, y):
        return torch.nn.functional.cross_entropy(x, y, reduction="none")

    def targets(*rows):
        return [Target(torch.tensor(row, dtype=torch.int64), label_weights=w) for row, w in rows]

    weights = torch.tensor([0.3, 0.7])
    soft = label_loss(logits, targets(([1, 2], weights), ([0], None), ([], None)), loss)
    parts = [
        label_loss(logits, targets(([k], None), ([0], None), ([], None)), loss) for k in (1, 2)
    ]
    torch.testing.assert_close(soft, 0.3 * parts[0] + 0.7 * parts[1])
    several = multilabel_loss(logits, targets(([1, 2], weights), ([0], None), ([3], None)))
    wanted = torch.tensor([[0, 0.3, 0.7, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]], dtype=torch.float64)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted)
    torch.testing.assert_close(several, expected)


# --- detection ----------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(SEED, st.booleans())
def test_a_mosaic_keeps_boxes_on_their_objects(seed, masks):
    """Under the middle of each keypoint is the color of its label; masks hold that color only."""
    samples = [boxed(n, masks=masks, count=1) for n in range(5)]
    (result,) = views(Mosaic((64, 64), low=1.0), samples, [seed])
    objects = result.target.objects
    assert result.size == (64, 64)
    assert (objects.boxes >= 0).all()
    assert (objects.boxes <= 64).all()
    for n, (x, y, seen) in enumerate(objects.keypoints[:, 0].tolist()):
        color = 100 + int(objects.labels[n])
        x1, y1, x2, y2 = objects.boxes[n].tolist()
        middle = result.image[0, int((y1 + y2) / 2), int((x1 + x2) / 2)]
        assert abs(int(middle) - color) <= 6
        if seen:
            assert x1 <= x <= x2
            assert y1 <= y <= y2
        if masks:
            inside = objects.masks[n].nonzero() + 0.5
            assert (inside.amin(0) >= torch.tensor([y1, x1]) - 1).all()
            assert (inside.amax(0) <= torch.tensor([y2, x2]) + 1).all()
    assert (objects.masks is not None) == masks


def test_a_mosaic_shows_four_images_and_sometimes_each_object():
    samples = [boxed(n) for n in range(8)]
    results = views(Mosaic((64, 64)), samples, range(40))
    images = [{label // 10 for label in s.target.objects.labels.tolist()} for s in results]
    assert max(map(len, images)) == 4
    assert set().union(*images) == set(range(8))


def test_a_mosaic_of_maps_ignores_what_no_image_covers():
    samples = [
        Sample(torch.full((3, 8, 8), n / 9), Target(semantic=torch.full((8, 8), n).to(torch.uint8)))
        for n in range(4)
    ]
    for result in views(Mosaic((32, 32), fill=(255, 255, 255)), samples, range(20)):
        semantic = result.target.semantic
        torch.testing.assert_close(
            result.image[0], torch.where(semantic == 255, 1.0, semantic / 9), atol=1e-5, rtol=0
        )


def test_a_mosaic_with_empty_images_keeps_the_objects_of_the_others():
    bare = Sample(torch.zeros(3, 40, 60, dtype=torch.uint8), Target(objects=Objects.empty()))
    samples = [bare, boxed(1), bare]
    labels = {
        label
        for s in views(Mosaic((64, 64), low=1.0), samples, range(30))
        for label in s.target.objects.labels.tolist()
    }
    assert labels <= {10, 11, 12}
    assert labels


@settings(max_examples=60, deadline=None)
@given(SEED, st.booleans())
def test_pasted_objects_hide_what_is_under_them(seed, masks):
    """Every mask holds the color of its label only, and boxes of masks are tight."""
    samples = [boxed(n, masks=masks, count=2) for n in range(4)]
    (result,) = views(CopyPaste(p=1.0), samples, [seed])
    objects = result.target.objects
    areas = regions(objects, result.size)
    for n, label in enumerate(objects.labels.tolist()):
        color = 100 + label
        values = result.image[0][areas[n]]
        assert color in values.tolist()
        if masks:
            assert (values == color).all()
            y, x = areas[n].nonzero().unbind(1)
            tight = [int(v) for v in (x.min(), y.min(), x.max() + 1, y.max() + 1)]
            assert objects.boxes[n].tolist() == tight or label < 10
        x, y, seen = objects.keypoints[n, 0].tolist()
        if seen == 2 and not masks:
            assert result.image[0, int(y), int(x)] == color or label // 10 == 0


def test_copy_paste_pastes_some_and_never_crowds():
    samples = [boxed(n) for n in range(4)]
    counts = {
        sum(label >= 10 for label in s.target.objects.labels.tolist())
        for s in views(CopyPaste(p=1.0), samples, range(60))
    }
    assert counts == {0, 1, 2, 3}
    crowds = [
        Sample(s.image, Target(objects=s.target.objects.with_(crowd=torch.ones(3, dtype=bool))))
        for s in samples
    ]
    for result in views(CopyPaste(p=1.0), crowds, range(20)):
        assert set(result.target.objects.labels.tolist()) <= {0, 1, 2}
    with pytest.raises(ValueError, match="expected targets with objects"):
        views(CopyPaste(p=1.0), [plain(0), plain(1)], range(9))


def test_a_mosaic_is_one_of_several_transforms():
    """Its matrix is that of its first image, and what follows moves all objects."""
    samples = [boxed(n, count=1) for n in range(3)]
    bound = Compose((Mosaic((64, 64)), RandomHorizontalFlip(1.0))).at(context(samples))
    operation = bound.draw((40, 60), generator(5))
    assert operation.size_after((40, 60)) == (64, 64)
    assert operation.matrix((40, 60)).shape == (3, 3)
    for n, box in enumerate(operation.apply(samples[0]).target.objects.boxes.tolist()):
        result = operation.apply(samples[0])
        middle = result.image[0, int((box[1] + box[3]) / 2), int((box[0] + box[2]) / 2)]
        assert abs(int(middle) - 100 - int(result.target.objects.labels[n])) <= 6
