"""Pixel methods against gradients worked by hand, and the laws of their papers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tapetum.base.errors import TapetumError
from tapetum.explain.gradients import (
    input_times_gradient,
    integrated_attribution,
    integrated_gradients,
    saliency,
    smooth_grad,
    total_score,
)
from tapetum.structures import Target
from tests.explain.targets import of_class


@pytest.fixture
def linear(classifier):
    """score of class c = sum of weight[c] * pixels, on 3 x 2 x 2 images."""
    body = nn.Sequential(nn.Flatten(), nn.Linear(12, 2, bias=False))
    with torch.no_grad():
        body[1].weight.copy_(torch.arange(24.0).view(2, 12) - 10)
    return classifier(body, layer=0)


@pytest.fixture
def squares(classifier):
    """score = 0.5 * sum of squares of the pixels, in both classes."""

    class Squares(nn.Module):
        def forward(self, x):
            total = 0.5 * (x**2).sum(dim=(1, 2, 3))
            return torch.stack([total, total], dim=1)

    return classifier(nn.Sequential(Squares()), layer=0)


def test_saliency_of_a_linear_model_is_its_largest_weight(linear):
    # Class 0 has the weights -10 ... 1: red -10 -9 / -8 -7, green -6 ... -3, blue -2 ... 1.
    heat = saliency(linear, torch.rand(3, 2, 2), of_class(0))
    assert heat.tolist() == [[10, 9], [8, 7]]


def test_input_times_gradient_sums_signed_colors(linear):
    image = torch.zeros(3, 2, 2)
    image[:, 0, 0] = torch.tensor([0.5, 0.25, 1.0])  # weights -10, -6, -2
    heat = input_times_gradient(linear, image, of_class(0))
    assert heat.tolist() == [[8.5, 0], [0, 0]]


def test_several_objects_are_explained_by_their_summed_scores(linear):
    both = Target(labels=torch.tensor([0, 1]))
    # Weights of both classes summed: -8 + 2 k.
    assert saliency(linear, torch.rand(3, 2, 2), both).tolist() == [[8, 10], [12, 14]]


def test_saliency_of_squares_is_the_brightest_color(squares):
    image = torch.rand(3, 5, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(saliency(squares, image, of_class(0)), image.amax(0))


def test_smooth_grad_of_a_linear_model_is_its_saliency(linear):
    image, random = torch.rand(3, 2, 2), torch.Generator().manual_seed(3)
    smooth = smooth_grad(linear, image, of_class(1), random)
    torch.testing.assert_close(smooth, saliency(linear, image, of_class(1)))


def test_smooth_grad_draws_from_its_generator_only(squares):
    image = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(0))

    def draw(seed):
        return smooth_grad(squares, image, of_class(0), torch.Generator().manual_seed(seed))

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


def test_smooth_grad_of_a_flat_image_adds_no_noise(squares):
    flat = torch.full((3, 3, 3), 0.4)
    heat = smooth_grad(squares, flat, of_class(0), torch.Generator().manual_seed(0))
    torch.testing.assert_close(heat, torch.full((3, 3), 0.4))


def test_integrated_gradients_are_complete(classifier):
    torch.manual_seed(1)
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus(), nn.Flatten(), nn.Linear(64, 2)).double()
    model, image = classifier(body, layer=0), torch.rand(3, 6, 6, dtype=torch.float64)
    attributed = integrated_attribution(model, image, of_class(1), steps=256).sum()
    black = torch.zeros_like(image)
    risen = model.target_logits([image], [of_class(1)]) - model.target_logits(
        [black], [of_class(1)]
    )
    torch.testing.assert_close(attributed, risen[0].detach(), atol=1e-5, rtol=0)


def test_integrated_gradients_of_squares_by_hand(squares):
    # The gradient along the path is s * x, its mean x / 2, the attribution x * x / 2.
    image = torch.rand(3, 3, 3, generator=torch.Generator().manual_seed(0))
    expected = (image**2 / 2).sum(0)
    torch.testing.assert_close(integrated_gradients(squares, image, of_class(0)), expected)


def test_nothing_to_explain_is_an_error(linear):
    with pytest.raises(ValueError, match=r"expected \(N,\) with N of 1 or more, got \(0,\)"):
        total_score(linear, torch.rand(3, 2, 2), Target())


def test_a_score_cut_from_its_graph_is_one_line(classifier):
    class Cut(nn.Module):
        def forward(self, x):
            return x.detach().sum(dim=(2, 3))

    with pytest.raises(TapetumError, match="does not depend on the pixels"):
        saliency(classifier(nn.Sequential(Cut()), 0), torch.rand(3, 2, 2), of_class(0))
