"""Muon: updates of kernels are orthogonal, all else is AdamW."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tapetum.base.seeds import generator
from tapetum.runs.settings import Settings
from tapetum.training.muon import RMS, Muon, orthogonalize
from tapetum.training.optim import make_optimizer
from tests.training.toy import plain_layers


@pytest.mark.parametrize("shape", [(16, 16), (8, 40), (40, 8)])
def test_singular_values_come_near_one_and_directions_stay(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=generator(0, *shape))
    found = orthogonalize(matrix)
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    values = torch.linalg.svdvals(found)
    assert found.shape == shape
    assert values.min() > 0.5
    assert values.max() < 1.3
    # In the basis of the matrix's own directions, nothing is left beside the diagonal.
    inside = u.T @ found @ vh.T
    assert (inside - inside.diag().diag()).abs().max() < 1e-3
    assert (inside.diag() > 0.5).all()


def test_the_rest_is_adamw() -> None:
    random = generator(1)
    first, gradients = torch.randn(5, 4, generator=random), torch.randn(6, 5, 4, generator=random)
    ours, theirs = nn.Parameter(first.clone()), nn.Parameter(first.clone())
    a = Muon([{"params": [ours], "weight_decay": 0.1}], lr=0.01)
    b = torch.optim.AdamW([theirs], lr=0.01, betas=(0.9, 0.95), weight_decay=0.1)
    for gradient in gradients:
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        a.step()
        b.step()
    torch.testing.assert_close(ours, theirs)


def test_a_kernel_moves_like_a_matrix_whatever_the_size_of_its_gradient() -> None:
    kernel = nn.Parameter(torch.zeros(6, 3, 3, 3))
    gradient = torch.randn(6, 3, 3, 3, generator=generator(2))
    moves = []
    for size in (1e-3, 1e3):
        kernel.data.zero_()
        optimizer = Muon([{"params": [kernel], "orthogonal": True}], lr=0.1)
        kernel.grad = size * gradient
        optimizer.step()
        moves.append(kernel.detach().clone())
    torch.testing.assert_close(moves[0], moves[1], rtol=1e-3, atol=1e-4)
    values = torch.linalg.svdvals(moves[0].reshape(6, -1)) / (0.1 * RMS * 27**0.5)
    assert ((values > 0.5) & (values < 1.3)).all()


def test_only_kernels_are_made_orthogonal() -> None:
    model = plain_layers()
    optimizer = make_optimizer(model, Settings(optimizer="muon"))
    kinds = {
        p.ndim: group["orthogonal"] for group in optimizer.param_groups for p in group["params"]
    }
    decays = {
        p.ndim: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]
    }
    assert kinds == {4: True, 2: False, 1: False}
    assert decays == {4: 0.05, 2: 0.05, 1: 0.0}


def test_kernels_whose_norm_is_kept_forget_their_scale() -> None:
    random = generator(3)
    start = torch.randn(6, 3, 3, 3, generator=random)
    gradient = torch.randn(6, 3, 3, 3, generator=random)
    ends = []
    for size in (1.0, 7.0):
        kernel = nn.Parameter(size * start)
        optimizer = Muon([{"params": [kernel], "orthogonal": True}], lr=0.2, keep_norms=True)
        kernel.grad = gradient.clone()
        optimizer.step()
        ends.append(kernel.detach())
    torch.testing.assert_close(ends[0], ends[1])
    moved = ends[0] - start * 6**0.5 / start.norm()
    # Six singular values of about one: a step is the share lr of the kernel's norm.
    assert 0.7 < float(moved.norm()) / (0.2 * 6**0.5) < 1.2


def test_beside_them_adamw_is_slower() -> None:
    first, gradient = torch.randn(5, 4, generator=generator(4)), torch.ones(5, 4)
    ours, theirs = nn.Parameter(first.clone()), nn.Parameter(first.clone())
    ours.grad, theirs.grad = gradient.clone(), gradient.clone()
    Muon([{"params": [ours], "weight_decay": 0.1}], lr=0.4, keep_norms=True).step()
    Muon([{"params": [theirs], "weight_decay": 0.1}], lr=0.1).step()
    torch.testing.assert_close(ours, theirs)


def test_its_name_for_short_trainings() -> None:
    model = plain_layers()
    groups = make_optimizer(model, Settings(optimizer="muon-norms")).param_groups
    assert {p.ndim: g["keep_norms"] and g["orthogonal"] for g in groups for p in g["params"]} == {
        4: True,
        2: False,
        1: False,
    }
