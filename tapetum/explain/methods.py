"""One function from a model, an image and an object in it to a heat map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tapetum.base.errors import UsageError
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
from tapetum.explain.perturbation import occlusion
from tapetum.explain.targets import owned
from tapetum.structures import Model, Target


@dataclass(frozen=True)
class Method:
    """One way to explain: a row of METHODS.

    function: (model, image, target, and what `needs` names) -> a map (H, W) of any scale, not
        negative.
    needs: any of
        "gradient": a score that can be differentiated; without it, the function runs without graph
        "layer": `layer`, one of the model's `explain_layers()`
        "noise": `generator`, its only source of chance
        "forwards": many forward passes, of `batch_size` images at once
    paper: where the method is from.
    """

    function: Callable[..., Tensor]
    needs: frozenset[str]
    paper: str


AUTO = "auto"

METHODS: dict[str, Method] = {
    "grad-cam": Method(grad_cam, frozenset({"gradient", "layer"}), "Selvaraju et al. 2017"),
    "hires-cam": Method(hires_cam, frozenset({"gradient", "layer"}), "Draelos and Carin 2020"),
    "saliency": Method(saliency, frozenset({"gradient"}), "Simonyan et al. 2014"),
    "input-x-gradient": Method(
        input_times_gradient, frozenset({"gradient"}), "Shrikumar et al. 2016"
    ),
    "integrated-gradients": Method(
        integrated_gradients, frozenset({"gradient"}), "Sundararajan et al. 2017"
    ),
    "smooth-grad": Method(smooth_grad, frozenset({"gradient", "noise"}), "Smilkov et al. 2017"),
    "occlusion": Method(occlusion, frozenset({"forwards"}), "Zeiler and Fergus 2014"),
}

PIXELS_AT_ONCE = 2**20
"""Prepared pixels of all images that a method scores at once, and at most so many images: a
detector's maps of an image take hundreds of megabytes."""
IMAGES_AT_ONCE = 64


def explain(
    model: Model,
    image: Tensor,
    target: Target,
    method: str = AUTO,
    layer: str | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Which pixels make `model` believe in the objects of `target` (normally one)?

    image: (3, H, W) uint8 or float in [0, 1].
    method: one of METHODS; those that need a layer explain it, the others the pixels. "auto":
        `method_for` the target.
    layer: one of `model.explain_layers()`, by default its first; for methods that need one only.
    generator: a CPU generator for the noise of smooth-grad, by default a fixed one.

    Returns (H, W) float in [0, 1] in the frame of `image` and on its device, the hottest pixel
    1; all zero where nothing speaks for the objects. The model, its gradients, its hooks and the
    random state stay as they were, also after an error.

    Raises:
        UsageError: an unknown method or layer, a layer for a method that takes none, or a method
            that needs what this model has not.
        TapetumError: the model's score depends on nothing here.
    """
    method = method_for(target, model) if method == AUTO else method
    check_method(model, method, layer)
    function, needs = METHODS[method].function, METHODS[method].needs
    device = _device_of(model) or image.device
    with _ready(model, device, graph="gradient" in needs):
        pixels = _as_float(image, model).to(device)
        offers: dict[str, tuple[str, Callable[[], Any]]] = {
            "layer": ("layer", lambda: find_layer(model, layer)),
            "noise": ("generator", lambda: generator or make_generator(0, "explain", method)),
            "forwards": ("batch_size", lambda: _batch_size(model, pixels)),
        }
        given = {name: make() for need, (name, make) in offers.items() if need in needs}
        heat = function(model, pixels, owned(target, device), **given)
        return to_unit(heat.detach()).to(image.device)


def method_for(target: Target, model: Model) -> str:
    """What explains such an object best, of what this model can answer.

    The score of an object is read at its own place in the maps: its gradient averaged over all
    places, as Grad-CAM takes it, says little of it, and HiResCAM does not average (Draelos and
    Carin 2020, "Use HiResCAM instead of Grad-CAM"). Without a layer the pixels are explained, and
    without a gradient what happens when they are hidden.
    """
    best = "grad-cam" if target.objects is None else "hires-cam"
    return next(name for name in (best, "saliency", "occlusion") if not _missing(model, name))


def check_words(method: str, layer: str | None) -> None:
    """What can be said of a choice before there is a model.

    Raises:
        UsageError: an unknown method, or a layer for one that takes none.
    """
    if method not in (AUTO, *METHODS):
        raise UsageError(f"unknown method {method!r}", hint="auto or one of " + ", ".join(METHODS))
    if layer is not None and method != AUTO and "layer" not in METHODS[method].needs:
        hint = "layers are for " + ", ".join(n for n, m in METHODS.items() if "layer" in m.needs)
        raise UsageError(f"{method} explains the pixels and takes no layer", hint=hint)


def check_method(model: Model, method: str, layer: str | None) -> None:
    """Can this model be explained so?

    Raises:
        UsageError: as for `check_words`; an unknown layer; or the method needs what the model has
            not. The hint lists what can be had.
    """
    check_words(method, layer)
    missing = [] if method == AUTO else _missing(model, method)
    if missing:
        able = [name for name in METHODS if not _missing(model, name)]
        why = f"{method} needs {' and '.join(missing)}, which this model does not have"
        raise UsageError(why, hint="auto or one of " + ", ".join(able))
    if layer is not None:
        find_layer(model, layer)


def find_layer(model: Model, name: str | None) -> Layer:
    """The layer of that name, or the model's best one.

    Raises:
        UsageError: no such layer; the hint lists those there are.
    """
    layers = model.explain_layers()
    if not layers:
        raise UsageError("this model names no layer to explain", hint="use saliency or occlusion")
    if name is None:
        return next(iter(layers.values()))
    if name not in layers:
        raise UsageError(f"unknown layer {name!r}", hint="one of " + ", ".join(layers))
    return layers[name]


def to_unit(heat: Tensor) -> Tensor:
    """A map that is not negative, scaled so that its largest value is 1 (all zero stays so)."""
    top = heat.max()
    return heat / top if top > 0 else torch.zeros_like(heat)


def _missing(model: Model, method: str) -> list[str]:
    """What the method needs and the model has not, in words."""
    has = {
        "gradient": (model.differentiable, "a score that can be differentiated"),
        "layer": (bool(model.explain_layers()), "a layer to look into"),
    }
    needed = (has[need] for need in sorted(METHODS[method].needs) if need in has)
    return [words for there, words in needed if not there]


def _batch_size(model: Model, image: Tensor) -> int:
    """Copies of the image that one forward pass may take."""
    prepared = model.preprocess([image]).pixels.shape[-2:].numel()
    return max(1, min(IMAGES_AT_ONCE, PIXELS_AT_ONCE // prepared))


@contextmanager
def _ready(model: Model, device: torch.device, graph: bool) -> Iterator[None]:
    """Gradients on or off, whatever the caller switched, and the model guarded."""
    with ExitStack() as stack:
        if isinstance(model, nn.Module):
            stack.enter_context(undisturbed(model))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.set_grad_enabled(graph))
        # Gradients in half precision vanish before they reach the image.
        stack.enter_context(torch.autocast(device.type, enabled=False))
        yield


def _as_float(image: Tensor, model: Model) -> Tensor:
    """A copy in [0, 1], in the precision of the model's weights."""
    if image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(f"image: expected (3, H, W), got {tuple(image.shape)}")
    weight = _weight_of(model)
    kind = weight.dtype if weight is not None else torch.float32
    scale = 1.0 if image.is_floating_point() else 255.0
    return image.detach().clone().to(kind) / scale


def _weight_of(model: Model) -> Tensor | None:
    parameters = model.parameters() if isinstance(model, nn.Module) else iter(())
    return next((p for p in parameters if p.is_floating_point()), None)


def _device_of(model: Model) -> torch.device | None:
    weight = _weight_of(model)
    return None if weight is None else weight.device
