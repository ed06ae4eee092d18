"""What holds for every classifier that descends a loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tapetum.base.runtime import Runtime
from tapetum.base.seeds import generator, image_generators
from tapetum.explain import explain
from tapetum.explain.cam import layer_gradient
from tapetum.models.classification.classifier import (
    ClassificationOutput,
    label_loss,
    multilabel_loss,
)
from tapetum.models.classification.linear import linear
from tapetum.models.classification.resnet import resnet10, resnet50
from tapetum.models.classification.vit import vit_b_16
from tapetum.models.predict import predict
from tapetum.structures import Target

BODY = {"num_classes": 3, "image_size": 64}
VIT = {**BODY, "patch": 16, "width": 32, "depth": 2, "heads": 4, "mlp": 64}
MODELS: dict[str, Callable[..., Any]] = {
    "resnet": lambda **more: resnet10(**{**BODY, "backbone_width": 8, "norm": "group", **more}),
    "bottleneck": lambda **more: resnet50(**{**BODY, "backbone_width": 4, "stem": "small", **more}),
    "vit": lambda **more: vit_b_16(**{**VIT, **more}),
    "vit average": lambda **more: vit_b_16(**{**VIT, "pool": "average", **more}),
    "linear": lambda **more: linear(**{**BODY, **more}),
    "linear hinge": lambda **more: linear(**{**BODY, "loss": "hinge", **more}),
}
DROPPING = ["resnet", "vit", "vit average"]
DEEP = [*DROPPING, "bottleneck"]
IMAGES = [torch.rand(3, 96, 70, generator=generator(i)) for i in range(4)]


def labels(*rows: tuple[int, ...] | None) -> list[Target]:
    return [Target(labels=None if r is None else torch.tensor(r, dtype=torch.int64)) for r in rows]


TARGETS = labels((0,), (2,), None, (2,))


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Any:
    return build(request.param)


def build(name: str, **more: Any) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MODELS[name](**more)
        torch.nn.init.normal_(model.network.head.weight, std=0.3)
    return model.eval()


def objective(model: Any, targets: list[Target], random: torch.Generator | None = None) -> Tensor:
    batch = model.preprocess(IMAGES, targets)
    output = model(batch.pixels, batch.sizes, batch.targets, random)
    return model.losses(output, batch.targets)["classification"]


def test_every_parameter_gets_a_gradient(model: Any) -> None:
    objective(model.train(), TARGETS).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert 0 < parameter.grad.abs().sum() < math.inf, name


def test_images_without_a_label_teach_nothing(model: Any) -> None:
    loss = objective(model, labels(None, (), None, ()))
    loss.backward()
    assert loss == 0
    assert all((p.grad == 0).all() for p in model.parameters())
    whole = objective(model, TARGETS)
    output = model(*model.preprocess([IMAGES[i] for i in (0, 1, 3)])[:2])
    torch.testing.assert_close(
        model.losses(output, [TARGETS[i] for i in (0, 1, 3)])["classification"], whole
    )


def test_batch_equals_single_and_bytes_equal_floats(model: Any) -> None:
    whole = [(p * 255).to(torch.uint8) for p in IMAGES]
    together = predict(model, whole)
    for one, both in zip(whole, together, strict=True):
        (alone,) = predict(model, [one / 255])
        assert torch.equal(alone.labels, both.labels)
        torch.testing.assert_close(alone.class_scores, both.class_scores, rtol=1e-5, atol=1e-5)
        assert both.labels.tolist() == [both.class_scores.argmax().item()]
        assert both.class_scores.sum().item() == pytest.approx(1, abs=1e-6)


def test_score_is_the_logit_of_each_label_in_order(model: Any) -> None:
    targets = labels((2, 0), (), (1,), None)
    batch = model.preprocess(IMAGES)
    logits = model(batch.pixels, batch.sizes).logits
    expected = torch.stack((logits[0, 2], logits[0, 0], logits[2, 1]))
    torch.testing.assert_close(model.target_logits(IMAGES, targets), expected)
    assert model.target_logits(IMAGES[:1], labels(None)).shape == (0,)


def test_float64_and_bf16(model: Any) -> None:
    exact = objective(model, TARGETS)
    with Runtime(torch.device("cpu"), "bf16").autocast():
        batch = model.preprocess(IMAGES, TARGETS)
        output = model(batch.pixels, batch.sizes)
    rough = model.losses(output, TARGETS)["classification"]
    assert rough.dtype == model.postprocess(output, batch)[0].class_scores.dtype == torch.float32
    assert rough.item() == pytest.approx(exact.item(), rel=0.1)
    loss = objective(model.double(), TARGETS)
    assert loss.dtype == torch.float64
    assert loss.item() == pytest.approx(exact.item(), rel=1e-4)


@pytest.mark.parametrize("name", DROPPING)
def test_dropout_needs_truth_and_a_generator_and_no_mode(name: str) -> None:
    model = build(name, dropout=0.5)
    still = objective(model, TARGETS)
    dropped = [
        objective(model.train(mode), TARGETS, image_generators(1, len(IMAGES))).item()
        for mode in (True, False)
    ]
    assert dropped[0] == pytest.approx(dropped[1], rel=1e-6)
    assert dropped[0] != pytest.approx(still.item(), rel=1e-3)
    batch = model.preprocess(IMAGES)
    drawn = image_generators(1, len(IMAGES))
    plain, lucky = (model(batch.pixels, batch.sizes, None, g).logits for g in (None, drawn))
    assert torch.equal(plain, lucky)


@pytest.mark.parametrize("name", DEEP)
def test_every_layer_explains_and_the_first_one_knows_every_place(name: str) -> None:
    model = build(name)
    (answer,) = labels((1,))
    for name in model.explain_layers():
        heat = explain(model, IMAGES[0], answer, method="hires-cam", layer=name)
        assert heat.shape == IMAGES[0].shape[-2:]
    module, as_map = next(iter(model.explain_layers().values()))
    pixels = IMAGES[0].clone().requires_grad_()
    _, gradient = layer_gradient(model, pixels, answer, (module, as_map))
    assert gradient.ndim == 4
    assert (gradient != 0).any(dim=1).all()


def test_multilabel_by_hand() -> None:
    model = resnet10(**BODY, backbone_width=8, multilabel=True)
    output = ClassificationOutput(
        torch.tensor([[0.0, math.log(3), -math.log(3)], [math.log(3)] * 3, [9.0, 9, 9]])
    )
    targets = labels((0, 1), (), None)
    loss = model.losses(output, targets)["classification"]
    first = -(math.log(0.5) + 2 * math.log(0.75)) / 3
    assert loss.item() == pytest.approx((first - math.log(0.25)) / 2)
    batch = model.preprocess(IMAGES[:3])
    found = model.postprocess(output, batch)
    assert [p.labels.tolist() for p in found] == [[1, 0], [0, 1, 2], [0, 1, 2]]
    torch.testing.assert_close(found[0].class_scores, torch.tensor([0.5, 0.75, 0.25]))
    none = model.postprocess(ClassificationOutput(torch.full((1, 3), -1.0)), batch)[0]
    assert none.labels.shape == (0,)


def test_multilabel_is_pytorchs_loss() -> None:
    logits = torch.randn(5, 4, generator=generator(0))
    targets = labels((0,), (1, 3), (), (2,), (0, 1, 2, 3))
    wanted = torch.zeros(5, 4)
    for row, target in zip(wanted, targets, strict=True):
        row[target.labels] = 1
    for smoothing in (0.0, 0.2):
        softened = wanted * (1 - smoothing) + smoothing / 2
        expected = F.binary_cross_entropy_with_logits(logits, softened)
        torch.testing.assert_close(multilabel_loss(logits, targets, smoothing), expected)


def test_several_labels_share_an_image() -> None:
    logits = torch.randn(2, 4, generator=generator(0))
    soft = torch.tensor([[0.5, 0, 0.5, 0], [0, 1.0, 0, 0]])

    def loss(x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(x, y, reduction="none")

    torch.testing.assert_close(
        label_loss(logits, labels((0, 2), (1,)), loss), F.cross_entropy(logits, soft)
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: resnet10(label_smoothing=1.0), "label_smoothing"),
        (lambda: resnet10(dropout=1.0), "dropout"),
        (lambda: resnet10(stem="tiny"), "stem: expected one of imagenet, small"),
        (lambda: vit_b_16(pool="max"), "pool: expected one of token, average"),
        (lambda: vit_b_16(image_size=65), "patch: expected a divisor of image_size 65"),
        (lambda: vit_b_16(heads=7), "heads: expected a divisor of the width 768"),
        (lambda: linear(loss="l2"), "loss: expected one of softmax, hinge"),
    ],
)
def test_arguments_that_cannot_be(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message), torch.device("meta"):
        make()


def test_a_vit_takes_one_size_of_image() -> None:
    with pytest.raises(ValueError, match="expected 64 x 64"):
        build("vit")(torch.zeros(1, 3, 80, 80), torch.tensor([[80, 80]]))
