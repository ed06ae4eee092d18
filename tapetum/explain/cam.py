"""Maps from a layer inside the model: where it fires, weighted by what the score wants of it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from tapetum.base.errors import TapetumError
from tapetum.explain.capture import captured, map_and_gradient
from tapetum.explain.gradients import total_score
from tapetum.explain.method import Method
from tapetum.structures import ExplainLayer, Model, Target


def grad_cam(model: Model, image: Tensor, target: Target, layer: ExplainLayer) -> Tensor:
    """(H, W): Grad-CAM (Selvaraju et al. 2017, equations 1 and 2).

    Channels weighted by their mean gradient, summed, negative parts cut. The weights do not know
    where the gradient came from: of two equal objects in the image, both light up.
    """
    activation, gradient = layer_gradient(model, image, target, layer)
    weights = gradient.mean(dim=(2, 3), keepdim=True)  # (1, C, 1, 1)
    cam = (weights * activation).sum(dim=1, keepdim=True).relu()  # (1, 1, h, w)
    return in_image_frame(model, image, cam)


def hires_cam(model: Model, image: Tensor, target: Target, layer: ExplainLayer) -> Tensor:
    """(H, W): HiResCAM (Draelos and Carin 2020), negative parts cut as in Grad-CAM.

    As Grad-CAM, with each cell weighted by its own gradient: of two equal objects, only the one
    that the score belongs to lights up.
    """
    activation, gradient = layer_gradient(model, image, target, layer)
    cam = (gradient * activation).sum(dim=1, keepdim=True).relu()  # (1, 1, h, w)
    return in_image_frame(model, image, cam)


def layer_gradient(
    model: Model, image: Tensor, target: Target, layer: ExplainLayer
) -> tuple[Tensor, Tensor]:
    """The map of `layer` and the gradient of the score on it, each (1, C, h, w).

    Raises:
        TapetumError: the score does not depend on the layer.
        ValueError: the layer's function does not give (1, C, h, w).
    """
    # The pixels need a gradient even here: with frozen weights there would be no graph at all.
    pixels = image.detach().clone().requires_grad_(True)
    with captured(layer[0]) as calls:
        score = total_score(model, pixels, target)
    found = map_and_gradient(score, calls, layer)
    if found is None:
        raise TapetumError("the logit does not depend on this layer", hint="choose another layer")
    if found[0].ndim != 4 or len(found[0]) != 1:
        raise ValueError(f"layer: expected a map (1, C, h, w), got {tuple(found[0].shape)}")
    return found


def in_image_frame(model: Model, image: Tensor, cam: Tensor) -> Tensor:
    """A map (1, 1, h, w) of the prepared image as (H, W) in the frame of the original one.

    Enlarged to the prepared image, the padding at the right and the bottom cut away, and the
    rest resized to the original, or to the window of it that the model was shown: what was cut off
    has no heat. A map cell covers an equal share of the padded image.
    """
    with torch.no_grad():
        batch = model.preprocess([image])
    height, width = batch.sizes[0].tolist()
    padded = F.interpolate(
        cam, tuple(batch.pixels.shape[-2:]), mode="bilinear", align_corners=False
    )
    content = padded[:, :, :height, :width]  # (1, 1, height, width)
    if batch.windows is not None:
        return in_window(content[0, 0], batch.windows[0].tolist(), image.shape[-2:])
    resized = F.interpolate(content, tuple(image.shape[-2:]), mode="bilinear", align_corners=False)
    return resized[0, 0]  # (H, W)


def in_window(content: Tensor, window: Sequence[float], size: Sequence[int]) -> Tensor:
    """A map (h, w) laid over the window x1 y1 x2 y2 of an image of `size` (height, width); (H, W).

    Bilinear as everywhere; 0 at the pixels whose middle lies outside.
    """
    left, top, right, bottom = window
    rows = _linear(content, content.shape[0], size[0], top, bottom)  # (H, h)
    columns = _linear(content, content.shape[1], size[1], left, right)  # (W, w)
    return rows @ content @ columns.T


def _linear(like: Tensor, cells: int, pixels: int, start: float, stop: float) -> Tensor:
    """(pixels, cells): how much of each cell between `start` and `stop` a pixel's middle takes."""
    middle = torch.arange(pixels, device=like.device, dtype=like.dtype) + 0.5
    inside = (middle > start) & (middle < stop)
    at = ((middle - start) / (stop - start) * cells - 0.5).clamp(0, cells - 1)
    far = (at[:, None] - torch.arange(cells, device=like.device, dtype=like.dtype)).abs()
    return (1 - far).clamp(min=0) * inside[:, None]


_NEEDS = frozenset({"gradient", "layer"})
METHODS = {
    "grad-cam": Method(grad_cam, _NEEDS, "Selvaraju et al. 2017"),
    "hires-cam": Method(hires_cam, _NEEDS, "Draelos and Carin 2020"),
}
