"""Maps from the gradient of a score with respect to the pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from tapetum.base.errors import TapetumError
from tapetum.explain.method import Method
from tapetum.structures import Model, Target

_NOISE = 0.15
_SAMPLES = 16
_STEPS = 32


def saliency(model: Model, image: Tensor, target: Target) -> Tensor:
    """(H, W): the largest absolute gradient over RGB (Simonyan et al. 2014, section 3).

    Of the score itself, a logit: a probability would also rise when other classes fall.
    """
    return pixel_gradient(model, image, target).abs().amax(dim=0)


def input_times_gradient(model: Model, image: Tensor, target: Target) -> Tensor:
    """(H, W): |image x gradient| summed over RGB (Shrikumar et al. 2016)."""
    return (image * pixel_gradient(model, image, target)).sum(dim=0).abs()


def smooth_grad(model: Model, image: Tensor, target: Target, generator: torch.Generator) -> Tensor:
    """(H, W): saliency averaged over 16 copies with 15 % noise (Smilkov et al. 2017).

    The noise is measured against the image's range of values; its effect on the map is that
    single pixels, whose gradients change with every small shift, average out.
    """
    spread = _NOISE * float(image.max() - image.min())
    total = torch.zeros_like(image[0])  # (H, W)
    for _ in range(_SAMPLES):
        noise = torch.randn(image.shape, generator=generator).to(image)
        total += saliency(model, image + spread * noise, target)
    return total / _SAMPLES


def integrated_gradients(model: Model, image: Tensor, target: Target) -> Tensor:
    """(H, W): |attribution| summed over RGB (Sundararajan et al. 2017), from a black image.

    The integral from black to the image is a midpoint sum of 32 steps. Before the absolute
    value, the attributions add up to score(image) - score(black), up to the sum's error.
    """
    return integrated_attribution(model, image, target).sum(dim=0).abs()


def integrated_attribution(
    model: Model, image: Tensor, target: Target, steps: int = _STEPS
) -> Tensor:
    """(3, H, W) signed attributions of integrated gradients, from a black image."""
    total = torch.zeros_like(image)
    for step in range(steps):
        total += pixel_gradient(model, image * ((step + 0.5) / steps), target)
    return image * total / steps


def pixel_gradient(model: Model, image: Tensor, target: Target) -> Tensor:
    """(3, H, W): the gradient of the summed scores of `target` with respect to `image`."""
    pixels = image.detach().clone().requires_grad_(True)
    total = total_score(model, pixels, target)
    gradient = None
    if total.requires_grad:
        (gradient,) = torch.autograd.grad(total, [pixels], allow_unused=True)
    if gradient is None:
        raise TapetumError(
            "the logit does not depend on the pixels", hint="target_logits may detach the graph"
        )
    return gradient


def total_score(model: Model, image: Tensor, target: Target) -> Tensor:
    """The scores of all objects in `target`, summed; () .

    Raises:
        ValueError: the model scores nothing, as for a target without objects.
    """
    scores = model.target_logits([image], [target])
    if scores.ndim != 1 or len(scores) == 0:
        raise ValueError(
            f"target_logits: expected (N,) with N of 1 or more, got {tuple(scores.shape)}"
        )
    return scores.sum()


_NEEDS = frozenset({"gradient"})
METHODS = {
    "saliency": Method(saliency, _NEEDS, "Simonyan et al. 2014"),
    "input-x-gradient": Method(input_times_gradient, _NEEDS, "Shrikumar et al. 2016"),
    "integrated-gradients": Method(integrated_gradients, _NEEDS, "Sundararajan et al. 2017"),
    "smooth-grad": Method(smooth_grad, _NEEDS | {"noise"}, "Smilkov et al. 2017"),
}
