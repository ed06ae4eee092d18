"""The optimizer of the record code for airbench."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tapetum.base.seeds import generator
from tapetum.runs.settings import Settings
from tapetum.training.airbench import HEAD, SHIFTS, AirbenchOptimizer, airbench_groups
from tapetum.training.optim import make_optimizer
from tests.training.toy import plain_layers


def follow(
    weight: nn.Parameter, gradients: list[torch.Tensor], decay: float = 0.0, batch: int = 2000
) -> torch.Tensor:
    optimizer = AirbenchOptimizer(airbench_groups([weight], decay, batch), lr=0.24)
    optimizer.param_groups[:] = [g for g in optimizer.param_groups if g["params"]]
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
    return weight.detach()


@pytest.mark.parametrize(
    ("shape", "rate", "unit"), [((5,), 0.053, 1.0), ((5, 4), 0.67, 256 / 9)], ids=["shifts", "head"]
)
@pytest.mark.parametrize("batch", [2000, 500])
def test_what_is_no_kernel_goes_the_way_of_the_record_code(
    shape: tuple[int, ...], rate: float, unit: float, batch: int
) -> None:
    """There losses are summed, and the head is 256 / 9 times as large for the same logits."""
    random = generator(1)
    first = torch.randn(shape, generator=random)
    gradients = list(1e-3 * torch.randn(6, *shape, generator=random))
    theirs = nn.Parameter(first * unit)
    decay = 2e-6 * batch
    sgd = torch.optim.SGD(
        [theirs], lr=rate, momentum=0.85, nesterov=True, weight_decay=decay / rate
    )
    for gradient in gradients:
        theirs.grad = batch * gradient / unit
        sgd.step()
    ours = follow(nn.Parameter(first.clone()), gradients, decay=1 / 60, batch=batch)
    torch.testing.assert_close(ours, theirs.detach() / unit)


def test_kernels_forget_their_scale() -> None:
    random = generator(3)
    start = torch.randn(6, 3, 3, 3, generator=random)
    gradient = torch.randn(6, 3, 3, 3, generator=random)
    ends = [follow(nn.Parameter(size * start), [gradient]) for size in (1.0, 7.0)]
    torch.testing.assert_close(ends[0], ends[1])
    moved = ends[0] - start * 6**0.5 / start.norm()
    # Six singular values of about one: a step is the share lr of the kernel's norm.
    assert 0.7 < float(moved.norm()) / (0.24 * 6**0.5) < 1.2


def test_each_kind_of_weight_has_its_rate() -> None:
    model = plain_layers()
    optimizer = make_optimizer(
        model, Settings(optimizer="airbench", weight_decay=0.5, batch_size=1000)
    )
    kinds = {
        p.ndim: (g["orthogonal"], g["times"]) for g in optimizer.param_groups for p in g["params"]
    }
    assert kinds == {4: (True, 1.0), 2: (False, 1000 * HEAD), 1: (False, 1000 * SHIFTS)}
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.25}


def test_a_closure_is_refused() -> None:
    weight = nn.Parameter(torch.zeros(3))
    with pytest.raises(ValueError, match="closure"):
        AirbenchOptimizer(airbench_groups([weight], 0.0, 8)[2:], lr=0.1).step(lambda: 0.0)
