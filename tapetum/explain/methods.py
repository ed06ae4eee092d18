"""One function from a model, an image and an object in it to a heat map."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor

from tapetum.base.errors import UsageError
from tapetum.base.seeds import generator as make_generator
from tapetum.base.seeds import undisturbed
from tapetum.explain import cam, gradients, perturbation
from tapetum.explain.method import Method
from tapetum.structures import ExplainLayer, Model, Target

AUTO = "auto"

METHODS: dict[str, Method] = {**cam.METHODS, **gradients.METHODS, **perturbation.METHODS}
"""All explanation methods, by name. One more file of methods is one more entry here."""

PIXELS_AT_ONCE = 2**20
"""Prepared pixels of all images that a method scores at once, and at most so many images: a
detector's maps of an image take hundreds of megabytes."""
IMAGES_AT_ONCE = 64
RESNET_LAYERS = {f"layer{n}": f"c{n + 1}" for n in range(1, 5)}
"""What torchvision and timm call the stages of a ResNet: C2 to C5 of the FPN paper."""


def explain(
    model: Model,
    image: Tensor,
    target: Target,
    method: str = AUTO,
    layer: str | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Compute which pixels raise the logits of `target`.

    The model, its gradients, its hooks and the random state stay as they were, also after an error.

    Args:
        model: any model.
        image: (3, H, W) uint8 or float in [0, 1].
        target: what to explain, normally one object, one label, or the pixels of one class.
        method: one of METHODS; those that need a layer explain it, the others the pixels. "auto":
            `method_for` the target.
        layer: one of `model.explain_layers()`, by default its first; for methods that need one.
        generator: a CPU generator for the noise of smooth-grad, by default a fixed one.

    Returns:
        (H, W) float in [0, 1] in the frame of `image` and on its device, its largest value 1; all
        zero where no pixel raises the logits.

    Raises:
        UsageError: an unknown method or layer, a layer for a method that takes none, or a method
            that needs what this model does not have.
        TapetumError: the model's logits do not depend on the image or the layer.
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
        heat = function(model, pixels, _detached(target, device), **given)
        return to_unit(heat.detach()).to(image.device)


def method_for(target: Target, model: Model) -> str:
    """Choose the method that explains such a target best, of those that the model can serve.

    The logit of an object is read at its own place in the maps: its gradient averaged over all
    places, as Grad-CAM takes it, says little of it, and HiResCAM does not average (Draelos and
    Carin 2020, "Use HiResCAM instead of Grad-CAM"). Without a layer the pixels are explained, and
    without a gradient what happens when they are hidden.

    Args:
        target: what is to be explained.
        model: the model whose prediction it is.

    Returns:
        A name in METHODS.
    """
    best = "grad-cam" if target.objects is None else "hires-cam"
    return next(name for name in (best, "saliency", "occlusion") if not _missing(model, name))


def check_names(method: str, layer: str | None) -> None:
    """Check a choice as far as possible without the model.

    Raises:
        UsageError: an unknown method, or a layer for one that takes none.
    """
    if method not in (AUTO, *METHODS):
        raise UsageError(f"unknown method {method!r}", hint="auto or one of " + ", ".join(METHODS))
    if layer is not None and method != AUTO and "layer" not in METHODS[method].needs:
        hint = "layers are for " + ", ".join(n for n, m in METHODS.items() if "layer" in m.needs)
        raise UsageError(f"{method} explains the pixels and takes no layer", hint=hint)


def check_method(model: Model, method: str, layer: str | None) -> None:
    """Check that the model supports a method and a layer.

    Raises:
        UsageError: as for `check_names`; an unknown layer; or the method needs what the model
            lacks. The hint lists the methods that the model supports.
    """
    check_names(method, layer)
    missing = [] if method == AUTO else _missing(model, method)
    if missing:
        able = [name for name in METHODS if not _missing(model, name)]
        why = f"{method} needs {' and '.join(missing)}, which this model does not have"
        raise UsageError(why, hint="auto or one of " + ", ".join(able))
    if layer is not None:
        find_layer(model, layer)


def find_layer(model: Model, name: str | None) -> ExplainLayer:
    """The layer of that name, or the model's best one.

    Raises:
        UsageError: no such layer; the hint lists the model's layers.
    """
    layers = model.explain_layers()
    if not layers:
        raise UsageError("this model has no layer to explain", hint="use saliency or occlusion")
    if name is None:
        return next(iter(layers.values()))
    if name not in layers:
        raise UsageError(f"unknown layer {name!r}", option="layer", hint=_layers_hint(name, layers))
    return layers[name]


def _layers_hint(name: str, layers: Mapping[str, ExplainLayer]) -> str:
    """The layer that is probably meant, if any, and all of them, the best one first."""
    listed = f"one of {', '.join(layers)}"
    if RESNET_LAYERS.get(name) in layers:
        return f"ResNet's {name} is {RESNET_LAYERS[name]}; {listed}"
    close = get_close_matches(name, layers, n=1)
    return f"did you mean {close[0]}? {listed}" if close else listed


def to_unit(heat: Tensor) -> Tensor:
    """A map that is not negative, scaled so that its largest value is 1 (all zero stays so)."""
    top = heat.max()
    return heat / top if top > 0 else torch.zeros_like(heat)


def _missing(model: Model, method: str) -> list[str]:
    """What the method needs and the model lacks, as a text."""
    has = {
        "gradient": (model.differentiable, "a score that can be differentiated"),
        "layer": (bool(model.explain_layers()), "a layer to explain"),
    }
    needed = (has[need] for need in sorted(METHODS[method].needs) if need in has)
    return [text for supported, text in needed if not supported]


def _batch_size(model: Model, image: Tensor) -> int:
    """Copies of the image that one forward pass may take."""
    prepared = model.preprocess([image]).pixels.shape[-2:].numel()
    return max(1, min(IMAGES_AT_ONCE, PIXELS_AT_ONCE // prepared))


@contextmanager
def _ready(model: Model, device: torch.device, graph: bool) -> Iterator[None]:
    """Gradients on or off, whatever the caller switched, and the model guarded."""
    # Gradients in half precision vanish before they reach the image.
    exact = torch.autocast(device.type, enabled=False)
    with undisturbed(model), torch.inference_mode(False), torch.set_grad_enabled(graph), exact:
        yield


def _as_float(image: Tensor, model: Model) -> Tensor:
    """A copy in [0, 1], in the precision of the model's weights."""
    if image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(f"image: expected (3, H, W), got {tuple(image.shape)}")
    weight = _weight_of(model)
    dtype = weight.dtype if weight is not None else torch.float32
    scale = 1.0 if image.is_floating_point() else 255.0
    return image.detach().clone().to(dtype) / scale


def _weight_of(model: Model) -> Tensor | None:
    return next((p for p in model.parameters() if p.is_floating_point()), None)


def _device_of(model: Model) -> torch.device | None:
    weight = _weight_of(model)
    return None if weight is None else weight.device


def _detached(target: Target, device: torch.device) -> Target:
    """A plain copy on `device`: a graph may not save what inference mode made, but a copy of it."""
    plain = Target(target.labels, target.objects, target.semantic)
    return plain.map(lambda values: values.detach().clone().to(device))
