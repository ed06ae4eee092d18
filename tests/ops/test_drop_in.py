"""tapetum.ops in the place of torchvision.ops: its names, signatures and numbers.

Suppression and regions meet torchvision's numbers in test_suppression.py and test_roi.py.
"""

from __future__ import annotations

import importlib
import inspect
import json
import math
import pkgutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tapetum import ops

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "drop_in.json").read_text())
OVERLAPS = ("box_iou", "generalized_box_iou", "distance_box_iou", "complete_box_iou")
LOSSES = ("generalized_box_iou_loss", "distance_box_iou_loss", "complete_box_iou_loss")
_LOSS = {"reduction": "none", "eps": 1e-7}
SIGNATURES: dict[str, tuple[str, dict[str, object]]] = {
    "batched_nms": ("boxes scores idxs iou_threshold", {}),
    "box_area": ("boxes", {"fmt": "xyxy"}),
    "box_convert": ("boxes in_fmt out_fmt", {}),
    "box_iou": ("boxes1 boxes2", {"fmt": "xyxy"}),
    "clip_boxes_to_image": ("boxes size", {}),
    "complete_box_iou": ("boxes1 boxes2", {"eps": 1e-7}),
    "complete_box_iou_loss": ("boxes1 boxes2", _LOSS),
    "distance_box_iou": ("boxes1 boxes2", {"eps": 1e-7}),
    "distance_box_iou_loss": ("boxes1 boxes2", _LOSS),
    "generalized_box_iou": ("boxes1 boxes2", {}),
    "generalized_box_iou_loss": ("boxes1 boxes2", _LOSS),
    "masks_to_boxes": ("masks", {}),
    "nms": ("boxes scores iou_threshold", {}),
    "remove_small_boxes": ("boxes min_size", {}),
    "roi_align": (
        "input boxes output_size",
        {"spatial_scale": 1.0, "sampling_ratio": -1, "aligned": False},
    ),
    "roi_pool": ("input boxes output_size", {"spatial_scale": 1.0}),
    "sigmoid_focal_loss": ("inputs targets", {"alpha": 0.25, "gamma": 2, "reduction": "none"}),
}
"""Of torchvision 0.28: arguments without a default, then those with one."""
FLAT = [[3.0, 3, 3, 3], [3, 3, 3, 8], [1, 5, 9, 5], [0, 0, 5, 5], [6, 6, 2, 2], [6, 2, 2, 6]]
"""A point, two lines, a square, and boxes with two or one pair of sides swapped."""


def draw(count: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator, dtype=dtype) * 20
    size = torch.rand(count, 2, generator=generator, dtype=dtype) * 30 + 1
    return torch.cat((corner, corner + size), dim=1)


def numbers(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def near(found: Tensor, expected: object, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(found, numbers(expected), rtol=tolerance, atol=tolerance)


def test_the_table_of_signatures_names_all_there_is() -> None:
    assert ops.__all__ == sorted(SIGNATURES)
    assert dir(ops) == ops.__all__
    assert not hasattr(ops, "nmss")


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_those_of_torchvision(name: str) -> None:
    required, optional = SIGNATURES[name]
    parameters = inspect.signature(getattr(ops, name)).parameters.values()
    assert {p.kind for p in parameters} == {inspect.Parameter.POSITIONAL_OR_KEYWORD}
    expected = [*((word, inspect.Parameter.empty) for word in required.split()), *optional.items()]
    assert [(p.name, p.default) for p in parameters] == expected


@pytest.mark.parametrize("name", SIGNATURES)
def test_docstrings_tell_every_argument_and_the_result(name: str) -> None:
    function = getattr(ops, name)
    text = inspect.getdoc(function)
    _, arguments = text.split("\nArgs:\n")
    arguments, result = arguments.split("\nReturns:\n")
    for parameter in inspect.signature(function).parameters:
        assert f"\n    {parameter}: " in f"\n{arguments}"
    assert result.strip()
    if "raise ValueError" in inspect.getsource(function):
        assert "\nRaises:\n    ValueError: " in text


def test_no_module_takes_the_place_of_a_function() -> None:
    modules = [module.name for module in pkgutil.iter_modules(ops.__path__)]
    for name in modules:
        importlib.import_module(f"tapetum.ops.{name}")
    assert set(modules) & set(ops.__all__) == set()
    assert all(inspect.isfunction(getattr(ops, name)) for name in ops.__all__)


@pytest.mark.parametrize("case", GOLDEN["overlaps"], ids=range(len(GOLDEN["overlaps"])))
def test_overlaps_are_those_of_torchvision(case: dict) -> None:
    boxes1, boxes2 = numbers(case["boxes1"]), numbers(case["boxes2"])
    for name in OVERLAPS:
        near(getattr(ops, name)(boxes1, boxes2), case[name])
        single = getattr(ops, name)(boxes1.float(), boxes2.float())
        near(single.double(), case[name], 1e-5)
    for fmt, expected in case["by_format"].items():
        near(ops.box_iou(boxes1, boxes2, fmt=fmt), expected)


@pytest.mark.parametrize("case", GOLDEN["formats"], ids=range(len(GOLDEN["formats"])))
def test_areas_and_formats_are_those_of_torchvision(case: dict) -> None:
    boxes = numbers(case["boxes"])
    for fmt, area in case["area"].items():
        near(ops.box_area(boxes, fmt), area)
    for pair, expected in case["converted"].items():
        near(ops.box_convert(boxes, *pair.split()), expected)
    near(ops.clip_boxes_to_image(boxes, size=(14, 18)), case["clipped"])
    assert ops.remove_small_boxes(boxes, min_size=9.0).tolist() == case["large"]


@pytest.mark.parametrize("case", GOLDEN["losses"], ids=range(len(GOLDEN["losses"])))
@pytest.mark.parametrize("name", LOSSES)
def test_box_losses_and_their_gradients_are_those_of_torchvision(name: str, case: dict) -> None:
    function, expected = getattr(ops, name), case[name]
    boxes1, boxes2 = numbers(case["boxes1"]).requires_grad_(), numbers(case["boxes2"])
    loss = function(boxes1, boxes2)
    (gradient,) = torch.autograd.grad(loss.sum(), boxes1)
    near(loss.detach(), expected["loss"])
    near(gradient, expected["gradient"])
    near(function(boxes1.detach(), boxes2, "mean"), expected["mean"])
    near(function(boxes1.detach(), boxes2, reduction="sum"), sum(expected["loss"]))
    near(function(boxes1[0].detach(), boxes2[0]), expected["loss"][0])


@pytest.mark.parametrize("case", GOLDEN["masks"], ids=range(len(GOLDEN["masks"])))
@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float32])
def test_boxes_of_masks_are_those_of_torchvision(case: dict, dtype: torch.dtype) -> None:
    boxes = ops.masks_to_boxes(torch.tensor(case["masks"]).to(dtype))
    assert torch.equal(boxes, torch.tensor(case["boxes"]))


def test_distance_and_shape_by_hand() -> None:
    # Squares of 2 with centres 2 apart in a hull of 4 x 2; then 2 x 1 in the middle of 2 x 2.
    square, beside, lying = numbers([[0, 0, 2, 2], [2, 0, 4, 2], [0, 0.5, 2, 1.5]])[:, None]
    near(ops.distance_box_iou(square, beside), [[-4 / 20]], 1e-8)
    near(ops.complete_box_iou(square, beside), [[-4 / 20]], 1e-8)
    near(ops.distance_box_iou(square, lying), [[0.5]], 1e-8)
    shape = 4 / math.pi**2 * (math.atan(2) - math.atan(1)) ** 2
    expected = 0.5 - shape**2 / (1 - 0.5 + shape)
    near(ops.complete_box_iou(square, lying), [[expected]], 1e-8)
    near(ops.complete_box_iou_loss(square, lying), [1 - expected], 1e-7)


@pytest.mark.parametrize("name", OVERLAPS)
def test_many_pairs_are_computed_as_one_by_one(name: str) -> None:
    function, many, few = getattr(ops, name), draw(700, 1), draw(60, 2)
    one_by_one = torch.cat([function(row[None], few) for row in many])
    # The last bit of an arctangent depends on how many there are.
    torch.testing.assert_close(function(many, few), one_by_one, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_one_minus_its_overlap(name: str) -> None:
    boxes1, boxes2 = draw(9, 1), draw(9, 2)
    overlap = getattr(ops, name.removesuffix("_loss"))(boxes1, boxes2).diagonal()
    loss = getattr(ops, name)(boxes1, boxes2)
    torch.testing.assert_close(loss, 1 - overlap, rtol=1e-7, atol=1e-7)
    near(getattr(ops, name)(boxes1, boxes1), [0.0] * 9, 1e-6)


@pytest.mark.parametrize("name", [*OVERLAPS[:3], *LOSSES[:2]])
def test_gradients_are_those_of_the_numbers(name: str) -> None:
    inputs = (draw(4, 1).requires_grad_(), draw(4, 2).requires_grad_())
    assert torch.autograd.gradcheck(getattr(ops, name), inputs)


def test_the_gradient_of_the_complete_loss_takes_its_weight_as_a_constant() -> None:
    """As published; numbers that change the weight too would give another gradient."""
    boxes, truth = draw(6, 1), draw(6, 2)

    def shape(values: Tensor) -> Tensor:
        sides = [b[:, 2:] - b[:, :2] for b in (values, truth)]
        angles = [torch.atan(side[:, 0] / side[:, 1]) for side in sides]
        return 4 / math.pi**2 * (angles[0] - angles[1]) ** 2

    overlap = ops.box_iou(boxes, truth).diagonal()
    weight = shape(boxes) / (1 - overlap + shape(boxes))

    def frozen(values: Tensor) -> Tensor:
        return ops.distance_box_iou_loss(values, truth) + weight * shape(values)

    steps = torch.eye(24, dtype=torch.float64).view(24, 6, 4) * 1e-6
    rises = [(frozen(boxes + s).sum() - frozen(boxes - s).sum()) / 2e-6 for s in steps]
    moved = boxes.clone().requires_grad_()
    ops.complete_box_iou_loss(moved, truth, reduction="sum").backward()
    torch.testing.assert_close(moved.grad, torch.stack(rises).view(6, 4), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", [*OVERLAPS, *LOSSES])
def test_flat_and_swapped_boxes_give_finite_numbers_and_gradients(
    name: str, dtype: torch.dtype
) -> None:
    boxes = torch.tensor(FLAT, dtype=dtype).requires_grad_()
    others = torch.cat((boxes.detach(), boxes.detach().flip(0)))
    result = getattr(ops, name)(torch.cat((boxes, boxes)), others)
    (gradient,) = torch.autograd.grad(result.sum(), boxes)
    assert result.isfinite().all()
    assert gradient.isfinite().all()
    # Below 3: the IoU's term is at most 1, that of the distance too, and that of the shape.
    assert result.abs().max() <= 3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64])
@pytest.mark.parametrize("name", [*OVERLAPS, *LOSSES])
def test_narrow_numbers_are_widened_first(name: str, dtype: torch.dtype) -> None:
    boxes1, boxes2 = ((draw(4, seed) * 30).to(dtype) for seed in (1, 2))
    result = getattr(ops, name)(boxes1, boxes2)
    assert result.dtype == torch.float32
    assert torch.equal(result, getattr(ops, name)(boxes1.float(), boxes2.float()))


def test_regions_and_suppression_take_half_precision() -> None:
    boxes, scores = draw(5, 1).half(), torch.linspace(0.1, 0.9, 5).half()
    assert torch.equal(ops.nms(boxes, scores, 0.5), ops.nms(boxes.float(), scores.float(), 0.5))
    features = torch.ones(2, 3, 8, 8, dtype=torch.float16)
    for function in (ops.roi_align, ops.roi_pool):
        assert function(features, [boxes, boxes[:0]], 2, 0.1).dtype == torch.float16
        assert function(features, [boxes, boxes[:0]], [2, 3], 0.1).shape == (5, 3, 2, 3)


def test_no_boxes_is_a_number_of_boxes() -> None:
    none, some = torch.zeros(0, 4), draw(3, 1, torch.float32)
    for name in OVERLAPS:
        assert getattr(ops, name)(none, some).shape == (0, 3)
        assert getattr(ops, name)(some, none).shape == (3, 0)
        assert getattr(ops, name)(some.expand(2, 3, 4), none.expand(2, 0, 4)).shape == (2, 3, 0)
    assert ops.nms(none, none[:, 0], 0.5).dtype == torch.int64
    assert ops.batched_nms(none, none[:, 0], none[:, 0].long(), 0.5).shape == (0,)
    assert ops.box_area(none, "cxcywh").shape == (0,)
    assert ops.box_convert(none, "xywh", "xyxy").shape == (0, 4)
    features = torch.ones(1, 3, 8, 8)
    assert ops.roi_align(features, [none], 7).shape == (0, 3, 7, 7)
    assert ops.roi_pool(features, torch.zeros(0, 5), 7).shape == (0, 3, 7, 7)


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_of_no_boxes_is_nothing_still_connected(name: str) -> None:
    boxes = torch.zeros(0, 4, requires_grad=True)
    function: Callable[..., Tensor] = getattr(ops, name)
    assert function(boxes, boxes).shape == (0,)
    for reduction in ("mean", "sum"):
        loss = function(boxes, boxes, reduction)
        loss.backward()
        assert loss.item() == 0


def test_wrong_arguments_are_told_in_one_line() -> None:
    boxes = draw(3, 1)
    for name in LOSSES:
        with pytest.raises(ValueError, match=r"^boxes2: expected shape \(3, 4\), got \(1, 4\)$"):
            getattr(ops, name)(boxes, boxes[:1])
        with pytest.raises(ValueError, match=r"^boxes1: expected shape \(\.\.\., 4\), got \(3, 3"):
            getattr(ops, name)(boxes[:, :3], boxes[:, :3])
        with pytest.raises(ValueError, match=r"^reduction: expected one of none, mean, sum, got"):
            getattr(ops, name)(boxes, boxes, "average")
    for function in (lambda: ops.box_area(boxes, "xywhr"), lambda: ops.box_iou(boxes, boxes, "x")):
        with pytest.raises(ValueError, match=r"^box format: expected one of xyxy, xywh, cxcywh"):
            function()
    with pytest.raises(ValueError, match=r"^masks: expected shape \(N, H, W\), got \(4, 4\)$"):
        ops.masks_to_boxes(torch.zeros(4, 4))
