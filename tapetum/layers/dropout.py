"""Dropout whose chance is passed in."""

from __future__ import annotations

import torch
from torch import Tensor


def dropout(x: Tensor, p: float, generator: torch.Generator | None) -> Tensor:
    """Each value is 0 with probability `p`, else 1 / (1 - p) times itself (Srivastava et al. 2014).

    Without a generator nothing happens: a model drops while it learns, and then it is given one.
    `nn.Dropout` draws from the global state and depends on the mode of the module; here the same
    generator gives the same answer in either mode.
    """
    if generator is None or p == 0:
        return x
    chance = torch.rand(x.shape, generator=generator, device=generator.device)
    return x * (chance >= p).to(x.device, x.dtype) / (1 - p)


def check_dropout(p: float) -> None:
    """Raise ValueError unless `p` is in [0, 1)."""
    if not 0 <= p < 1:
        raise ValueError(f"dropout: expected a value in [0, 1), got {p}")
