"""Dropout whose chance is passed in."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def dropout(x: Tensor, p: float, generators: Sequence[torch.Generator] | None) -> Tensor:
    """Each value is 0 with probability `p`, else 1 / (1 - p) times itself (Srivastava et al. 2014).

    Without generators nothing happens: a model drops while it learns, and then it is given them.
    `nn.Dropout` draws from the global state and depends on the mode of the module; here the same
    generators give the same answer in either mode.

    Args:
        x: (B, ...).
        p: in [0, 1).
        generators: B, one an image, on the device of `x`.

    Returns:
        (B, ...), as `x`.
    """
    if generators is None or p == 0:
        return x
    rows = zip(x, generators, strict=True)
    chance = torch.stack([torch.rand(row.shape, generator=g, device=g.device) for row, g in rows])
    return x * (chance >= p).to(x.device, x.dtype) / (1 - p)


def check_dropout(p: float) -> None:
    """Check a probability of dropout.

    Args:
        p: the probability.

    Raises:
        ValueError: `p` is not in [0, 1).
    """
    if not 0 <= p < 1:
        raise ValueError(f"dropout: expected a value in [0, 1), got {p}")
