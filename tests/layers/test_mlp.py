from __future__ import annotations

import torch
from torch.nn import functional as F

from tapetum.base.seeds import image_generators
from tapetum.layers.mlp import MLP


def test_it_is_two_linear_layers_with_a_gelu_between() -> None:
    mlp, x = MLP(6, 10), torch.randn(2, 3, 6)
    expected = F.linear(F.gelu(F.linear(x, mlp.fc1.weight)), mlp.fc2.weight)
    torch.testing.assert_close(mlp(x), expected, atol=1e-4, rtol=0)  # fresh biases are next to 0


def test_dropout_is_twofold() -> None:
    mlp, x = MLP(6, 400, dropout=0.5), torch.randn(1, 50, 6)
    found = mlp(x, image_generators(0, len(x)))
    assert (found == 0).float().mean().item() > 0.3  # of what comes out
    kept = found != 0
    assert not torch.allclose(found[kept], 2 * mlp(x)[kept], rtol=0.01)  # and of what is inside
