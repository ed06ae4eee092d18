"""Maps from the gradient of a score with respect to the pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from tapetum.base.errors import TapetumError
from tapetum.structures import Model, Target

_NOISE = 0.15
_SAMPLES = 16
_STEPS = 32


def saliency(model: Model, picture: Tensor, target: Target) -> Tensor:
    """(H, W): the largest absolute gradient over RGB (Simonyan et al. 2014, section 3).

    Of the score itself, a logit: a probability would also rise when other classes fall.
    """
    return pixel_gradient(model, picture, target).abs().amax(dim=0)


def input_times_gradient(model: Model, picture: Tensor, target: Target) -> Tensor:
    """(H, W): |picture x gradient| summed over RGB (Shrikumar et al. 2016)."""
    return (picture * pixel_gradient(model, picture, target)).sum(dim=0).abs()


def smooth_grad(
    model: Model, picture: Tensor, target: Target, generator: torch.Generator
) -> Tensor:
    """(H, W): saliency averaged over 16 copies with 15 % noise (Smilkov et al. 2017).

    The noise is measured against the picture's range of values; its effect on the map is that
    single pixels, whose gradients change with every small shift, average out.
    """
    spread = _NOISE * float(picture.max() - picture.min())
    total = torch.zeros_like(picture[0])  # (H, W)
    for _ in range(_SAMPLES):
        noise = torch.randn(picture.shape, generator=generator).to(picture)
        total += saliency(model, picture + spread * noise, target)
    return total / _SAMPLES


def integrated_gradients(model: Model, picture: Tensor, target: Target) -> Tensor:
    """(H, W): |attribution| summed over RGB (Sundararajan et al. 2017), from a black picture.

    The integral from black to the picture is a midpoint sum of 32 steps. Before the absolute
    value, the attributions add up to score(picture) - score(black), up to the sum's error.
    """
    return integrated_attribution(model, picture, target).sum(dim=0).abs()


def integrated_attribution(
    model: Model, picture: Tensor, target: Target, steps: int = _STEPS
) -> Tensor:
    """(3, H, W) signed attributions of integrated gradients, from a black picture."""
    total = torch.zeros_like(picture)
    for step in range(steps):
        total += pixel_gradient(model, picture * ((step + 0.5) / steps), target)
    return picture * total / steps


def pixel_gradient(model: Model, picture: Tensor, target: Target) -> Tensor:
    """(3, H, W): the gradient of the summed scores of `target` with respect to `picture`."""
    pixels = picture.detach().clone().requires_grad_(True)
    total = total_score(model, pixels, target)
    gradient = None
    if total.requires_grad:
        (gradient,) = torch.autograd.grad(total, [pixels], allow_unused=True)
    if gradient is None:
        raise TapetumError(
            "the score does not depend on the pixels", hint="score() may cut the graph"
        )
    return gradient


def total_score(model: Model, picture: Tensor, target: Target) -> Tensor:
    """The scores of all things in `target`, summed; () .

    Raises:
        ValueError: the model scores nothing, as for a target without things.
    """
    scores = model.score([picture], [target])
    if scores.ndim != 1 or len(scores) == 0:
        raise ValueError(f"score: expected (N,) with N of 1 or more, got {tuple(scores.shape)}")
    return scores.sum()
