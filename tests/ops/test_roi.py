"""RoI Align and RoI Pool against their definitions, one sample and one cell at a time."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tapetum.ops.roi import roi_align, roi_pool

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "ops.json").read_text())
FORMATS = [torch.contiguous_format, torch.channels_last]
EDGE = st.integers(-12, 40).map(lambda quarter: quarter / 4)
REGION = st.tuples(st.integers(0, 1), EDGE, EDGE, EDGE, EDGE)
REGIONS = st.lists(REGION, min_size=1, max_size=4).map(
    lambda r: torch.tensor(r, dtype=torch.float64)
)
SIZE = st.tuples(st.integers(1, 3), st.integers(1, 3))


def draw_map(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def draw_regions(count: int, images: int, extent: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, images, (count, 1), generator=generator)
    corner = torch.rand(count, 2, generator=generator) * extent * 1.2 - extent * 0.2
    size = torch.rand(count, 2, generator=generator) ** 2 * extent
    return torch.cat((image, corner, corner + size), dim=1)


def sample(plane: np.ndarray, y: float, x: float) -> float:
    """Bilinear, with border cells continued by one cell and nothing beyond."""
    height, width = plane.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    down, right = min(top + 1, height - 1), min(left + 1, width - 1)
    v, u = y - top, x - left
    upper = plane[top, left] * (1 - u) + plane[top, right] * u
    lower = plane[down, left] * (1 - u) + plane[down, right] * u
    return upper * (1 - v) + lower * v


def define_align(
    features: Tensor,
    regions: Tensor,
    size: tuple[int, int],
    scale: float,
    ratio: int,
    aligned: bool,
) -> Tensor:
    result = torch.zeros(len(regions), features.shape[1], *size, dtype=features.dtype)
    for k, (image, *box) in enumerate(regions.tolist()):
        x1, y1, x2, y2 = (edge * scale - 0.5 * aligned for edge in box)
        height, width = y2 - y1, x2 - x1
        if not aligned:
            height, width = max(height, 1), max(width, 1)
        high, wide = height / size[0], width / size[1]
        rows = ratio if ratio > 0 else max(math.ceil(high), 0)
        columns = ratio if ratio > 0 else max(math.ceil(wide), 0)
        for c, plane in enumerate(features[int(image)].numpy()):
            for p in range(size[0]):
                for q in range(size[1]):
                    values = [
                        sample(
                            plane,
                            y1 + p * high + (i + 0.5) * high / rows,
                            x1 + q * wide + (j + 0.5) * wide / columns,
                        )
                        for i in range(rows)
                        for j in range(columns)
                    ]
                    result[k, c, p, q] = sum(values) / max(len(values), 1)
    return result


def define_pool(features: Tensor, regions: Tensor, size: tuple[int, int], scale: float) -> Tensor:
    result = torch.zeros(len(regions), features.shape[1], *size, dtype=features.dtype)
    for k, (image, *box) in enumerate(regions.tolist()):
        # Halves are rounded away from zero.
        x1, y1, x2, y2 = (int(math.copysign(int(abs(e * scale) + 0.5), e)) for e in box)
        high, wide = max(y2 - y1 + 1, 1) / size[0], max(x2 - x1 + 1, 1) / size[1]
        for p in range(size[0]):
            top, bottom = y1 + math.floor(p * high), y1 + math.ceil((p + 1) * high)
            for q in range(size[1]):
                left, right = x1 + math.floor(q * wide), x1 + math.ceil((q + 1) * wide)
                part = features[int(image), :, max(top, 0) : max(bottom, 0)]
                part = part[:, :, max(left, 0) : max(right, 0)]
                if part.numel():
                    result[k, :, p, q] = part.amax(dim=(1, 2))
    return result


@given(REGIONS, SIZE, st.sampled_from([1.0, 0.5]), st.sampled_from([-1, 0, 1, 2, 3]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_align_is_its_definition(regions, size, scale, ratio, aligned) -> None:
    features = draw_map(2, 2, 5, 7)
    expected = define_align(features, regions, size, scale, ratio, aligned)
    result = roi_align(features, regions, size, scale, ratio, aligned)
    assert torch.allclose(result, expected, rtol=0, atol=1e-12)


@given(REGIONS, SIZE, st.sampled_from([1.0, 0.5]))
@settings(max_examples=60, deadline=None)
def test_pool_is_its_definition(regions, size, scale) -> None:
    features = draw_map(2, 2, 5, 7)
    assert torch.equal(
        roi_pool(features, regions, size, scale), define_pool(features, regions, size, scale)
    )


@pytest.mark.parametrize("order", FORMATS)
@pytest.mark.parametrize("case", GOLDEN["roi_align"], ids=range(len(GOLDEN["roi_align"])))
def test_align_is_the_reference(case: dict, order: torch.memory_format) -> None:
    features = torch.tensor(case["features"]).to(memory_format=order).requires_grad_()
    options = (tuple(case["size"]), case["scale"], case["ratio"], case["aligned"])
    pooled = roi_align(features, torch.tensor(case["rois"]), *options)
    assert torch.allclose(pooled, torch.tensor(case["pooled"]), rtol=0, atol=1e-6)
    assert gradient_is(features, pooled, case["gradient"])


@pytest.mark.parametrize("order", FORMATS)
@pytest.mark.parametrize("case", GOLDEN["roi_pool"], ids=range(len(GOLDEN["roi_pool"])))
def test_pool_is_the_reference(case: dict, order: torch.memory_format) -> None:
    features = torch.tensor(case["features"]).to(memory_format=order).requires_grad_()
    pooled = roi_pool(features, torch.tensor(case["rois"]), tuple(case["size"]), case["scale"])
    assert torch.equal(pooled, torch.tensor(case["pooled"]))
    assert gradient_is(features, pooled, case["gradient"])


def gradient_is(features: Tensor, pooled: Tensor, expected: list) -> bool:
    weights = torch.linspace(-1, 1, pooled.numel()).view(pooled.shape)
    (gradient,) = torch.autograd.grad((pooled * weights).sum(), features)
    assert gradient.is_contiguous(memory_format=_format(features))
    return torch.allclose(gradient, torch.tensor(expected), rtol=0, atol=2e-6)


def _format(values: Tensor) -> torch.memory_format:
    return torch.contiguous_format if values.is_contiguous() else torch.channels_last


@pytest.mark.parametrize("ratio", [2, -1])
def test_gradients(ratio: int) -> None:
    features, regions = draw_map(2, 1, 3, 4).requires_grad_(), draw_regions(3, 2, 4).double()
    for order in FORMATS:
        given_order = features.detach().to(memory_format=order).requires_grad_()
        assert torch.autograd.gradcheck(
            lambda f: roi_align(f, regions, 2, 1.0, ratio, True), given_order
        )
    assert torch.autograd.gradgradcheck(lambda f: roi_align(f, regions, 2, 1.0, ratio), features)
    assert torch.autograd.gradcheck(lambda f: roi_pool(f, regions, 2, 1.0), features)


@pytest.mark.parametrize("order", FORMATS)
def test_pool_gives_the_gradient_to_the_first_of_equal_cells(order: torch.memory_format) -> None:
    features = torch.ones(1, 2, 4, 6).to(memory_format=order).requires_grad_()
    features.data[0, 1, 1, 1] = 2
    pooled = roi_pool(features, torch.tensor([[0.0, 0, 0, 5, 3], [0, 2, 0, 5, 1]]), (2, 2))
    (gradient,) = torch.autograd.grad(pooled.sum(), features)
    expected = torch.zeros(2, 4, 6)
    expected[:, [0, 0, 2, 2], [0, 3, 0, 3]] = 1  # the corners of the first region's bins
    expected[1, 0, 0], expected[1, 1, 1] = 0, 1
    expected[:, [0, 0, 1, 1], [2, 4, 2, 4]] += 1  # those of the second's
    assert torch.equal(gradient[0], expected)


def test_a_constant_map_stays_constant() -> None:
    regions = draw_regions(50, 1, 6).clamp(0, 8)
    for ratio in (-1, 1, 4):
        pooled = roi_align(torch.full((1, 2, 8, 8), 3.5), regions, 3, 1.0, ratio)
        assert torch.allclose(pooled, torch.full_like(pooled, 3.5))


def test_boxes_by_image_are_regions() -> None:
    features, boxes = draw_map(3, 2, 6, 6), draw_regions(5, 1, 6)[:, 1:]
    parts = [boxes[:2], boxes[:0], boxes[2:]]
    regions = torch.cat((torch.tensor([0.0, 0, 2, 2, 2])[:, None], boxes), dim=1)
    for function in (roi_align, roi_pool):
        assert torch.equal(function(features, parts, 2), function(features, regions, 2))


def test_no_regions() -> None:
    for order in FORMATS:
        features = draw_map(2, 3, 6, 6).to(memory_format=order).requires_grad_()
        for function in (roi_align, roi_pool):
            pooled = function(features, torch.zeros(0, 5), (2, 3))
            assert pooled.shape == (0, 3, 2, 3)
            (gradient,) = torch.autograd.grad(pooled.sum(), features)
            assert torch.equal(gradient, torch.zeros(2, 3, 6, 6).double())
            assert function(features, [torch.zeros(0, 4)] * 2, 2).shape == (0, 3, 2, 2)


def test_coordinates_that_are_not_finite() -> None:
    features = draw_map(1, 1, 6, 6)
    regions = torch.tensor([[0.0, 1, 1, 4, 4], [0, float("nan"), 1, 4, 4]])
    assert torch.equal(roi_align(features, regions, 2)[0], roi_align(features, regions[:1], 2)[0])
    assert torch.equal(roi_align(features, regions, 2)[1], torch.zeros(1, 2, 2).double())
    huge = torch.tensor([[0.0, -math.inf, 0, math.inf, 5]])
    assert roi_align(features, huge, 2, 1.0, 2).isfinite().all()
    assert roi_pool(features, huge, 1).item() == features.max()
    assert roi_pool(features, regions, 2).isfinite().all()
    with pytest.raises(ValueError, match="samples a bin: clip boxes to the image"):
        roi_align(features, torch.tensor([[0.0, 0, 0, 1e6, 5]]), 2)


def test_misuse_is_refused() -> None:
    features, regions = draw_map(2, 1, 4, 4), torch.zeros(3, 5)
    with pytest.raises(ValueError, match=r"input: expected shape \(B, C, H, W\), got \(1, 4, 4\)"):
        roi_align(features[0], regions, 2)
    with pytest.raises(ValueError, match=r"boxes: expected shape \(K, 5\), got \(3, 4\)"):
        roi_pool(features, regions[:, 1:], 2)
    with pytest.raises(ValueError, match="boxes: expected 2 tensors, got 1"):
        roi_align(features, [regions[:, 1:]], 2)
    for image in (-1.0, 2.0):
        regions[1, 0] = image
        with pytest.raises(ValueError, match=r"expected image indices in 0\.\.1"):
            roi_align(features, regions, 2)
