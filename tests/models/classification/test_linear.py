from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from tapetum import api
from tapetum.models.classification.classifier import ClassificationOutput
from tapetum.models.classification.linear import linear
from tapetum.ops.losses import multiclass_hinge
from tapetum.runs.train_options import TrainOptions
from tapetum.structures import Sample, Target
from tapetum.tasks import TASKS
from tapetum.training.planning import chosen_settings

SCORES = torch.tensor([[3.2, 5.1, -1.7]])
CAT = [Target(labels=torch.tensor([0]))]


def test_the_numbers_that_every_course_on_vision_shows() -> None:
    """A cat whose scores are 3.2 (cat), 5.1 (car), -1.7 (frog)."""
    assert [round(v, 1) for v in SCORES.exp()[0].tolist()] == [24.5, 164.0, 0.2]
    assert round(math.exp(-1.7), 2) == 0.18
    softmax, hinge = (
        linear(num_classes=3, image_size=2, loss=loss) for loss in ("softmax", "hinge")
    )
    batch = softmax.preprocess([torch.zeros(3, 2, 2)])
    (answer,) = softmax.postprocess(ClassificationOutput(SCORES), batch)
    assert [round(p, 2) for p in answer.class_scores.tolist()] == [0.13, 0.87, 0.00]
    assert answer.labels.tolist() == [1]
    loss = softmax.losses(ClassificationOutput(SCORES), CAT)["classification"].item()
    assert round(loss, 2) == 2.04
    assert hinge.losses(ClassificationOutput(SCORES), CAT)[
        "classification"
    ].item() == pytest.approx(2.9)


def test_it_is_weights_times_pixels() -> None:
    model = linear(num_classes=2, image_size=3)
    torch.nn.init.normal_(model.network.head.weight, std=0.01)
    image = torch.rand(3, 3, 3)
    expected = model.network.head.weight @ (image * 2 - 1).flatten() + model.network.head.bias
    both = model.target_logits([image], [Target(labels=torch.tensor([0, 1]))])
    torch.testing.assert_close(both, expected)


def test_templates_are_the_weights_as_images() -> None:
    model = linear(num_classes=3, image_size=4)
    with torch.no_grad():
        model.network.head.weight[0] = torch.linspace(-3, 5, 48)
        model.network.head.weight[1] = 7
        model.network.head.weight[2] = torch.randn(48, generator=torch.Generator().manual_seed(0))
    templates = model.class_templates()
    assert templates.shape == (3, 3, 4, 4)
    torch.testing.assert_close(templates[0].flatten(), torch.linspace(0, 1, 48))
    assert (templates[1] == 0).all()
    assert templates.isfinite().all()
    assert not templates.requires_grad
    bright = templates[2].flatten().argmax()
    assert bright == model.network.head.weight[2].argmax()


def test_the_penalty_is_a_loss_of_its_own_and_leaves_biases_free() -> None:
    for loss in ("softmax", "hinge"):
        model = linear(num_classes=3, image_size=2, loss=loss, l2=0.1)
        with torch.no_grad():
            model.network.head.weight.copy_(torch.arange(36.0).view(3, 12))
            model.network.head.bias.fill_(1000.0)
        losses = model.losses(ClassificationOutput(SCORES), CAT)
        assert losses.keys() == {"classification", "l2"}
        assert losses["l2"].item() == pytest.approx(0.1 * sum(k**2 for k in range(36)))
        losses["l2"].backward()
        torch.testing.assert_close(
            model.network.head.weight.grad, 0.2 * model.network.head.weight.detach()
        )
        assert model.network.head.bias.grad is None
    with pytest.raises(ValueError, match="l2: expected 0 or more, got -1"):
        linear(l2=-1)


def test_it_starts_without_any_template() -> None:
    assert (linear(num_classes=3, image_size=4).network.head.weight == 0).all()


def test_the_optimizer_does_not_decay_what_the_penalty_does_already() -> None:
    task = TASKS["classification"]
    own = chosen_settings(TrainOptions("linear", "scenes"), task)
    assert (own.optimizer, own.weight_decay, own.batch_size) == ("sgd", 0.0, 64)
    said = chosen_settings(TrainOptions("linear", "scenes", settings={"weight_decay": 0.1}), task)
    assert (said.optimizer, said.weight_decay) == ("sgd", 0.1)
    assert chosen_settings(TrainOptions("resnet18", "scenes"), task).optimizer == "adamw"


def test_templates_look_like_their_classes_not_like_noise(tmp_path: Path) -> None:
    """Three soft patches on noise: see benchmarks/templates.py for CIFAR-10."""
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    patches = [torch.exp(-((y - 8) ** 2 + (x - c) ** 2) / 18) for c in (3, 8, 13)]

    def seen(index: int) -> Sample:
        noise = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(index))
        image = (0.4 + 0.15 * patches[index % 3] + 0.15 * noise).clamp(0, 1)
        return Sample(image, Target(labels=torch.tensor([index % 3])))

    samples = [seen(index) for index in range(600)]
    run = api.train(
        "linear",
        samples,
        classes=["left", "middle", "right"],
        out=tmp_path / "run",
        epochs=3,
        augment="none",
        validate=False,
        device="cpu",
        observers=[],
    )
    templates = api.load(run, checkpoint="last").model.class_templates()
    images = torch.stack([sample.image for sample in samples]).unflatten(0, (200, 3))  # (200, 3, ..
    means = images.mean(dim=0)  # (3, 3, 16, 16)
    for template, mean in zip(templates, means, strict=True):
        both = torch.stack([template.flatten(), (mean - means.mean(dim=0)).flatten()])
        assert torch.corrcoef(both)[0, 1] > 0.5
    roughness = sum(templates.diff(dim=dim).abs().mean() for dim in (2, 3))
    static = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    low, high = static.amin((1, 2, 3), True), static.amax((1, 2, 3), True)
    static = (static - low) / (high - low)
    assert roughness < 0.5 * sum(static.diff(dim=dim).abs().mean() for dim in (2, 3))


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_hinge_is_pytorchs_without_its_division(reduction: str) -> None:
    scores = torch.randn(20, 6, generator=torch.Generator().manual_seed(0)) * 2
    labels = torch.arange(20) % 6
    for margin in (0.5, 1.0):
        expected = 6 * F.multi_margin_loss(scores, labels, margin=margin, reduction=reduction)
        torch.testing.assert_close(multiclass_hinge(scores, labels, margin, reduction), expected)
    assert multiclass_hinge(scores[:0], labels[:0]) == 0
    assert multiclass_hinge(scores.half(), labels).dtype == torch.float32


def test_pixel_times_gradient_is_where_the_score_comes_from() -> None:
    model = linear(num_classes=3, image_size=8)
    torch.nn.init.normal_(model.network.head.weight, std=0.01)
    assert model.explain_layers() == {}
    pixels = model.preprocess([torch.rand(3, 8, 8)]).pixels.requires_grad_()
    score = model(pixels, torch.tensor([[8, 8]])).logits[0, 1]
    (gradient,) = torch.autograd.grad(score, pixels)
    torch.testing.assert_close((gradient * pixels).sum() + model.network.head.bias[1], score)
