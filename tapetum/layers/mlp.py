"""The two linear layers of a transformer block."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tapetum.layers.dropout import dropout


class MLP(nn.Module):
    """Up to `hidden` values, GELU, and down again, for every token by itself (B, N, width).

    First weights as in torchvision's ViT: uniform by both fans (Glorot and Bengio 2010), and
    biases of next to nothing.
    """

    def __init__(self, width: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.gelu = nn.GELU()
        for layer in (self.fc1, self.fc2):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.normal_(layer.bias, std=1e-6)

    def forward(self, x: Tensor, generators: Sequence[torch.Generator] | None = None) -> Tensor:
        x = dropout(self.gelu(self.fc1(x)), self.dropout, generators)
        return dropout(self.fc2(x), self.dropout, generators)
