"""The same questions to every model."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tapetum.base.runtime import Runtime, generator
from tapetum.models import MODELS, task_of
from tapetum.models.predict import predict
from tapetum.structures import Batch, Learns, Objects, Prediction, Target

from .tiny import TINY

CPU = torch.device("cpu")


@pytest.fixture(params=sorted(MODELS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def model(name: str) -> Any:
    return build(name)


def build(name: str, seed: int = 0, **changes: Any) -> Any:
    """A tiny model whose scores are spread out: fresh heads say nearly the same everywhere, and
    then rounding, not the pictures, would decide what is found first."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: Any = MODELS[name](**{**TINY[name], **changes})
        for parameter in model.parameters():
            if parameter.ndim > 1:
                nn.init.kaiming_normal_(parameter, nonlinearity="linear")
    return model.eval()


def picture(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(3, height, width, generator=generator(seed, height, width))


def target(*rows: tuple[float, float, float, float, int], crowd: bool = False) -> Target:
    boxes = torch.tensor([row[:4] for row in rows], dtype=torch.float32).reshape(-1, 4)
    labels = torch.tensor([row[4] for row in rows], dtype=torch.int64)
    crowds = torch.full((len(rows),), crowd)
    return Target(objects=Objects(boxes=boxes, labels=labels, crowd=crowds))


PICTURES = [picture(96, 128, 1), picture(96, 128, 2), picture(120, 90, 3)]
TARGETS = [
    target((10, 10, 60, 50, 0), (70, 30, 120, 90, 1)),
    target(),
    target((5, 20, 80, 110, 2)),
]


def objective(model: Any, pictures: list[Tensor], targets: list[Target], seed: int = 0) -> Tensor:
    batch = model.prepare(pictures, targets)
    raw = model(batch.pixels, batch.sizes, batch.truth, generator(seed))
    losses = model.losses(raw, batch.truth)
    assert all(loss.ndim == 0 for loss in losses.values())
    return torch.stack(list(losses.values())).sum()


def tensors(raw: Any) -> Iterator[Tensor]:
    """All tensors of a Raw, nested ones too."""
    for value in raw:
        if isinstance(value, Tensor):
            yield value
        elif value is not None:
            yield from tensors(value)


def assert_same(first: Prediction, second: Prediction, tolerance: float = 0.0) -> None:
    a, b = first.objects, second.objects
    assert a is not None
    assert b is not None
    assert torch.equal(a.labels, b.labels)
    close = {"rtol": tolerance, "atol": tolerance, "check_dtype": False}
    torch.testing.assert_close(a.scores, b.scores, **close)
    torch.testing.assert_close(a.boxes, b.boxes, **{**close, "atol": tolerance * 128})


def test_every_model_has_tiny_arguments() -> None:
    assert set(TINY) == set(MODELS)


def test_it_is_a_model_that_learns_and_is_tiny(name: str, model: Any) -> None:
    assert isinstance(model, Learns)
    assert model.task == task_of(name)
    assert model.differentiable
    assert sum(p.numel() for p in model.parameters()) < 500_000


def test_arguments_are_json(name: str) -> None:
    defaults = {key: p.default for key, p in inspect.signature(MODELS[name]).parameters.items()}
    assert set(TINY[name]) <= set(defaults)
    again = MODELS[name](**json.loads(json.dumps({**defaults, **TINY[name]})))
    assert set(again.state_dict()) == set(build(name).state_dict())


def test_every_parameter_gets_a_gradient(model: Any) -> None:
    objective(model.train(), PICTURES, TARGETS).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("learning", [True, False])
def test_forward_has_one_meaning_in_training_and_evaluation(
    name: str, norm: str, learning: bool
) -> None:
    """Batch norm is the one part that may differ, and is held still here."""
    model = build(name, norm=norm)
    batch = model.prepare(PICTURES, TARGETS)
    truth = batch.truth if learning else None
    answers = []
    for training in (True, False):
        model.train(training)
        for part in model.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eval()
        with torch.no_grad():
            answers.append(list(tensors(model(batch.pixels, batch.sizes, truth, generator(1)))))
    assert len(answers[0]) == len(answers[1])
    for first, second in zip(*answers, strict=True):
        assert torch.equal(first, second)


def test_batch_equals_single(model: Any) -> None:
    pictures = [picture(96, 128, seed) for seed in range(3)]
    together = predict(model, pictures, batch_size=3)
    assert sum(len(p.objects) for p in together) > 10
    for one, both in zip(pictures, together, strict=True):
        assert_same(predict(model, [one])[0], both, 1e-5)


def test_order_and_company_do_not_matter(model: Any) -> None:
    pictures = [picture(96, 128, 1), picture(150, 60, 2), picture(96, 128, 3), picture(70, 70, 4)]
    forwards = predict(model, pictures, batch_size=2)
    backwards = predict(model, pictures[::-1], batch_size=3)[::-1]
    for first, second in zip(forwards, backwards, strict=True):
        assert_same(first, second, 1e-5)


def test_objects_are_inside_the_picture_and_in_order(model: Any) -> None:
    pictures = [picture(h, w) for h, w in ((32, 500), (500, 33), (37, 91), (251, 127), (32, 32))]
    for one, prediction in zip(pictures, predict(model, pictures), strict=True):
        objects, (height, width) = prediction.objects, one.shape[1:]
        assert len(objects) > 0
        x1, y1, x2, y2 = objects.boxes.unbind(1)
        assert (x1 >= 0).all()
        assert (x1 < x2).all()
        assert (x2 <= width).all()
        assert (y1 >= 0).all()
        assert (y1 < y2).all()
        assert (y2 <= height).all()
        assert (objects.scores.diff() <= 0).all()
        assert (objects.scores.min() >= 0) & (objects.scores.max() <= 1)
        assert (objects.labels.min() >= 0) & (objects.labels.max() < 3)


@pytest.mark.parametrize(
    "targets",
    [
        [target(), target()],
        [target((10, 10, 60, 50, 1), crowd=True), target((0, 0, 128, 96, 0), crowd=True)],
        [target((10, 10, 60, 50, 1)), target()],
        [target((20, 20, 20, 40, 1)), target((10, 10, 10.001, 10.001, 1))],
    ],
    ids=["nothing", "crowds only", "one and none", "thin boxes"],
)
def test_losses_are_finite_whatever_there_is(model: Any, targets: list[Target]) -> None:
    loss = objective(model.train(), PICTURES[:2], targets)
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_crowds_are_neither_things_nor_background(model: Any) -> None:
    """With a crowd all over the picture there is nothing left to be right or wrong about."""
    everywhere = [target((0, 0, 128, 96, 1), crowd=True)]
    assert objective(model, PICTURES[:1], everywhere) < objective(model, PICTURES[:1], [target()])


def test_losses_are_pure(model: Any) -> None:
    batch = model.prepare(PICTURES, TARGETS)
    raw = model(batch.pixels, batch.sizes, batch.truth, generator(0))
    kept = [value.clone() for value in tensors(raw)]
    first, second = (model.losses(raw, batch.truth) for _ in range(2))
    assert {k: v.item() for k, v in first.items()} == {k: v.item() for k, v in second.items()}
    assert all(torch.equal(a, b) for a, b in zip(kept, tensors(raw), strict=True))


def test_chance_comes_from_the_generator_alone(model: Any) -> None:
    state = torch.random.get_rng_state()
    losses = [objective(model, PICTURES, TARGETS, seed=7).item() for _ in range(2)]
    assert losses[0] == losses[1]
    assert torch.equal(state, torch.random.get_rng_state())


def test_save_and_load_are_equal(name: str, tmp_path: Path) -> None:
    first, second = build(name, seed=0), build(name, seed=1)
    save_file(first.state_dict(), tmp_path / "model.safetensors")
    second.load_state_dict(load_file(tmp_path / "model.safetensors"))
    for a, b in zip(predict(first, PICTURES), predict(second, PICTURES), strict=True):
        assert_same(a, b)


def test_score_is_a_logit_a_thing_and_differentiable(model: Any) -> None:
    pictures = [p.clone().requires_grad_() for p in PICTURES]
    scores = model.score(pictures, TARGETS)
    assert scores.shape == (3,)
    for index, owner in ((0, 0), (2, 2)):
        gradients = torch.autograd.grad(
            scores[index], pictures, retain_graph=True, materialize_grads=True
        )
        assert [bool(g.abs().sum() > 0) for g in gradients] == [i == owner for i in range(3)]


def test_score_follows_the_label(model: Any) -> None:
    box = (10, 10, 60, 50)
    scores = [model.score(PICTURES[:1], [target((*box, label))]).item() for label in range(3)]
    together = model.score(PICTURES[:1], [target(*((*box, label) for label in range(3)))])
    assert len({round(s, 4) for s in scores}) == 3
    torch.testing.assert_close(together, torch.tensor(scores))


def test_score_of_nothing_is_empty(model: Any) -> None:
    assert model.score(PICTURES[:1], [target()]).shape == (0,)


def test_explain_layers_give_maps_and_the_first_serves_every_thing(model: Any) -> None:
    layers = model.explain_layers()
    seen: dict[str, Tensor] = {}

    def watch(key: str, as_map: Any) -> Any:
        return lambda module, inputs, output: seen.update({key: as_map(output)})

    handles = [m.register_forward_hook(watch(key, f)) for key, (m, f) in layers.items()]
    scores = model.score(PICTURES, TARGETS)
    for handle in handles:
        handle.remove()
    assert set(seen) == set(layers)
    assert all(value.ndim == 4 and len(value) == 3 for value in seen.values())
    for score in scores:
        (gradient,) = torch.autograd.grad(score, seen[next(iter(layers))], retain_graph=True)
        assert gradient.abs().sum() > 0


def test_predict_leaves_the_model_as_it_was(model: Any) -> None:
    model.train()
    next(model.children()).eval()
    next(model.parameters()).grad = torch.ones_like(next(model.parameters()))
    modes = [part.training for part in model.modules()]
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    predict(model, PICTURES)
    assert [part.training for part in model.modules()] == modes
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())
    assert (next(model.parameters()).grad == 1).all()
    assert all(p.requires_grad for p in model.parameters())


def test_predictions_may_be_used_in_training(model: Any) -> None:
    """Predicting warms the caches; neither they nor its answers may be tied to inference mode."""
    found = predict(model, PICTURES)
    assert not found[0].objects.boxes.is_inference()
    objective(model, PICTURES, [Target(objects=p.objects.with_(scores=None)) for p in found])
    objective(model, PICTURES, TARGETS).backward()


def test_uint8_and_float_pictures_are_the_same(model: Any) -> None:
    whole = [(p * 255).to(torch.uint8) for p in PICTURES]
    parts = [p.float() / 255 for p in whole]
    for a, b in zip(predict(model, whole), predict(model, parts), strict=True):
        assert_same(a, b)


def test_float64_all_the_way(model: Any) -> None:
    model.double().train()
    loss = objective(model, PICTURES, TARGETS)
    assert loss.dtype == torch.float64
    loss.backward()
    objects = predict(model, [p.double() for p in PICTURES])[0].objects
    assert objects.boxes.dtype == objects.scores.dtype == torch.float64


def test_bf16_training_step(model: Any) -> None:
    runtime = Runtime(CPU, "bf16")
    model.train()
    batch = model.prepare(PICTURES, TARGETS)
    with runtime.autocast():
        raw = model(batch.pixels, batch.sizes, batch.truth, generator(0))
    losses = model.losses(raw, batch.truth)
    assert all(loss.dtype == torch.float32 for loss in losses.values())
    exact = objective(model, PICTURES, TARGETS).item()
    loss = torch.stack(list(losses.values())).sum()
    loss.backward()
    assert loss.item() == pytest.approx(exact, rel=0.1)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    objects = predict(model, PICTURES, runtime=runtime)[0].objects
    assert objects.boxes.dtype == objects.scores.dtype == torch.float32


def test_prepare_moves_truth_and_keeps_gradients(model: Any) -> None:
    one = picture(48, 64).requires_grad_()
    batch = model.prepare([one], [target((8, 12, 32, 36, 0))])
    assert isinstance(batch, Batch)
    height, width = batch.sizes[0].tolist()
    expected = torch.tensor([[8 / 64 * width, 12 / 48 * height, 0.5 * width, 0.75 * height]])
    torch.testing.assert_close(batch.truth[0].objects.boxes, expected)
    assert batch.originals.tolist() == [[48, 64]]
    batch.pixels.sum().backward()
    assert (one.grad != 0).all()
