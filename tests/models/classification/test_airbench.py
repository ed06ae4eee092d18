"""The fast network: its first layer decorrelates, its convolutions begin as identities."""

from __future__ import annotations

import pytest
import torch

from tapetum.base.seeds import generator
from tapetum.models.classification.airbench import (
    FILTERS,
    SHIFTS,
    airbench,
    identity_convolution,
    whitening_filters,
)
from tapetum.models.classification.classifier import ImageClassifier
from tapetum.structures import Sample, Target


def pixels(count: int = 64, size: int = 16) -> torch.Tensor:
    """Centred images whose neighbouring pixels are alike, as in photographs."""
    fine = torch.randn(count, 3, size, size, generator=generator(0))
    smooth = torch.nn.functional.avg_pool2d(fine, 3, stride=1, padding=1)
    return smooth - smooth.mean(dim=(0, 2, 3), keepdim=True)


def test_whitened_patches_have_variance_one_and_no_correlation() -> None:
    images = pixels()
    filters = whitening_filters([images])
    answers = torch.nn.functional.conv2d(images.double(), filters.double())
    flat = answers.transpose(0, 1).reshape(FILTERS, -1)[: FILTERS // 2]  # (12, n)
    covariance = flat @ flat.T / flat.shape[1]
    off = covariance - covariance.diag().diag()
    assert off.abs().max() < 1e-4
    assert ((covariance.diag() > 0.7) & (covariance.diag() <= 1 + 1e-4)).all()


def test_every_filter_has_its_negative() -> None:
    filters = whitening_filters(pixels().split(9))
    assert torch.equal(filters[: FILTERS // 2], -filters[FILTERS // 2 :])


@pytest.mark.parametrize(("inputs", "outputs"), [(4, 4), (4, 7)])
def test_a_fresh_convolution_hands_its_inputs_on(inputs: int, outputs: int) -> None:
    x = torch.randn(2, inputs, 5, 5, generator=generator(1))
    torch.testing.assert_close(identity_convolution(inputs, outputs)(x)[:, :inputs], x)


def tiny(**changes: object) -> ImageClassifier:
    return airbench(num_classes=3, image_size=16, widths=(8, 12, 12), **changes)


def test_it_begins_with_the_training_images() -> None:
    model = tiny()
    random = generator(2)
    samples = [
        Sample(torch.rand(3, 16, 16, generator=random), Target(labels=torch.tensor([0])))
        for _ in range(6)
    ]
    before = model.network.whitening.clone()
    model.initialize_from_data(iter(samples), random)
    expected = whitening_filters([model.preprocess([s.image for s in samples]).pixels])
    assert not torch.allclose(model.network.whitening, before)
    torch.testing.assert_close(model.network.whitening, expected)


def test_an_explanation_is_of_one_copy() -> None:
    """The maps of mirrored views lie the other way round."""
    model = tiny(test_time_augmentation=True).eval()
    seen: list[tuple[int, ...]] = []
    model.network.groups[-1].register_forward_hook(lambda *call: seen.append(tuple(call[2].shape)))
    image = torch.rand(3, 16, 16, generator=generator(4))
    model.target_logits([image], [Target(labels=torch.tensor([1]))])
    assert len(seen) == 1


def test_tta_shifts_and_flips_one_image() -> None:
    many, one = tiny(test_time_augmentation=True).eval(), tiny(test_time_augmentation=False).eval()
    one.load_state_dict(many.state_dict())
    batch = one.preprocess([torch.rand(3, 16, 16, generator=generator(3))])
    padded = torch.nn.functional.pad(batch.pixels, (1, 1, 1, 1), mode="reflect")
    total = torch.zeros(1, 3)
    for down, right, weight in SHIFTS:
        view = padded[:, :, 1 + down : 17 + down, 1 + right : 17 + right]
        for seen in (view, view.flip(-1)):
            total = total + weight / 2 * one(seen, batch.sizes).logits
    torch.testing.assert_close(many(batch.pixels, batch.sizes).logits, total)
    assert sum(weight for *_, weight in SHIFTS) == 1


def test_in_training_there_is_one_copy() -> None:
    model, targets = tiny(test_time_augmentation=True).eval(), (Target(labels=torch.tensor([1])),)
    batch = model.preprocess([torch.rand(3, 16, 16, generator=generator(4))])
    learning = model(batch.pixels, batch.sizes, targets).logits
    assert torch.equal(learning, model.network(batch.pixels))
    assert not torch.equal(learning, model(batch.pixels, batch.sizes).logits)


def test_small_crops_stay_small_where_there_are_targets() -> None:
    """Training gives targets; the mode of the model plays no part."""
    crops = [torch.rand(3, 12, 12, generator=generator(5, i)) for i in range(2)]
    mixed = [crops[0], torch.rand(3, 14, 14, generator=generator(6))]
    targets = [Target(labels=torch.tensor([1]))] * 2
    for model in (tiny().train(), tiny().eval()):
        assert model.preprocess(crops, targets).pixels.shape == (2, 3, 12, 12)
        assert model.preprocess(crops).pixels.shape == (2, 3, 16, 16)
        assert model.preprocess(mixed, targets).pixels.shape == (2, 3, 16, 16)
        small = [torch.rand(3, 8, 8)] * 2
        assert model.preprocess(small, targets).pixels.shape == (2, 3, 16, 16)


def test_images_that_pooling_would_use_up() -> None:
    with pytest.raises(ValueError, match="image_size: expected at least 9, got 8"):
        airbench(image_size=8)
    smallest = airbench(image_size=9, widths=(4, 4, 4)).eval()
    batch = smallest.preprocess([torch.rand(3, 9, 9)])
    assert smallest(batch.pixels, batch.sizes).logits.shape == (1, 10)


def test_pooling_of_the_paper() -> None:
    """At 32 pixels the last map is 3 x 3, of which the paper's pooling takes the maximum."""
    model = airbench(widths=(4, 4, 4), test_time_augmentation=False)
    x = torch.nn.functional.gelu(
        torch.nn.functional.conv2d(
            torch.rand(1, 3, 32, 32), model.network.whitening, model.network.bias
        )
    )
    for group in model.network.groups:
        x = group(x)
    assert x.shape[-2:] == (3, 3)
