"""One function from a model, a picture and a thing in it to a heat map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from tapetum.base.errors import TapetumError, UsageError
from tapetum.base.runtime import generator as make_generator
from tapetum.base.runtime import undisturbed
from tapetum.explain.cam import grad_cam, hires_cam
from tapetum.explain.capture import Layer
from tapetum.explain.gradients import (
    input_times_gradient,
    integrated_gradients,
    saliency,
    smooth_grad,
)
from tapetum.explain.targets import owned
from tapetum.structures import Model, Target

Method = Callable[..., Tensor]

PIXEL_METHODS: dict[str, Method] = {
    "saliency": saliency,
    "input-x-gradient": input_times_gradient,
    "integrated-gradients": integrated_gradients,
}
NOISE_METHODS: dict[str, Method] = {"smooth-grad": smooth_grad}
LAYER_METHODS: dict[str, Method] = {"grad-cam": grad_cam, "hires-cam": hires_cam}

AUTO = "auto"

METHODS: dict[str, Method] = {**LAYER_METHODS, **PIXEL_METHODS, **NOISE_METHODS}
"""Name -> function (model, picture, target, ...) -> (H, W) map of any scale, not negative."""


def explain(
    model: Model,
    picture: Tensor,
    target: Target,
    method: str = AUTO,
    layer: str | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Which pixels make `model` believe in the things of `target` (normally one)?

    picture: (3, H, W) uint8 or float in [0, 1].
    method: one of METHODS; the gradient ones explain the pixels, the "cam" ones a layer. "auto":
        `method_for` the target.
    layer: one of `model.explain_layers()`, by default its first; for the "cam" methods only.
    generator: a CPU generator for smooth-grad's noise, by default a fixed one.

    Returns (H, W) float in [0, 1] in the frame of `picture` and on its device, the hottest pixel
    1; all zero where nothing speaks for the things. The model, its gradients, its hooks and the
    random state stay as they were, also after an error.

    Raises:
        UsageError: an unknown method or layer, or a layer for a method that takes none.
        TapetumError: the model's score cannot be differentiated, or depends on nothing here.
    """
    method = method_for(target) if method == AUTO else method
    _check(model, method, layer)
    device = _device_of(model) or picture.device
    with _ready(model, device):
        pixels = _as_float(picture, model).to(device)
        aim = owned(target, device)
        if method in LAYER_METHODS:
            heat = LAYER_METHODS[method](model, pixels, aim, find_layer(model, layer))
        elif method in NOISE_METHODS:
            random = generator or make_generator(0, "explain", method)
            heat = NOISE_METHODS[method](model, pixels, aim, random)
        else:
            heat = PIXEL_METHODS[method](model, pixels, aim)
        return to_unit(heat.detach()).to(picture.device)


def method_for(target: Target) -> str:
    """What explains such a thing best.

    The score of an object is read at its own place in the maps: its gradient averaged over all
    places, as Grad-CAM takes it, says little of it, and HiResCAM does not average (Draelos and
    Carin 2020, "Use HiResCAM instead of Grad-CAM").
    """
    return "grad-cam" if target.objects is None else "hires-cam"


def find_layer(model: Model, name: str | None) -> Layer:
    """The layer of that name, or the model's best one.

    Raises:
        UsageError: no such layer; the hint lists those there are.
    """
    layers = model.explain_layers()
    if not layers:
        raise TapetumError("this model names no layer to explain", hint="use saliency")
    if name is None:
        return next(iter(layers.values()))
    if name not in layers:
        raise UsageError(f"unknown layer {name!r}", hint="one of " + ", ".join(layers))
    return layers[name]


def to_unit(heat: Tensor) -> Tensor:
    """A map that is not negative, scaled so that its largest value is 1 (all zero stays so)."""
    top = heat.max()
    return heat / top if top > 0 else torch.zeros_like(heat)


def _check(model: Model, method: str, layer: str | None) -> None:
    if method not in METHODS:
        raise UsageError(f"unknown method {method!r}", hint="auto or one of " + ", ".join(METHODS))
    if layer is not None and method not in LAYER_METHODS:
        hint = "layers are for " + ", ".join(LAYER_METHODS)
        raise UsageError(f"{method} explains the pixels and takes no layer", hint=hint)
    if not model.differentiable:
        raise TapetumError(
            f"{method} needs a score that can be differentiated; this model's cannot"
        )


@contextmanager
def _ready(model: Model, device: torch.device) -> Iterator[None]:
    """Gradients on, whatever the caller switched off, and the model guarded."""
    with ExitStack() as stack:
        if isinstance(model, nn.Module):
            stack.enter_context(undisturbed(model))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        # Gradients in half precision vanish before they reach the picture.
        stack.enter_context(torch.autocast(device.type, enabled=False))
        yield


def _as_float(picture: Tensor, model: Model) -> Tensor:
    """A copy in [0, 1], in the precision of the model's weights."""
    if picture.ndim != 3 or picture.shape[0] != 3:
        raise ValueError(f"picture: expected (3, H, W), got {tuple(picture.shape)}")
    weight = _weight_of(model)
    kind = weight.dtype if weight is not None else torch.float32
    scale = 1.0 if picture.is_floating_point() else 255.0
    return picture.detach().clone().to(kind) / scale


def _weight_of(model: Model) -> Tensor | None:
    parameters = model.parameters() if isinstance(model, nn.Module) else iter(())
    return next((p for p in parameters if p.is_floating_point()), None)


def _device_of(model: Model) -> torch.device | None:
    weight = _weight_of(model)
    return None if weight is None else weight.device
