"""Muon: gradients of matrices made orthogonal before they are followed.

Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; the scale that makes
one learning rate and one weight decay fit these and all other weights is that of Liu et al. 2025,
"Muon is Scalable for LLM Training" (arXiv 2502.16982), section 2.2. Keeping the norm of kernels
instead is from Jordan's code for airbench (github.com/KellerJordan/cifar10-airbench).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration: they drive singular values to about one, quickly, not exactly."""
STEPS = 5
RMS = 0.2
"""Of an update's entries: what AdamW's are usually like."""
OTHERS = 1 / 4
"""The rate of all other weights, of that of kernels whose norm is kept: found on CIFAR-10 and
Fashion-MNIST, where a fortieth was worse."""


class Muon(torch.optim.Optimizer):
    """Muon for groups with "orthogonal" true, AdamW for the others.

    params: parameter groups. momentum: Nesterov's, for the first kind. betas, eps: AdamW's.
    Weight decay is decoupled in both.
    keep_norms: each kernel (O, I, h, w) has the norm of O unit filters before every step, and lr is
        the share of it that a step moves; weight decay has no meaning then, and the other weights
        follow at lr * OTHERS. For networks with a norm after every convolution, to which the scale
        of a kernel is nothing.
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        lr: float = 1e-3,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        keep_norms: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "beta1": betas[0],
            "beta2": betas[1],
            "eps": eps,
            "weight_decay": weight_decay,
            "orthogonal": False,
            "keep_norms": keep_norms,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Follow the gradients once; a closure is not supported, and refused."""
        if closure is not None:
            raise ValueError("closure: not supported")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                _follow(parameter, parameter.grad, self.state[parameter], group)


def orthogonalize(matrix: Tensor) -> Tensor:
    """(m, n): about U V^T of the singular value decomposition, by Newton and Schulz's iteration.

    Singular values end between 0.7 and 1.2, which serves as well as exactly 1. One iteration is
    x <- (a + b x x^T + c (x x^T)^2) x. All its factors are polynomials of the first x x^T and
    commute, so they are gathered as small square matrices, and x is multiplied once.
    """
    a, b, c = COEFFICIENTS
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix.float() if wide else matrix.float().T
    x = x / (x.norm() + 1e-7)
    gram = x @ x.T
    whole = identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    for _ in range(STEPS):
        factor = a * identity + b * gram + c * gram @ gram
        gram = factor @ gram @ factor
        whole = factor @ whole
    return whole @ x if wide else (whole @ x).T


def _follow(
    parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]
) -> None:
    """One step of one parameter."""
    rate = group["lr"]
    if group["orthogonal"] and group["keep_norms"]:
        parameter.mul_(len(parameter) ** 0.5 / parameter.norm())
        parameter.add_(_orthogonal_update(gradient, state, group), alpha=-rate)
        return
    rate *= OTHERS if group["keep_norms"] else 1
    parameter.mul_(1 - rate * group["weight_decay"])
    if group["orthogonal"]:
        scale = RMS * max(len(gradient), gradient[0].numel()) ** 0.5
        parameter.add_(_orthogonal_update(gradient, state, group), alpha=-rate * scale)
    else:
        parameter.add_(_adam_update(gradient, state, group), alpha=-rate)


def _orthogonal_update(gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
    if "momentum" not in state:
        state["momentum"] = torch.zeros_like(gradient)
    average = state["momentum"].mul_(group["momentum"]).add_(gradient)
    ahead = gradient.add(average, alpha=group["momentum"])
    matrix = ahead.reshape(len(ahead), -1)  # a kernel (O, I, h, w) as (O, I h w)
    return orthogonalize(matrix).reshape(gradient.shape).to(gradient.dtype)


def _adam_update(gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
    if "step" not in state:
        state["step"] = 0
        state["first"], state["second"] = (torch.zeros_like(gradient) for _ in range(2))
    state["step"] += 1
    first = state["first"].lerp_(gradient, 1 - group["beta1"])
    second = state["second"].lerp_(gradient.square(), 1 - group["beta2"])
    first = first / (1 - group["beta1"] ** state["step"])
    second = second / (1 - group["beta2"] ** state["step"])
    return first / (second.sqrt() + group["eps"])
