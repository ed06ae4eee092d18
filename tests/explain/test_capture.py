"""Hooks come and go; structures of tensors are walked whole."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import pytest
import torch
from torch import nn

from tapetum.explain.capture import captured, map_and_gradient, map_tensors


class Pair(NamedTuple):
    left: torch.Tensor
    right: torch.Tensor


def test_the_hook_is_gone_after_an_exception():
    module = nn.Linear(2, 2)
    with pytest.raises(RuntimeError, match="shapes"), captured(module):
        assert len(module._forward_hooks) == 1
        module(torch.zeros(1, 3))
    assert len(module._forward_hooks) == 0


def test_calls_are_kept_in_order():
    module = nn.Identity()
    with captured(module) as calls:
        module(torch.tensor(1.0))
        module(torch.tensor(2.0))
    assert [float(call) for call in calls] == [1, 2]


def test_later_work_in_place_does_not_reach_what_was_captured():
    with captured(nn.Identity()) as calls:
        pass
    module = nn.Identity()
    with captured(module) as calls:
        module(torch.tensor([-1.0, 2.0])).relu_()
    assert calls[0].tolist() == [-1, 2]


def test_structures_are_mapped_and_keep_their_type():
    value = OrderedDict(
        a=Pair(torch.tensor(1.0), torch.tensor(2.0)), b=[(torch.tensor(3.0), None), "text", 4]
    )
    doubled = map_tensors(value, lambda t: 2 * t)
    assert type(doubled) is OrderedDict
    assert isinstance(doubled["a"], Pair)
    assert doubled == OrderedDict(
        a=Pair(torch.tensor(2.0), torch.tensor(4.0)), b=[(torch.tensor(6.0), None), "text", 4]
    )


def test_the_call_with_the_largest_gradient_counts():
    one, two = (torch.full((1, 1, 2, 2), v, requires_grad=True) for v in (5.0, 1.0))
    score = (one * 0.1).sum() + (two * 3).sum()
    found = map_and_gradient(score, [one, two], (nn.Identity(), lambda output: output))
    assert found is not None
    assert found[0].unique().tolist() == [1]
    assert found[1].unique().tolist() == [3]


def test_one_level_of_a_pyramid_is_chosen_by_the_layers_function():
    fine, coarse = (torch.ones(1, 2, n, n, requires_grad=True) for n in (4, 2))
    score = 2 * coarse.sum()
    layer = (nn.Identity(), lambda output: output["coarse"])
    found = map_and_gradient(score, [{"fine": fine, "coarse": coarse}], layer)
    assert found is not None
    assert found[1].shape == (1, 2, 2, 2)
    assert found[1].unique().tolist() == [2]


def test_none_without_any_dependence():
    layer = (nn.Identity(), lambda output: output)
    free, score = torch.ones(1, 1, 2, 2, requires_grad=True), torch.ones(1, requires_grad=True)
    assert map_and_gradient(score.sum(), [free], layer) is None
    assert map_and_gradient(torch.tensor(1.0), [free], layer) is None
    assert map_and_gradient(score.sum(), [torch.ones(1, 1, 2, 2)], layer) is None
    assert map_and_gradient(score.sum(), [], layer) is None
