"""Questions about how a model learns: its losses, its gradients, its chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tapetum.base.runtime import Runtime
from tapetum.base.seeds import ImageGenerators, image_generators
from tapetum.models.predict import predict
from tapetum.structures import Batch, Model, Target
from tapetum.testing.report import DoesNotApply, Question, expect
from tapetum.testing.subject import Subject, as_target, without

CPU = torch.device("cpu")
_EMPTY = "mean over nothing is not a number: clamp the count to 1, and add 0 * logits.sum()"


def learners(subject: Subject) -> None:
    """Those that descend a loss."""
    if subject.fitted:
        raise DoesNotApply("it is fitted, not descended")


def objective(
    model: Model, images: Sequence[Tensor], targets: Sequence[Target], seed: int = 0
) -> Tensor:
    """The sum of the losses."""
    batch = model.preprocess(images, targets)
    assert batch.targets is not None  # targets were given
    output = model(batch.pixels, batch.sizes, batch.targets, drawing(seed, batch))
    return total(model.losses(output, batch.targets))


def drawing(seed: int, batch: Batch) -> ImageGenerators:
    """A generator for each image of a batch."""
    return image_generators(seed, len(batch.sizes))


def total(losses: dict[str, Tensor]) -> Tensor:
    for name, loss in losses.items():
        expect(loss.ndim == 0, f"loss {name}: expected one number, got {tuple(loss.shape)}")
    expect(losses, "losses: expected at least one, got none")
    return torch.stack(list(losses.values())).sum()


def tensors(output: Any) -> Iterator[Tensor]:
    """All tensors of an output, nested ones too."""
    for value in output:
        if isinstance(value, Tensor):
            yield value
        elif value is not None:
            yield from tensors(value)


def every_parameter_learns(subject: Subject) -> None:
    model = subject.build().train()
    objective(model, subject.images, subject.targets()).backward()
    odd = [f"{name} {_gradient(p)}" for name, p in model.named_parameters() if _gradient(p)]
    text = ", ".join(odd[:5]) + (f" and {len(odd) - 5} more" if len(odd) > 5 else "")
    hint = "use it in forward, or do not register it; frozen weights are buffers"
    expect(not odd, text, hint)


def _gradient(parameter: nn.Parameter) -> str:
    """What is wrong with its gradient, with its shape; "" where nothing is."""
    grad, shape = parameter.grad, tuple(parameter.shape)
    if grad is None:
        return f"{shape} gets no gradient"
    if not bool(grad.isfinite().all()):
        return f"{shape} gets a gradient that is not finite"
    return "" if bool(grad.abs().sum() > 0) else f"{shape} gets a gradient of zeros"


def forward_means_the_same(subject: Subject) -> None:
    """Batch norm is the one part that may differ, and is held still here."""
    for variant in subject.variants:
        model = subject.build(**variant)
        batch = model.preprocess(subject.images, subject.targets())
        for targets in (batch.targets, None):
            first, second = (_outputs(model, batch, targets, mode) for mode in (True, False))
            given = "with" if targets is not None else "without"
            text = f"{given} targets, forward gives {{}} in training and {{}} in evaluation"
            counts = len(first), len(second)
            expect(counts[0] == counts[1], text.format(*(f"{n} tensors" for n in counts)))
            for place, (a, b) in enumerate(zip(first, second, strict=True)):
                why = f"{given} targets, output {place} {tuple(a.shape)} of forward differs by mode"
                hint = "ask `targets is not None`, not self.training; tapetum.layers.dropout"
                expect(torch.equal(a, b), why, hint)


def _outputs(
    model: Model, batch: Batch, targets: Sequence[Target] | None, training: bool
) -> list[Tensor]:
    model.train(training)
    for part in model.modules():
        if isinstance(part, _BatchNorm):
            part.eval()
    with torch.no_grad():
        return list(tensors(model(batch.pixels, batch.sizes, targets, drawing(1, batch))))


def nothing_to_learn(subject: Subject) -> None:
    model, targets = subject.build().train(), subject.targets()
    for given in ([without(one) for one in targets], [*map(without, targets[:2]), targets[2]]):
        model.zero_grad()
        loss = objective(model, subject.images, given)
        loss.backward()
        expect(loss.isfinite(), f"with nothing to learn in an image the loss is {loss}", _EMPTY)
        finite_gradients(model)


def finite_gradients(model: nn.Module) -> None:
    odd = [
        name
        for name, p in model.named_parameters()
        if p.grad is not None and not bool(p.grad.isfinite().all())
    ]
    expect(not odd, f"gradients are not finite: {', '.join(odd[:5])}", _EMPTY)


def losses_are_pure(subject: Subject) -> None:
    model = subject.build()
    batch = model.preprocess(subject.images, subject.targets())
    assert batch.targets is not None
    targets = batch.targets
    output = model(batch.pixels, batch.sizes, targets, drawing(0, batch))
    kept = [value.clone() for value in tensors(output)]
    first, second = (
        {k: v.item() for k, v in model.losses(output, targets).items()} for _ in range(2)
    )
    hint = "a function of output and targets alone; chance belongs into forward"
    expect(first == second, f"asked twice, losses gives {first} and {second}", hint)
    same = all(torch.equal(a, b) for a, b in zip(kept, tensors(output), strict=True))
    expect(same, "losses changes the outputs that it is given", "no operation in place")


def chance_is_given(subject: Subject) -> None:
    model, targets = subject.build(), subject.targets()
    state = torch.random.get_rng_state()
    losses = [objective(model, subject.images, targets, seed=7).item() for _ in range(2)]
    hint = "draw from the generators that forward is given"
    why = f"with one generator's seed twice the loss is {losses[0]} and {losses[1]}"
    expect(losses[0] == losses[1], why, hint)
    now = torch.random.get_rng_state()
    expect(torch.equal(state, now), "it draws from the global random state", hint)


def predictions_allow_training(subject: Subject) -> None:
    """Predicting warms the caches; neither they nor its answers may be tied to inference mode."""
    model = subject.build()
    found = predict(model, subject.images)
    objective(model, subject.images, [as_target(p) for p in found])
    objective(model, subject.images, subject.targets()).backward()


def stays_exact(subject: Subject) -> None:
    model = subject.build().double().train()
    loss = objective(model, subject.images, subject.targets())
    hint = "preprocess in the dtype of a weight; no .float(), no torch.zeros without dtype"
    expect(loss.dtype == torch.float64, f"loss: expected float64, got {loss.dtype}", hint)
    loss.backward()
    found = predict(model, [p.double() for p in subject.images])[0]
    values = {"class_scores": found.class_scores}
    if found.objects is not None:
        values |= {"boxes": found.objects.boxes, "scores": found.objects.scores}
    for name, value in values.items():
        right = value is None or value.dtype == torch.float64
        expect(right, f"{name}: expected float64, got {getattr(value, 'dtype', None)}", hint)


def learns_in_half_precision(subject: Subject) -> None:
    runtime, model = Runtime(CPU, "bf16"), subject.build().train()
    exact = objective(model, subject.images, subject.targets())
    exact.backward()
    learning = {name for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    batch = model.preprocess(subject.images, subject.targets())
    assert batch.targets is not None
    with runtime.autocast():
        output = model(batch.pixels, batch.sizes, batch.targets, drawing(0, batch))
        losses = model.losses(output, batch.targets)
    hint = "losses computes in float32: logits.float()"
    for name, each in losses.items():
        expect(each.dtype == torch.float32, f"loss {name}: got {each.dtype}", hint)
    loss, wanted = total(losses), exact.item()
    loss.backward()
    why = f"the loss is {loss.item():.4g} in bf16 and {wanted:.4g} in float32"
    expect(abs(loss.item() - wanted) <= 0.1 * abs(wanted), why, hint)
    lost = [name for name, p in model.named_parameters() if p.grad is None and name in learning]
    expect(not lost, f"no gradient in bf16: {', '.join(lost[:5])}")
    finite_gradients(model)
    found = predict(model, subject.images, runtime=runtime)[0]
    scores = {"class_scores": found.class_scores}
    scores["objects.scores"] = None if found.objects is None else found.objects.scores
    for name, value in scores.items():
        right = value is None or value.dtype == torch.float32
        expect(right, f"{name}: got {getattr(value, 'dtype', None)}", "postprocess in float32")


LEARNING = (
    Question("every parameter gets a gradient", every_parameter_learns, learners),
    Question("forward means the same in training and evaluation", forward_means_the_same),
    Question("losses are finite where there is nothing to learn", nothing_to_learn, learners),
    Question("losses are pure", losses_are_pure, learners),
    Question("chance comes from the generators alone", chance_is_given, learners),
    Question("predictions may be used in training", predictions_allow_training, learners),
    Question("float64 stays float64", stays_exact, learners),
    Question("it takes a step in bf16", learns_in_half_precision, learners),
)
