from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from tapetum.base.runtime import Runtime
from tapetum.base.seeds import generator
from tapetum.models.localization.localizer import (
    LocalizationOutput,
    ObjectLocalizer,
    localizer,
)
from tapetum.models.localization.targets import IGNORED, slots
from tapetum.models.predict import predict
from tapetum.ops.boxes import box_convert, generalized_box_iou
from tapetum.structures import Objects, Target

BODY = {
    "backbone": "resnet10",
    "backbone_width": 8,
    "norm": "group",
    "num_classes": 3,
    "image_size": 64,
}
KINDS: dict[str, dict[str, Any]] = {
    "one": {},
    "one, a box a class": {"class_agnostic": False},
    "three": {"objects": 3, "box_loss": "giou"},
    "three, a box a class": {"objects": 3, "class_agnostic": False, "box_loss": "l2"},
}
IMAGES = [torch.rand(3, 96, 128, generator=generator(i)) for i in range(3)]


def target(*rows: tuple[float, float, float, float, int], crowd: bool = False) -> Target:
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 5)
    marked = torch.full((len(table),), crowd)
    return Target(objects=Objects(boxes=table[:, :4], labels=table[:, 4].long(), crowd=marked))


TARGETS = [
    target((10, 10, 60, 50, 0), (70, 30, 120, 90, 1)),
    target(),
    target((5, 20, 80, 90, 2)),
]


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest) -> ObjectLocalizer:
    return build(**KINDS[request.param])


def build(**more: Any) -> ObjectLocalizer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = localizer(**{**BODY, **more})
        for head in (model.network.class_head, model.network.box_head):
            torch.nn.init.normal_(head.weight, std=0.2)
    return model.eval()


def losses(model: ObjectLocalizer, targets: list[Target]) -> dict[str, Tensor]:
    batch = model.preprocess(IMAGES[: len(targets)], targets)
    output = model(batch.pixels, batch.sizes, batch.targets)
    assert batch.targets is not None
    return model.losses(output, batch.targets)


def fractions(*boxes: tuple[float, float, float, float]) -> Tensor:
    """What the network has to say for boxes cx cy w h in fractions of the image."""
    return torch.tensor(boxes).logit()


def test_slots_hold_the_largest_objects_from_left_to_right() -> None:
    objects = target(
        *((30, 0, 50, 20, 1), (0, 0, 10, 10, 0), (60, 0, 62, 2, 2), (-20, 40, 20, 80, 2))
    )
    wanted = slots([objects, target((5, 5, 15, 25, 0)), target()], 3, 100, torch.float32)
    assert wanted.classes.tolist() == [[1, 3, 2], [1, 0, 0], [0, 0, 0]]
    assert wanted.labels.tolist()[:2] == [[0, 2, 1], [0, 0, 0]]
    assert wanted.filled.tolist() == [[True] * 3, [True, False, False], [False] * 3]
    expected = [[0.05, 0.05, 0.1, 0.1], [0.1, 0.6, 0.2, 0.4], [0.4, 0.1, 0.2, 0.2]]
    torch.testing.assert_close(wanted.boxes[0], torch.tensor(expected))
    (single,) = slots([objects], 1, 100, torch.float32).classes.tolist()
    assert single == [2]  # the largest one is cut by the border, and still the largest


def test_crowds_and_thin_boxes_are_no_objects() -> None:
    crowd = target((0, 0, 50, 50, 1), crowd=True)
    thin = target((20, 20, 20, 40, 1))
    several = slots([crowd, thin], 2, 100, torch.float32)
    assert several.classes.tolist() == [[IGNORED] * 2, [0, 0]]
    assert slots([crowd, thin], 1, 100, torch.float32).classes.tolist() == [[IGNORED]] * 2
    assert not several.filled.any()
    with pytest.raises(ValueError, match="expected objects"):
        slots([Target()], 1, 100, torch.float32)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("l2", 0.1**2 + 0.05**2),
        ("smooth_l1", (0.1 - 0.05) + 0.05**2 / 0.2),
        ("giou", 1 - generalized_box_iou(
            torch.tensor([[0.1, 0.3, 0.5, 0.7]]), torch.tensor([[0.175, 0.3, 0.625, 0.7]])
        ).item()),
    ],
)  # fmt: skip
def test_losses_by_hand(loss: str, expected: float) -> None:
    """One object in the image, found 0.1 too far right and 0.05 too wide."""
    model = build(box_loss=loss, box_weight=2.0)
    output = LocalizationOutput(
        torch.zeros(2, 1, 3), fractions((0.4, 0.5, 0.45, 0.4), (0.5,) * 4)[:, None, None]
    )
    targets = [target((6.4, 19.2, 32, 44.8, 1)), target()]
    found = model.losses(output, targets)
    assert found["classification"].item() == pytest.approx(math.log(3))
    assert found["boxes"].item() == pytest.approx(2 * expected, rel=1e-4)


def test_the_box_of_the_true_class_learns_and_that_of_the_named_class_answers() -> None:
    model = build(class_agnostic=False)
    output = LocalizationOutput(
        torch.tensor([[[0.0, 1, 2]]]), torch.zeros(1, 1, 3, 4).requires_grad_()
    )
    model.losses(output, [target((0, 0, 16, 16, 1))])["boxes"].backward()
    assert [bool(g.abs().sum() > 0) for g in output.boxes.grad[0, 0]] == [False, True, False]
    boxes = fractions((0.2,) * 4, (0.4,) * 4, (0.5, 0.5, 0.25, 0.5))[None, None]
    (found,) = model.postprocess(
        LocalizationOutput(output.logits, boxes), model.preprocess(IMAGES[:1])
    )
    torch.testing.assert_close(found.objects.boxes, torch.tensor([[48.0, 24, 80, 72]]))
    assert found.objects.labels.tolist() == found.labels.tolist() == [2]


def test_slots_that_say_nothing_are_left_out() -> None:
    model = build(objects=3)
    logits = torch.tensor([[[0, 0, 0, 1.0], [5, 0, 0, 0], [0, 9, 0, 0]]])
    boxes = fractions((0.2, 0.5, 0.2, 0.2), (0.5,) * 4, (1 - 1e-7, 0.5, 0.5, 1e-9))[None, :, None]
    (found,) = model.postprocess(LocalizationOutput(logits, boxes), model.preprocess(IMAGES[:1]))
    objects = found.objects
    assert objects.labels.tolist() == [0, 2]
    expected = torch.tensor([9.0, 1]).exp() / (torch.tensor([9.0, 1]).exp() + 3)
    torch.testing.assert_close(objects.scores, expected)
    torch.testing.assert_close(objects.boxes[0, [0, 2]], torch.tensor([96.0, 128]))
    assert objects.boxes[0, 1] < objects.boxes[0, 3]  # no box is nothing, however sure of that
    assert found.labels is None


def test_every_parameter_gets_a_gradient(model: ObjectLocalizer) -> None:
    sum(losses(model.train(), TARGETS).values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert 0 < parameter.grad.abs().sum() < math.inf, name


@pytest.mark.parametrize("targets", [[target()] * 2, [target((0, 0, 90, 90, 1), crowd=True)]])
def test_losses_without_objects_are_finite(model: ObjectLocalizer, targets: list[Target]) -> None:
    found = losses(model, targets)
    sum(found.values()).backward()
    assert found["boxes"] == 0
    assert (found["classification"] == 0) == (model.objects == 1 or len(targets) == 1)
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_batch_equals_single_and_boxes_are_inside(model: ObjectLocalizer) -> None:
    images = [*IMAGES, torch.rand(3, 33, 300), torch.rand(3, 301, 40)]
    for one, both in zip(images, predict(model, images), strict=True):
        (alone,) = predict(model, [one])
        assert torch.equal(alone.objects.labels, both.objects.labels)
        torch.testing.assert_close(alone.objects.boxes, both.objects.boxes, atol=1e-3, rtol=0)
        torch.testing.assert_close(alone.objects.scores, both.objects.scores, atol=1e-5, rtol=0)
        assert model.objects > 1 or len(both.objects) == 1
        low, high = both.objects.boxes.split(2, dim=1)
        assert (low >= 0).all()
        assert (low < high).all()
        assert (high <= torch.tensor([one.shape[2], one.shape[1]])).all()
        assert (both.objects.scores.diff() <= 0).all()


def test_score_is_the_logit_in_the_nearest_slot(model: ObjectLocalizer) -> None:
    images = [p.clone().requires_grad_() for p in IMAGES]
    batch = model.preprocess(images, TARGETS)
    output = model(batch.pixels, batch.sizes)
    scores = model.target_logits(images, TARGETS)
    assert scores.shape == (3,)
    first = 0 if model.objects == 1 else 1
    for score, (i, j) in zip(scores, ((0, 0), (0, 1), (2, 0)), strict=True):
        label = int(TARGETS[i].objects.labels[j])
        own = output.boxes[i, :, label if model.boxes_a_slot > 1 else 0].sigmoid()
        corners = box_convert(own, "cxcywh", "xyxy") * 64
        near = generalized_box_iou(batch.targets[i].objects.boxes[j : j + 1], corners)
        torch.testing.assert_close(score, output.logits[i, near.argmax(), label + first])
    gradients = torch.autograd.grad(scores[2], images, materialize_grads=True)
    assert [bool(g.abs().sum() > 0) for g in gradients] == [False, False, True]
    assert model.target_logits(IMAGES[:1], [target()]).shape == (0,)


def test_float64_and_bf16(model: ObjectLocalizer) -> None:
    exact = {key: loss.item() for key, loss in losses(model, TARGETS).items()}
    with Runtime(torch.device("cpu"), "bf16").autocast():
        batch = model.preprocess(IMAGES, TARGETS)
        output = model(batch.pixels, batch.sizes)
    rough = model.losses(output, batch.targets)
    assert {key: loss.item() for key, loss in rough.items()} == pytest.approx(exact, rel=0.1)
    assert all(loss.dtype == torch.float32 for loss in rough.values())
    assert model.postprocess(output, batch)[0].objects.boxes.dtype == torch.float32
    wide = losses(model.double(), TARGETS)
    assert all(loss.dtype == torch.float64 for loss in wide.values())
    assert {key: loss.item() for key, loss in wide.items()} == pytest.approx(exact, rel=1e-4)


def test_arguments_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="box_loss: expected one of l2, smooth_l1, giou"):
        build(box_loss="l1")
    with pytest.raises(ValueError, match="objects: expected at least 1"):
        build(objects=0)
