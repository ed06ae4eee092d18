"""Self-attention, and the block of a transformer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.layers.dropout import dropout
from tapetum.layers.mlp import MLP


class SelfAttention(nn.Module):
    """Every token gathers from all tokens what resembles what it looks for (B, N, width).

    Vaswani et al. 2017, section 3.2: softmax(Q K^T / sqrt(d)) V, in `heads` parts of the width
    side by side, and a linear layer over the parts.

    Raises:
        ValueError: `heads` does not divide `width`.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise ValueError(f"heads: expected a divisor of the width {width}, got {heads}")
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.qkv(x).unflatten(2, (3, self.heads, -1))  # (B, N, 3, heads, d)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # (B, heads, N, d) each
        found = F.scaled_dot_product_attention(query, key, value)  # (B, heads, N, d)
        return self.out(found.transpose(1, 2).flatten(2))  # (B, N, width)


class Block(nn.Module):
    """Attention, then the MLP, each on normalised tokens and added to what was there.

    Norms before the layers, not after the sums as in Vaswani et al.: the sums stay a straight path
    for the gradient (Xiong et al. 2020), and no warm-up of the learning rate is needed.
    """

    def __init__(self, width: int, heads: int, mlp: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attention = SelfAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = MLP(width, mlp, dropout)

    def forward(self, x: Tensor, generators: Sequence[torch.Generator] | None = None) -> Tensor:
        x = x + dropout(self.attention(self.norm1(x)), self.dropout, generators)
        return x + self.mlp(self.norm2(x), generators)
