"""RoI Align and RoI Pool: fixed-size features of regions of any size.

Both are operators of `torch.library`, so that models which use them export and compile; the work is
done in `_roi_align.py`, `_roi_pool.py` and `_roi_entries.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from tapetum.ops._roi_align import align_backward, align_forward
from tapetum.ops._roi_layout import Grid, empty_like_input, is_channels_last
from tapetum.ops._roi_pool import pool_backward, pool_forward


def roi_align(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """RoI Align: the mean of bilinear samples in each bin of each region.

    He et al. 2017, "Mask R-CNN" (arXiv 1703.06870), section 3. The arithmetic is float32 at least.
    Differentiable with respect to `input`.

    Args:
        input: features (B, C, H, W).
        boxes: (K, 5) image index, x1, y1, x2, y2 in pixels, or one tensor (L, 4) per image.
        output_size: bins of a region: h = w, or (h, w).
        spatial_scale: cells per pixel (1 / stride).
        sampling_ratio: samples along each side of a bin; <= 0: one per cell of it, rounded up.
        aligned: shift boxes by half a cell, so that cell i covers [i, i + 1); without it (the first
            published code) a region is also at least one cell wide and high.

    Returns:
        (K, C, h, w) in the dtype and memory format of `input`. From a channels-last map,
        `.permute(0, 2, 3, 1).flatten(1)` costs nothing, `.flatten(1)` a copy.

    Raises:
        ValueError: shapes that do not fit, or a region that takes thousands of samples a bin.
    """
    rois = _regions(input, boxes)
    high, wide = (output_size, output_size) if isinstance(output_size, int) else output_size
    result: Tensor = torch.ops.tapetum.roi_align(
        input, rois, high, wide, spatial_scale, sampling_ratio, aligned
    )
    return result


def roi_pool(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
) -> Tensor:
    """RoI Pool: the maximum of each bin of each region.

    Girshick 2015, "Fast R-CNN" (arXiv 1504.08083), section 2.1. Regions are rounded to whole cells,
    the last one included. Differentiable with respect to `input`: of equal cells the first takes
    the gradient.

    Args:
        input: features (B, C, H, W).
        boxes: (K, 5) image index, x1, y1, x2, y2 in pixels, or one tensor (L, 4) per image.
        output_size: bins of a region: h = w, or (h, w).
        spatial_scale: cells per pixel (1 / stride).

    Returns:
        (K, C, h, w) in the dtype and memory format of `input`; a bin without cells is 0.

    Raises:
        ValueError: shapes that do not fit.
    """
    rois = _regions(input, boxes)
    high, wide = (output_size, output_size) if isinstance(output_size, int) else output_size
    result: Tensor = torch.ops.tapetum.roi_pool(input, rois, high, wide, spatial_scale)
    return result


def _regions(input: Tensor, boxes: Tensor | Sequence[Tensor]) -> Tensor:
    """Regions (K, 5) in the precision of the arithmetic, detached."""
    if input.ndim != 4:
        raise ValueError(f"input: expected shape (B, C, H, W), got {tuple(input.shape)}")
    if not isinstance(boxes, Tensor):
        if len(boxes) != input.shape[0]:
            raise ValueError(f"boxes: expected {input.shape[0]} tensors, got {len(boxes)}")
        parts = [F.pad(b, (1, 0), value=i) for i, b in enumerate(boxes)]  # (L, 5) each
        boxes = torch.cat(parts)
    if boxes.ndim != 2 or boxes.shape[1] != 5:
        raise ValueError(f"boxes: expected shape (K, 5), got {tuple(boxes.shape)}")
    return boxes.detach().to(input.device, _precision(input))


def _precision(values: Tensor) -> torch.dtype:
    return torch.float64 if values.dtype == torch.float64 else torch.float32


def _align(
    input: Tensor,
    rois: Tensor,
    height: int,
    width: int,
    scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    grid = Grid(height, width, scale, sampling_ratio, aligned)
    with torch.autocast(input.device.type, enabled=False):
        return align_forward(input, rois, grid)


def _align_shape(
    input: Tensor,
    rois: Tensor,
    height: int,
    width: int,
    scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    grid = Grid(height, width, scale, sampling_ratio, aligned)
    return empty_like_input(input, rois.shape[0], grid)


def _align_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    input, rois, *rest = inputs
    ctx.save_for_backward(rois)
    ctx.shape, ctx.last, ctx.grid = input.shape, is_channels_last(input), rest


def _align_gradient(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    (rois,) = ctx.saved_tensors
    whole = torch.ops.tapetum.roi_align_backward(grad, rois, ctx.shape, *ctx.grid, ctx.last)
    return (whole, *[None] * 6)


def _align_backward(
    grad: Tensor,
    rois: Tensor,
    shape: Sequence[int],
    height: int,
    width: int,
    scale: float,
    sampling_ratio: int,
    aligned: bool,
    channels_last: bool,
) -> Tensor:
    grid = Grid(height, width, scale, sampling_ratio, aligned)
    with torch.autocast(grad.device.type, enabled=False):
        return align_backward(grad, rois, shape, grid, channels_last)


def _map_shape(grad: Tensor, _: Tensor, shape: Sequence[int], *rest: Any) -> Tensor:
    order = torch.channels_last if rest[-1] else torch.contiguous_format
    return torch.empty(shape, dtype=grad.dtype, device=grad.device, memory_format=order)


def _backward_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, rois, _, *rest, _ = inputs
    ctx.save_for_backward(rois)
    ctx.grid = rest


def _backward_gradient(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    # The gradient of a linear map's gradient is the map itself.
    (rois,) = ctx.saved_tensors
    return (torch.ops.tapetum.roi_align(grad, rois, *ctx.grid), *[None] * 8)


def _pool(input: Tensor, rois: Tensor, height: int, width: int, scale: float) -> Tensor:
    return pool_forward(input, rois, Grid(height, width, scale))


def _pool_shape(input: Tensor, rois: Tensor, height: int, width: int, scale: float) -> Tensor:
    grid = Grid(height, width, scale)
    return empty_like_input(input, rois.shape[0], grid)


def _pool_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    input, rois, *rest = inputs
    ctx.save_for_backward(input, output, rois)
    ctx.grid = rest


def _pool_gradient(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    whole = torch.ops.tapetum.roi_pool_backward(grad, *ctx.saved_tensors, *ctx.grid)
    return (whole, *[None] * 4)


def _pool_backward(
    grad: Tensor,
    input: Tensor,
    features: Tensor,
    rois: Tensor,
    height: int,
    width: int,
    scale: float,
) -> Tensor:
    grid = Grid(height, width, scale)
    return pool_backward(grad, input, features, rois, grid)


def _pool_map_shape(grad: Tensor, input: Tensor, *rest: Any) -> Tensor:
    return _map_shape(grad, grad, input.shape, is_channels_last(input))


_GRID = "int height, int width, float scale, int sampling_ratio, bool aligned"


def _register() -> None:
    library = torch.library
    library.define("tapetum::roi_align", f"(Tensor input, Tensor rois, {_GRID}) -> Tensor")
    library.define(
        "tapetum::roi_align_backward",
        f"(Tensor grad, Tensor rois, SymInt[] shape, {_GRID}, bool channels_last) -> Tensor",
    )
    library.define(
        "tapetum::roi_pool",
        "(Tensor input, Tensor rois, int height, int width, float scale) -> Tensor",
    )
    library.define(
        "tapetum::roi_pool_backward",
        "(Tensor grad, Tensor input, Tensor features, Tensor rois, "
        "int height, int width, float scale) -> Tensor",
    )
    for name, kernel, fake in (
        ("roi_align", _align, _align_shape),
        ("roi_align_backward", _align_backward, _map_shape),
        ("roi_pool", _pool, _pool_shape),
        ("roi_pool_backward", _pool_backward, _pool_map_shape),
    ):
        library.impl(f"tapetum::{name}", "CompositeExplicitAutograd", kernel)
        library.register_fake(f"tapetum::{name}", fake)
    for name, gradient, setup in (
        ("roi_align", _align_gradient, _align_setup),
        ("roi_align_backward", _backward_gradient, _backward_setup),
        ("roi_pool", _pool_gradient, _pool_setup),
    ):
        library.register_autograd(f"tapetum::{name}", gradient, setup_context=setup)


_register()
