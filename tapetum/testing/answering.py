"""Checks of what a model is, and of its predictions."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tapetum.base.errors import CheckpointError
from tapetum.models.catalog import REQUIRED
from tapetum.models.predict import predict
from tapetum.structures import DESCEND, FIT, IGNORE_INDEX, TASKS, Batch, Prediction
from tapetum.testing.compare import difference
from tapetum.testing.report import Question, expect
from tapetum.testing.subject import (
    BOXED,
    ODD_SIZES,
    Subject,
    answered,
    arguments_with_defaults,
    noise,
    unspread,
)
from tapetum.weights.tensors_file import refuse_unsavable

LOW = "keep low scores: callers apply their thresholds; or give images="


def is_a_model(subject: Subject) -> None:
    model = unspread(subject.function, subject.arguments)
    expect(
        model.task in TASKS,
        f"task: expected one of {', '.join(TASKS)}, got {model.task!r}",
        'write task = "..." in the class',
    )
    expect(
        model.task == subject.task,
        f"its function declares {subject.task}, the model itself {model.task}",
    )
    unknown = sorted(set(model.phases) - {DESCEND, FIT})
    expect(model.phases and not unknown, f"phases: expected {DESCEND}, {FIT} or both")


def takes_json(subject: Subject) -> None:
    known = arguments_with_defaults(subject.function)
    defaults = {name: value for name, value in known.items() if value is not REQUIRED}
    given = {**defaults, **subject.arguments}
    unknown = sorted(set(subject.arguments) - set(known))
    expect(not unknown, f"it has no arguments {', '.join(unknown)}")
    for name, value in given.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError):
            why = f"argument {name}: expected a JSON value, got {type(value).__name__}"
            expect(False, why, "a run stores the arguments: numbers, texts, lists, None")
    again = subject.function(**json.loads(json.dumps(given))).state_dict()
    state = subject.build().state_dict()
    odd = sorted(set(again) ^ set(state))
    expect(not odd, f"built twice, it has other weights: {', '.join(odd[:5])}")


def moves_targets(subject: Subject) -> None:
    model = subject.build()
    one = noise(48, 64).requires_grad_()
    batch = model.preprocess([one], [subject.target((48, 64), (8, 12, 32, 36, 0))])
    expect(isinstance(batch, Batch), f"preprocess: expected a Batch, got {type(batch).__name__}")
    height, width = batch.sizes[0].tolist()
    expect(
        batch.originals.tolist() == [[48, 64]],
        f"originals: expected [[48, 64]], got {batch.originals.tolist()}",
    )
    expect(
        batch.targets is not None and len(batch.targets) == 1,
        "targets: expected one Target an image",
        "preprocess(images, targets) gives the moved targets in Batch.targets",
    )
    assert batch.targets is not None
    moved = batch.targets[0]
    if moved.objects is not None:
        ours = torch.tensor([8 / 64 * width, 12 / 48 * height, 0.5 * width, 0.75 * height])
        found = moved.objects.boxes[0].float()
        why = f"boxes: expected {_list(ours)} in an image of {height} x {width}, got {_list(found)}"
        expect(torch.isclose(found, ours, rtol=1.3e-6, atol=1e-5).all(), why)
    if moved.semantic is not None:
        fraction = (moved.semantic[:height, :width] == 0).double().mean().item()
        why = f"semantic: {fraction:.3f} of the map is marked, expected {24 * 24 / (48 * 64):.3f}"
        expect(abs(fraction - 24 * 24 / (48 * 64)) <= 0.02, why, "resize it to nearest")
        rest = bool((moved.semantic[height:] == IGNORE_INDEX).all())
        expect(rest, f"semantic: the padding is not {IGNORE_INDEX}", "there pixels are ignored")
    batch.pixels.sum().backward()
    touched = 0.0 if one.grad is None else float((one.grad != 0).double().mean())
    why = f"{100 * touched:.0f} % of the pixels of an image have a gradient, expected 90 or more"
    expect(touched > 0.9, why, "no .detach(), no torch.no_grad, no NumPy in preprocess")


def batch_equals_single(subject: Subject) -> None:
    model = subject.build()
    height, width = subject.size
    images = [noise(height, width, seed) for seed in range(3)]
    together = predict(model, images, batch_size=3)
    count = sum(answered(p) for p in together)
    expect(count > 2, f"only {count} objects are found in three images of noise", LOW)
    for number, (one, both) in enumerate(zip(images, together, strict=True)):
        odd = difference(predict(model, [one])[0], both, 1e-5)
        why = f"image {number} of a batch is predicted differently than alone: {odd}"
        hint = "images must not be mixed: no batch statistics in evaluation"
        expect(odd is None, why, hint)


def order_does_not_matter(subject: Subject) -> None:
    model = subject.build()
    images = [noise(96, 128, 1), noise(150, 60, 2), noise(96, 128, 3), noise(70, 70, 4)]
    forwards = predict(model, images, batch_size=2)
    backwards = predict(model, images[::-1], batch_size=3)[::-1]
    for number, (first, second) in enumerate(zip(forwards, backwards, strict=True)):
        odd = difference(first, second, 1e-5)
        why = f"image {number} is predicted differently in another order: {odd}"
        expect(
            odd is None,
            why,
            "a prediction may depend on its image alone, and must not change the model",
        )


def is_in_the_frame(subject: Subject) -> None:
    images = [noise(*size) for size in ODD_SIZES]
    for one, found in zip(images, predict(subject.build(), images), strict=True):
        size = f"{one.shape[1]} x {one.shape[2]}"
        expect(isinstance(found, Prediction), f"postprocess: got {type(found).__name__}")
        _has_its_fields(subject, found)
        expect(answered(found) > 0, f"nothing is found in noise of {size}", LOW)
        if found.semantic is not None:
            why = f"semantic: expected {size}, got {tuple(found.semantic.shape)}"
            hint = "cut the padding off and resize to batch.originals in postprocess"
            expect(found.semantic.shape == one.shape[1:], why, hint)
            top = int(found.semantic.max())
            expect(
                top < subject.num_classes,
                f"semantic: {top} is none of {subject.num_classes} classes",
            )
        if found.class_scores is not None:
            _are_probabilities(subject, found.class_scores)


def _has_its_fields(subject: Subject, found: Prediction) -> None:
    """The fields that a prediction needs, by task."""
    needed: dict[str, Any] = {
        "labels": {"labels": found.labels, "class_scores": found.class_scores},
        "semantic": {"semantic": found.semantic},
    }.get(subject.annotation, {"objects": found.objects})
    if found.objects is not None and subject.task in BOXED:
        needed |= {"objects.scores": found.objects.scores}
        if subject.annotation in ("masks", "keypoints"):
            needed[f"objects.{subject.annotation}"] = getattr(found.objects, subject.annotation)
    lacking = [name for name, value in needed.items() if value is None]
    expect(not lacking, f"predictions for {subject.task} have no {', '.join(lacking)}")


def _are_probabilities(subject: Subject, scores: Tensor) -> None:
    shape = tuple(scores.shape)
    expect(
        shape == (subject.num_classes,),
        f"class_scores: expected {subject.num_classes}, got {shape}",
    )
    low, total = float(scores.min()), float(scores.sum())
    expect(low >= 0, f"class_scores: {low:.3g} is below 0", "softmax")
    expect(abs(total - 1) <= 1e-5, f"class_scores: sum {total:.6g}, expected 1", "softmax")


def takes_bytes(subject: Subject) -> None:
    whole = [(p * 255).to(torch.uint8) for p in subject.images]
    parts = [p.float() / 255 for p in whole]
    model = subject.build()
    for a, b in zip(predict(model, whole), predict(model, parts), strict=True):
        odd = difference(a, b)
        why = f"an image in bytes is predicted differently than in [0, 1]: {odd}"
        expect(odd is None, why, "preprocess divides uint8 by 255, and leaves float as it is")


def predicting_leaves_it(subject: Subject) -> None:
    model = subject.build().train()
    for child in list(model.children())[:1]:
        child.eval()
    for parameter in list(model.parameters())[:1]:
        parameter.grad = torch.ones_like(parameter)
    asks = [p.requires_grad for p in model.parameters()]
    modes = [part.training for part in model.modules()]
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    predict(model, subject.images)
    expect([p.training for p in model.modules()] == modes, "the mode of a part changed")
    expect(torch.equal(torch.random.get_rng_state(), state), "the random state changed")
    now = model.state_dict()
    changed = [key for key, value in weights.items() if not torch.equal(value, now[key])]
    hint = "predicting must not change parameters or buffers"
    expect(not changed, f"weights changed: {', '.join(changed[:5])}", hint)
    graded = all(
        p.grad is not None and bool((p.grad == 1).all()) for p in list(model.parameters())[:1]
    )
    expect(graded, "the gradients changed")
    expect([p.requires_grad for p in model.parameters()] == asks, "requires_grad changed")


def saves_and_loads(subject: Subject) -> None:
    first, second = subject.build(seed=0), subject.build(seed=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        try:
            refuse_unsavable(first)
        except CheckpointError as error:
            expect(False, str(error), error.hint or "")
        dense = {key: value.contiguous() for key, value in first.state_dict().items()}
        save_file(dense, path)
        second.load_state_dict(load_file(path))
    found = zip(*(predict(m, subject.images) for m in (first, second)), strict=True)
    for a, b in found:
        odd = difference(a, b)
        why = f"with the weights of another model it predicts differently: {odd}"
        hint = "what is learned or drawn at random must be in parameters or buffers"
        expect(odd is None, why, hint)


def _list(values: Tensor) -> list[float]:
    return [round(value, 2) for value in values.tolist()]


IDENTITY = (
    Question("it is a model of its task", is_a_model),
    Question("its arguments are JSON values", takes_json),
)
ANSWERING = (
    Question("preprocess moves targets along and keeps gradients", moves_targets),
    Question("a batch is predicted as its images alone", batch_equals_single),
    Question("the order of images does not matter", order_does_not_matter),
    Question("predictions are in the frame of images of any size", is_in_the_frame),
    Question("images in bytes and in [0, 1] are the same", takes_bytes),
    Question("predicting leaves the model as it was", predicting_leaves_it),
    Question("saved and loaded it predicts the same", saves_and_loads),
)
