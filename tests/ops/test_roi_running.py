"""How RoI Align and RoI Pool run: parts, memory orders, precisions, devices, export."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.library import opcheck

from tapetum.ops import _roi_align, _roi_layout
from tapetum.ops._roi_entries import _stable_order
from tapetum.ops.roi import roi_align, roi_pool

QUICK = ("test_schema", "test_autograd_registration", "test_faketensor")
FORMATS = [torch.contiguous_format, torch.channels_last]


def draw_map(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def draw_regions(count: int, images: int, extent: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, images, (count, 1), generator=generator)
    corner = torch.rand(count, 2, generator=generator) * extent * 1.2 - extent * 0.2
    size = torch.rand(count, 2, generator=generator) ** 2 * extent
    return torch.cat((image, corner, corner + size), dim=1)


@pytest.mark.parametrize("order", FORMATS)
@pytest.mark.parametrize(
    "function", [roi_pool, partial(roi_align, sampling_ratio=2), roi_align], ids=range(3)
)
def test_parts_are_the_whole(
    order: torch.memory_format, function: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    features = draw_map(2, 3, 5, 6, dtype=torch.float32).to(memory_format=order).requires_grad_()
    regions = draw_regions(70, 2, 30)
    weights = draw_map(70, 3, 2, 3, seed=1, dtype=torch.float32)
    answers = []
    for bins in (2**18, 30):
        monkeypatch.setattr(_roi_layout, "FEW", 3 * bins)
        monkeypatch.setattr(_roi_align, "_MANY_BINS", bins)
        pooled = function(features, regions, (2, 3), 0.2)
        for grad in (weights, weights.to(memory_format=torch.channels_last)):
            answers.append(
                (pooled, *torch.autograd.grad(pooled, features, grad, retain_graph=True))
            )
    for pooled, gradient in answers[1:]:
        assert torch.equal(pooled, answers[0][0])
        assert torch.allclose(gradient, answers[0][1], rtol=0, atol=1e-5)


def test_memory_order_follows_the_input_and_changes_nothing() -> None:
    features = draw_map(2, 3, 8, 9, dtype=torch.float32)
    regions = draw_regions(11, 2, 40)
    last = features.to(memory_format=torch.channels_last)
    for function in (roi_align, roi_pool):
        usual, other = (function(f, regions, (2, 3), 0.2) for f in (features, last))
        assert usual.is_contiguous()
        assert other.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(usual, other)
        strided = features.transpose(2, 3).contiguous().transpose(2, 3)
        assert torch.equal(function(strided, regions, (2, 3), 0.2), usual)


def test_other_devices_sum_alike() -> None:
    """Where there is no embedding bag: run its substitute here."""
    table = draw_map(20, 3)
    rows, weights = np.array([3, 4, 3, 19], np.int32), np.array([0.5, 0.25, 1, 2])
    offsets = np.array([0, 2, 2, 4], np.int32)
    expected = torch.stack(
        (0.5 * table[3] + 0.25 * table[4], torch.zeros(3).double(), table[3] + 2 * table[19])
    )
    assert torch.allclose(_roi_align._sums(table, rows, weights, offsets), expected)
    assert torch.allclose(_roi_align._sums_by_index(table, rows, weights, offsets), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_rounded_once_at_the_end(dtype: torch.dtype) -> None:
    features = draw_map(1, 3, 8, 8, dtype=torch.float32).to(dtype)
    regions = draw_regions(20, 1, 8)
    for order in FORMATS:
        narrow = features.to(memory_format=order).requires_grad_()
        expected = roi_align(narrow.detach().float(), regions, 3, 1.0, 2).to(dtype)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            pooled = roi_align(narrow, regions.to(dtype).float(), 3, 1.0, 2)
            assert torch.equal(roi_align(narrow, regions, 3, 1.0, 2), expected)
        (gradient,) = torch.autograd.grad(pooled.sum(), narrow)
        assert pooled.dtype == gradient.dtype == dtype
        assert roi_pool(narrow, regions, 3).dtype == dtype


def test_large_tables_are_ordered_alike() -> None:
    values = np.random.default_rng(0).integers(0, 200_000, 5000).astype(np.int32)
    assert np.array_equal(_stable_order(values), np.argsort(values, kind="stable"))
    small = values % 50
    assert np.array_equal(_stable_order(small), np.argsort(small, kind="stable"))


def test_operators_are_well_formed_and_export() -> None:
    regions = draw_regions(6, 2, 5)
    for order in FORMATS:
        features = (
            draw_map(2, 3, 5, 6, dtype=torch.float32).to(memory_format=order).requires_grad_()
        )
        bins, last = (2, 3, 1.0), order == torch.channels_last
        grad = draw_map(6, 3, 2, 3, dtype=torch.float32)
        pooled, shape = roi_pool(features, regions, (2, 3)).detach(), list(features.shape)
        calls = {
            "roi_align": (features, regions, *bins, 2, True),
            "roi_align_backward": (grad, regions, shape, *bins, 2, True, last),
            "roi_pool": (features, regions, *bins),
            "roi_pool_backward": (grad, features.detach(), pooled, regions, *bins),
        }
        for name, arguments in calls.items():
            opcheck(getattr(torch.ops.tapetum, name), arguments, test_utils=QUICK)

    class Read(torch.nn.Module):
        def forward(self, features: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
            return roi_align(features, [boxes, boxes], 2, 1.0, -1), roi_pool(
                features, [boxes] * 2, 2
            )

    count, height = torch.export.Dim("count", min=2), torch.export.Dim("height", min=2)
    shapes = {"features": {2: height}, "boxes": {0: count}}
    example = (draw_map(2, 3, 5, 6), regions[:, 1:])
    exported = torch.export.export(Read(), example, dynamic_shapes=shapes).module()
    other = (draw_map(2, 3, 9, 6), draw_regions(9, 1, 6)[:, 1:])
    for ours, expected in zip(exported(*other), Read()(*other), strict=True):
        assert torch.equal(ours, expected)
