from __future__ import annotations

import pytest
import torch
from torch import nn

from tapetum.base.seeds import generator, image_generators
from tapetum.layers.attention import Block, SelfAttention
from tapetum.layers.dropout import check_dropout, dropout


def test_attention_is_that_of_pytorch() -> None:
    own = SelfAttention(24, heads=4).double()
    other = nn.MultiheadAttention(24, 4, batch_first=True).double()
    names = {"qkv.weight": "in_proj_weight", "qkv.bias": "in_proj_bias"}
    names |= {f"out.{kind}": f"out_proj.{kind}" for kind in ("weight", "bias")}
    for value in own.parameters():
        nn.init.normal_(value)
    other.load_state_dict({names[key]: value for key, value in own.state_dict().items()})
    x = torch.randn(3, 7, 24, dtype=torch.float64)
    torch.testing.assert_close(own(x), other(x, x, x, need_weights=False)[0])


def test_a_block_does_not_care_for_the_order_of_tokens() -> None:
    block, x = Block(16, 2, 32).eval(), torch.randn(2, 9, 16)
    order = torch.randperm(9, generator=generator(0))
    torch.testing.assert_close(block(x)[:, order], block(x[:, order]))


def test_a_block_whose_layers_say_nothing_passes_its_input() -> None:
    block, x = Block(16, 2, 32), torch.randn(2, 5, 16)
    for layer in (block.attention.out, block.mlp.fc2):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    torch.testing.assert_close(block(x), x)


def test_dropout_keeps_the_mean_and_is_a_function_of_the_generators() -> None:
    x = torch.ones(200, 300)
    state = torch.random.get_rng_state()
    first, second = (dropout(x, 0.25, image_generators(3, len(x))) for _ in range(2))
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(first, second)
    assert sorted(first.unique().tolist()) == pytest.approx([0, 4 / 3])
    assert first.mean().item() == pytest.approx(1, abs=0.02)
    assert dropout(x, 0.25, None) is x
    assert dropout(x, 0.0, image_generators(3, len(x))) is x


def test_all_or_a_negative_share_cannot_be_dropped() -> None:
    for share in (-0.1, 1.0):
        with pytest.raises(ValueError, match="dropout"):
            check_dropout(share)
