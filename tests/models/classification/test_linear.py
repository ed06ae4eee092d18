from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from tapetum.models.classification.classifier import Raw
from tapetum.models.classification.linear import linear
from tapetum.ops.losses import multiclass_hinge
from tapetum.structures import Target

SCORES = torch.tensor([[3.2, 5.1, -1.7]])
CAT = [Target(labels=torch.tensor([0]))]


def test_the_numbers_that_every_course_on_vision_shows() -> None:
    """A cat whose scores are 3.2 (cat), 5.1 (car), -1.7 (frog)."""
    assert [round(v, 1) for v in SCORES.exp()[0].tolist()] == [24.5, 164.0, 0.2]
    assert round(math.exp(-1.7), 2) == 0.18
    softmax, hinge = (linear(classes=3, image_size=2, loss=loss) for loss in ("softmax", "hinge"))
    batch = softmax.prepare([torch.zeros(3, 2, 2)])
    (answer,) = softmax.decode(Raw(SCORES), batch)
    assert [round(p, 2) for p in answer.class_scores.tolist()] == [0.13, 0.87, 0.00]
    assert answer.labels.tolist() == [1]
    loss = softmax.losses(Raw(SCORES), CAT)["classification"].item()
    assert round(loss, 2) == 2.04
    assert hinge.losses(Raw(SCORES), CAT)["classification"].item() == pytest.approx(2.9)


def test_it_is_weights_times_pixels() -> None:
    model = linear(classes=2, image_size=3)
    picture = torch.rand(3, 3, 3)
    expected = model.head.weight @ (picture * 2 - 1).flatten() + model.head.bias
    both = model.score([picture], [Target(labels=torch.tensor([0, 1]))])
    torch.testing.assert_close(both, expected)


def test_templates_are_the_weights_as_pictures() -> None:
    model = linear(classes=3, image_size=4)
    with torch.no_grad():
        model.head.weight[0] = torch.linspace(-3, 5, 48)
        model.head.weight[1] = 7
    templates = model.templates()
    assert templates.shape == (3, 3, 4, 4)
    torch.testing.assert_close(templates[0].flatten(), torch.linspace(0, 1, 48))
    assert (templates[1] == 0).all()
    assert templates.isfinite().all()
    assert not templates.requires_grad
    bright = templates[2].flatten().argmax()
    assert bright == model.head.weight[2].argmax()


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
    model = linear(classes=3, image_size=8)
    assert model.explain_layers() == {}
    pixels = model.prepare([torch.rand(3, 8, 8)]).pixels.requires_grad_()
    score = model(pixels, torch.tensor([[8, 8]])).logits[0, 1]
    (gradient,) = torch.autograd.grad(score, pixels)
    torch.testing.assert_close((gradient * pixels).sum() + model.head.bias[1], score)
