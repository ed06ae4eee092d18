from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tapetum.layers.norm import NORMS, FrozenBatchNorm, group_count, make_norm


@given(st.integers(1, 4096))
def test_groups_divide_the_channels_and_are_not_too_many(channels: int) -> None:
    groups = group_count(channels)
    assert channels % groups == 0
    assert 1 <= groups <= 32
    assert groups == 1 or channels // groups >= 4


@pytest.mark.parametrize(
    ("channels", "groups"), [(1, 1), (3, 1), (8, 2), (16, 4), (64, 16), (128, 32), (256, 32)]
)
def test_group_counts(channels: int, groups: int) -> None:
    assert group_count(channels) == groups


def test_frozen_is_batch_norm_in_evaluation_whatever_the_mode() -> None:
    batch, frozen = nn.BatchNorm2d(5), FrozenBatchNorm(5)
    for value in (batch.weight, batch.bias, batch.running_mean):
        nn.init.normal_(value)
    nn.init.uniform_(batch.running_var, 0.5, 2)
    frozen.load_state_dict(batch.state_dict(), strict=False)
    x = torch.randn(2, 5, 3, 4)
    expected = batch.eval()(x)
    assert torch.equal(frozen.train()(x), expected)
    assert torch.equal(frozen.eval()(x), expected)
    assert not list(frozen.parameters())
    assert torch.equal(frozen.running_mean, batch.running_mean)


def test_group_norm_treats_each_image_by_itself() -> None:
    norm = make_norm("group", 8)
    x = torch.randn(3, 8, 4, 4)
    torch.testing.assert_close(norm(x)[1:2], norm(x[1:2]))


def test_names() -> None:
    assert [type(make_norm(kind, 8)).__name__ for kind in NORMS] == [
        "BatchNorm2d",
        "FrozenBatchNorm",
        "GroupNorm",
    ]
    with pytest.raises(ValueError, match="batch, frozen, group, got 'layer'"):
        make_norm("layer", 8)
