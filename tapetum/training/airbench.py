"""How the network airbench is trained: Muon for its kernels, fast SGD for all else.

Jordan's record code (github.com/KellerJordan/cifar10-airbench, airbench94_muon.py). A norm follows
every convolution, so the scale of a kernel means nothing: it is set before every step, and the rate
is the share of it that a step moves. The gradients of shifts and head are tiny beside their
weights, hence the large rates; for other networks these are far too large.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tapetum.training.muon import orthogonalize

KERNEL_MOMENTUM = 0.6
MOMENTUM = 0.85
"""Nesterov's, both."""

SHIFTS = 0.053 / 0.24
HEAD = 0.67 / 0.24 * (9 / 256) ** 2
"""Rates for each image of a step, as multiples of that of the kernels. There, losses are summed,
and logits divided by 256, where ours are means, and divided by 9."""
DECAYED = 2000
"""Images of a step for which the weight decay is meant."""


def airbench_groups(
    trainable: Sequence[nn.Parameter], decay: float, batch_size: int
) -> list[dict[str, Any]]:
    """Kernels, the head, and shifts with their rates; all of them but kernels decay."""
    shifts, head = SHIFTS * batch_size, HEAD * batch_size
    kinds = (
        {"params": [p for p in trainable if p.ndim > 2], "times": 1.0, "orthogonal": True},
        {"params": [p for p in trainable if p.ndim == 2], "times": head, "orthogonal": False},
        {"params": [p for p in trainable if p.ndim < 2], "times": shifts, "orthogonal": False},
    )
    return [{"weight_decay": decay * batch_size / DECAYED, **kind} for kind in kinds]


class AirbenchOptimizer(torch.optim.Optimizer):
    """groups: as `airbench_groups` makes them. lr: of the kernels; 0.24 there.

    weight_decay: of shifts and head, as a share of lr: a step of lr on DECAYED images takes
    lr * weight_decay of them, and momentum about seven times that. 1/60 there.
    """

    def __init__(self, groups: Sequence[dict[str, Any]], lr: float) -> None:
        super().__init__(groups, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Follow the gradients once; a closure is not supported, and refused."""
        if closure is not None:
            raise ValueError("closure: not supported")
        for group in self.param_groups:
            follow = _follow_kernel if group["orthogonal"] else _follow
            for parameter in group["params"]:
                if parameter.grad is not None:
                    follow(parameter, parameter.grad, self.state[parameter], group)


def _follow_kernel(
    kernel: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]
) -> None:
    """One step of a kernel (O, I, h, w), which first gets the norm of O unit filters."""
    ahead = _ahead(gradient, state, KERNEL_MOMENTUM)
    update = orthogonalize(ahead.reshape(len(ahead), -1)).reshape(kernel.shape)
    kernel.mul_(len(kernel) ** 0.5 / kernel.norm())
    kernel.add_(update.to(kernel.dtype), alpha=-group["lr"])


def _follow(weight: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    """One step of SGD with Nesterov's momentum; the decay is part of the gradient."""
    pull = gradient.add(weight, alpha=group["weight_decay"] / group["times"])
    weight.sub_(_ahead(pull, state, MOMENTUM), alpha=group["lr"] * group["times"])


def _ahead(gradient: Tensor, state: dict[str, Any], momentum: float) -> Tensor:
    """Where Nesterov's momentum points."""
    if "momentum" not in state:
        state["momentum"] = torch.zeros_like(gradient)
    average = state["momentum"].mul_(momentum).add_(gradient)
    return gradient.add(average, alpha=momentum)
