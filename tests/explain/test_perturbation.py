"""Occlusion: where it lights, and by how much, against models that can be worked by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tapetum.explain import explain
from tapetum.explain.perturbation import GRAY, occlusion
from tapetum.structures import Target
from tests.explain.targets import of_class


@pytest.fixture
def looks_at(classifier):
    """looks_at(rows, columns): both classes are the brightness of these pixels, class 1 twice."""

    class Region(nn.Module):
        def __init__(self, rows, columns):
            super().__init__()
            self.rows, self.columns = rows, columns

        def forward(self, x):
            total = x[:, :, self.rows, self.columns].sum(dim=(1, 2, 3))
            return torch.stack([total, 2 * total], dim=1)

    return lambda rows, columns: classifier(nn.Sequential(Region(rows, columns)), layer=0)


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (slice(20, 21), slice(41, 42)),
        (slice(0, 1), slice(0, 1)),
        (slice(39, 40), slice(63, 64)),
        (slice(8, 14), slice(30, 44)),
    ],
)
def test_it_lights_where_the_model_looks_and_not_farther_than_a_square(looks_at, rows, columns):
    """Of 40 x 64 pixels, squares of 5."""
    heat = explain(looks_at(rows, columns), torch.ones(3, 40, 64), of_class(0), "occlusion")
    assert (heat[rows, columns] > 0.39).all()  # 0.4 at a corner, but for rounding
    assert heat[rows, columns].max() == 1
    far = torch.ones(40, 64, dtype=torch.bool)
    far[max(0, rows.start - 4) : rows.stop + 4, max(0, columns.start - 4) : columns.stop + 4] = 0
    assert (heat[far] == 0).all()


def test_of_a_tiny_image_each_pixel_is_hidden_alone(looks_at):
    """Squares of one pixel: the heat is the value above grey; what was darker made it rise."""
    image = torch.rand(3, 8, 9, generator=torch.Generator().manual_seed(0))
    heat = occlusion(looks_at(slice(None), slice(None)), image, of_class(0), batch_size=5)
    torch.testing.assert_close(heat, (image - GRAY).sum(dim=0).clamp(min=0), atol=1e-5, rtol=0)
    assert (heat == 0).any()


def test_a_grey_image_has_nothing_to_hide(looks_at):
    model = looks_at(slice(None), slice(None))
    heat = explain(model, torch.full((3, 16, 16), GRAY), of_class(0), "occlusion")
    assert (heat == 0).all()


def test_several_objects_are_explained_by_their_summed_scores(looks_at):
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(3, 16, 24, generator=generator, dtype=torch.float64)
    model = looks_at(slice(2, 9), slice(3, 9))
    both = occlusion(model, image, Target(labels=torch.tensor([0, 1])), batch_size=7)
    torch.testing.assert_close(both, 3 * occlusion(model, image, of_class(0)))


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (37, 23), (16, 16)])
def test_every_pixel_is_hidden_and_the_batch_does_not_matter(looks_at, size):
    model, image = looks_at(slice(None), slice(None)), torch.ones(3, *size)
    alone, many = (occlusion(model, image, of_class(0), batch_size=n) for n in (1, 64))
    assert (alone > 0).all()
    torch.testing.assert_close(alone, many)


def test_a_score_without_any_gradient_is_explained(classifier):
    class Counts(nn.Module):
        """How many pixels are white."""

        def forward(self, x):
            white = (x[:, :, :4, :4] > 0.9).sum(dim=(1, 2, 3)).float()
            return torch.stack([white, white], dim=1)

    model = classifier(nn.Sequential(Counts()), layer=0)
    model.differentiable = False
    heat = explain(model, torch.ones(3, 16, 16), of_class(1))
    assert heat.argmax() < 4 * 16
    assert (heat[6:] == 0).all()
