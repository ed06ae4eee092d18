"""The gradients of many processes, averaged in one exchange a step."""

from __future__ import annotations

import torch
from torch import nn

from tapetum.base.ranks import average_over_ranks, ranks


@torch.no_grad()
def average_gradients(model: nn.Module, losses: dict[str, float]) -> dict[str, float]:
    """Replace each gradient by its mean over all processes; returns the mean losses.

    A parameter without a gradient in one process counts as 0 there; without one in all of them it
    keeps none, and the optimizer leaves it alone.
    """
    if ranks().world_size == 1:
        return losses
    trainable = [p for p in model.parameters() if p.requires_grad]
    gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in trainable]
    has_gradient = gradients[0].new_tensor([float(p.grad is not None) for p in trainable])
    values = gradients[0].new_tensor(list(losses.values()))
    flat = torch.cat([*(g.reshape(-1) for g in gradients), has_gradient, values])
    average_over_ranks(flat)
    sizes = [*(len(g.reshape(-1)) for g in gradients), len(has_gradient), len(values)]
    *means, has_gradient, values = flat.split(sizes)
    for parameter, gradient, mean, has in zip(
        trainable, gradients, means, has_gradient.tolist(), strict=True
    ):
        if has > 0:
            parameter.grad = gradient.copy_(mean.view_as(gradient))
    return dict(zip(losses, values.tolist(), strict=True))
