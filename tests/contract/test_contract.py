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
from tapetum.models import MODELS, accepted, task_of
from tapetum.models.predict import predict
from tapetum.structures import TASKS, Batch, Fits, Learns, Target

from .cases import (
    BOXED,
    PICTURES,
    answered,
    as_truth,
    assert_same,
    build,
    owners,
    picture,
    target,
    targets,
    without,
)
from .tiny import TINY

CPU = torch.device("cpu")


@pytest.fixture(params=sorted(MODELS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def model(name: str) -> Any:
    return build(name)


@pytest.fixture
def learner(model: Any) -> Any:
    if not isinstance(model, Learns):
        pytest.skip("is fitted, not descended")
    return model


@pytest.fixture
def truth(name: str) -> list[Target]:
    return targets(task_of(name))


def objective(model: Any, pictures: list[Tensor], truth: list[Target], seed: int = 0) -> Tensor:
    batch = model.prepare(pictures, truth)
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


def test_every_model_has_tiny_arguments() -> None:
    assert set(TINY) == set(MODELS)


def test_it_is_a_model_of_its_task_and_tiny(name: str, model: Any) -> None:
    assert isinstance(model, (Learns, Fits))
    assert model.task == task_of(name)
    assert model.task in TASKS
    assert model.differentiable
    assert sum(p.numel() for p in model.parameters()) < 500_000


def test_arguments_are_json(name: str) -> None:
    defaults = {key: p.default for key, p in inspect.signature(MODELS[name]).parameters.items()}
    assert set(TINY[name]) <= set(defaults)
    again = MODELS[name](**json.loads(json.dumps({**defaults, **TINY[name]})))
    assert set(again.state_dict()) == set(build(name).state_dict())


def test_every_parameter_gets_a_gradient(learner: Any, truth: list[Target]) -> None:
    objective(learner.train(), PICTURES, truth).backward()
    for name, parameter in learner.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("learning", [True, False])
def test_forward_has_one_meaning_in_training_and_evaluation(
    name: str, truth: list[Target], norm: str, learning: bool
) -> None:
    """Batch norm is the one part that may differ, and is held still here."""
    model = build(name, **accepted(name, {"norm": norm}))
    batch = model.prepare(PICTURES, truth)
    given = batch.truth if learning else None
    answers = []
    for training in (True, False):
        model.train(training)
        for part in model.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eval()
        with torch.no_grad():
            answers.append(list(tensors(model(batch.pixels, batch.sizes, given, generator(1)))))
    assert len(answers[0]) == len(answers[1])
    for first, second in zip(*answers, strict=True):
        assert torch.equal(first, second)


def test_batch_equals_single(model: Any) -> None:
    pictures = [picture(96, 128, seed) for seed in range(3)]
    together = predict(model, pictures, batch_size=3)
    assert sum(answered(p) for p in together) > 2
    for one, both in zip(pictures, together, strict=True):
        assert_same(predict(model, [one])[0], both, 1e-5)


def test_order_and_company_do_not_matter(model: Any) -> None:
    pictures = [picture(96, 128, 1), picture(150, 60, 2), picture(96, 128, 3), picture(70, 70, 4)]
    forwards = predict(model, pictures, batch_size=2)
    backwards = predict(model, pictures[::-1], batch_size=3)[::-1]
    for first, second in zip(forwards, backwards, strict=True):
        assert_same(first, second, 1e-5)


def test_answers_are_in_the_frame_of_pictures_of_any_size(model: Any) -> None:
    pictures = [picture(h, w) for h, w in ((32, 500), (500, 33), (37, 91), (251, 127), (32, 32))]
    for one, prediction in zip(pictures, predict(model, pictures), strict=True):
        assert answered(prediction) > 0
        if prediction.semantic is not None:
            assert prediction.semantic.shape == one.shape[1:]
            assert prediction.semantic.max() < 3
        if prediction.class_scores is not None:
            assert prediction.class_scores.shape == (3,)
            assert prediction.class_scores.min() >= 0
            assert prediction.class_scores.sum() == pytest.approx(1, abs=1e-5)


def test_losses_are_finite_without_truth_to_learn(learner: Any, truth: list[Target]) -> None:
    for given in ([without(one) for one in truth], [*map(without, truth[:2]), truth[2]]):
        learner.zero_grad()
        loss = objective(learner.train(), PICTURES, given)
        loss.backward()
        assert loss.isfinite()
        assert all(p.grad is None or p.grad.isfinite().all() for p in learner.parameters())


def test_losses_are_pure(learner: Any, truth: list[Target]) -> None:
    batch = learner.prepare(PICTURES, truth)
    raw = learner(batch.pixels, batch.sizes, batch.truth, generator(0))
    kept = [value.clone() for value in tensors(raw)]
    first, second = (learner.losses(raw, batch.truth) for _ in range(2))
    assert {k: v.item() for k, v in first.items()} == {k: v.item() for k, v in second.items()}
    assert all(torch.equal(a, b) for a, b in zip(kept, tensors(raw), strict=True))


def test_chance_comes_from_the_generator_alone(learner: Any, truth: list[Target]) -> None:
    state = torch.random.get_rng_state()
    losses = [objective(learner, PICTURES, truth, seed=7).item() for _ in range(2)]
    assert losses[0] == losses[1]
    assert torch.equal(state, torch.random.get_rng_state())


def test_save_and_load_are_equal(name: str, tmp_path: Path) -> None:
    first, second = build(name, seed=0), build(name, seed=1)
    save_file(first.state_dict(), tmp_path / "model.safetensors")
    second.load_state_dict(load_file(tmp_path / "model.safetensors"))
    for a, b in zip(predict(first, PICTURES), predict(second, PICTURES), strict=True):
        assert_same(a, b)


def test_score_is_a_logit_a_thing_and_differentiable(model: Any, truth: list[Target]) -> None:
    pictures = [p.clone().requires_grad_() for p in PICTURES]
    scores = model.score(pictures, truth)
    assert len(scores) == len(owners(model.task))
    for index, owner in enumerate(owners(model.task)):
        gradients = torch.autograd.grad(
            scores[index], pictures, retain_graph=True, materialize_grads=True
        )
        touched = [bool(g.abs().sum() > 0) for g in gradients]
        assert touched == [i == owner for i in range(3)]


def test_score_follows_the_label(model: Any) -> None:
    if model.task == "keypoints":
        pytest.skip("there is one class: what has these keypoints")
    row = (10.0, 10.0, 60.0, 50.0)
    one = [target(model.task, (96, 128), (*row, label)) for label in range(3)]
    scores = [model.score(PICTURES[:1], [each]).item() for each in one]
    assert len({round(s, 6) for s in scores}) == 3


def test_score_of_nothing_is_empty(model: Any, truth: list[Target]) -> None:
    assert model.score(PICTURES[:1], [without(truth[0])]).shape == (0,)


def test_explain_layers_give_maps_and_the_first_serves_every_thing(
    model: Any, truth: list[Target]
) -> None:
    layers = model.explain_layers()
    if not layers:
        assert not any(isinstance(part, nn.Conv2d) for part in model.modules())
        return
    seen: dict[str, Any] = {}

    def watch(key: str) -> Any:
        return lambda module, inputs, output: seen.update({key: output})

    handles = [module.register_forward_hook(watch(key)) for key, (module, _) in layers.items()]
    scores = model.score(PICTURES, truth)
    for handle in handles:
        handle.remove()
    maps = {key: as_map(seen[key]) for key, (_, as_map) in layers.items()}
    assert all(value.ndim == 4 and len(value) == 3 for value in maps.values())
    first = next(iter(layers))
    # A map that is cut out of the output lies beside the graph; the output itself lies in it.
    output = seen[first] if isinstance(seen[first], Tensor) else maps[first]
    for score in scores:
        (gradient,) = torch.autograd.grad(score, output, retain_graph=True)
        assert gradient.abs().sum() > 0


def test_predict_leaves_the_model_as_it_was(model: Any) -> None:
    model.train()
    for child in list(model.children())[:1]:
        child.eval()
    for parameter in list(model.parameters())[:1]:
        parameter.grad = torch.ones_like(parameter)
    modes = [part.training for part in model.modules()]
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    predict(model, PICTURES)
    assert [part.training for part in model.modules()] == modes
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())
    assert all((p.grad == 1).all() for p in list(model.parameters())[:1])
    assert all(p.requires_grad for p in model.parameters())


def test_predictions_may_be_used_in_training(learner: Any, truth: list[Target]) -> None:
    """Predicting warms the caches; neither they nor its answers may be tied to inference mode."""
    found = predict(learner, PICTURES)
    objective(learner, PICTURES, [as_truth(p) for p in found])
    objective(learner, PICTURES, truth).backward()


def test_uint8_and_float_pictures_are_the_same(model: Any) -> None:
    whole = [(p * 255).to(torch.uint8) for p in PICTURES]
    parts = [p.float() / 255 for p in whole]
    for a, b in zip(predict(model, whole), predict(model, parts), strict=True):
        assert_same(a, b)


def test_float64_all_the_way(learner: Any, truth: list[Target]) -> None:
    learner.double().train()
    loss = objective(learner, PICTURES, truth)
    assert loss.dtype == torch.float64
    loss.backward()
    found = predict(learner, [p.double() for p in PICTURES])[0]
    values = [found.class_scores]
    if found.objects is not None:
        values += [found.objects.boxes, found.objects.scores]
    assert all(value is None or value.dtype == torch.float64 for value in values)


def test_bf16_training_step(learner: Any, truth: list[Target]) -> None:
    runtime = Runtime(CPU, "bf16")
    learner.train()
    batch = learner.prepare(PICTURES, truth)
    with runtime.autocast():
        raw = learner(batch.pixels, batch.sizes, batch.truth, generator(0))
        losses = learner.losses(raw, batch.truth)
    assert all(loss.dtype == torch.float32 for loss in losses.values())
    exact = objective(learner, PICTURES, truth).item()
    loss = torch.stack(list(losses.values())).sum()
    loss.backward()
    assert loss.item() == pytest.approx(exact, rel=0.1)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in learner.parameters())
    found = predict(learner, PICTURES, runtime=runtime)[0]
    values = [found.class_scores, found.objects and found.objects.scores]
    assert all(value is None or value.dtype == torch.float32 for value in values)


def test_prepare_moves_truth_and_keeps_gradients(model: Any) -> None:
    one = picture(48, 64).requires_grad_()
    batch = model.prepare([one], [target(model.task, (48, 64), (8, 12, 32, 36, 0))])
    assert isinstance(batch, Batch)
    height, width = batch.sizes[0].tolist()
    moved = batch.truth[0]
    if model.task in BOXED:
        expected = torch.tensor([[8 / 64 * width, 12 / 48 * height, 0.5 * width, 0.75 * height]])
        torch.testing.assert_close(moved.objects.boxes, expected)
    if moved.semantic is not None:
        share = (moved.semantic[:height, :width] == 0).double().mean().item()
        assert share == pytest.approx(24 * 24 / (48 * 64), abs=0.02)
        assert (moved.semantic[height:] == 255).all()
    assert batch.originals.tolist() == [[48, 64]]
    batch.pixels.sum().backward()
    assert (one.grad != 0).double().mean() > 0.9
