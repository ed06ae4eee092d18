"""Checks of target_logits, and of the layers that are explained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tapetum.structures import Model
from tapetum.testing.report import DoesNotApply, Question, expect
from tapetum.testing.subject import Subject, without


def differentiable(subject: Subject) -> None:
    """Those whose logits have gradients."""
    if not subject.build().differentiable:
        raise DoesNotApply("differentiable is False")


def scores_each_object(subject: Subject) -> None:
    model, owners = subject.build(), subject.owners
    images = [p.clone().requires_grad_() for p in subject.images]
    scores = model.target_logits(images, subject.targets())
    expect(
        tuple(scores.shape) == (len(owners),),
        f"target_logits: expected ({len(owners)},), one for each object, got {tuple(scores.shape)}",
    )
    if not model.differentiable:
        return
    expect(
        scores.requires_grad,
        "target_logits has no gradient",
        "no torch.no_grad; or differentiable = False",
    )
    for index, owner in enumerate(owners):
        gradients = torch.autograd.grad(
            scores[index], images, retain_graph=True, materialize_grads=True
        )
        touched = [i for i, g in enumerate(gradients) if bool(g.abs().sum() > 0)]
        why = f"object {index} lies in image {owner}; its logit depends on images {touched}"
        expect(touched == [owner], why, "in the order of the targets, each from its own image")


def follows_the_label(subject: Subject) -> None:
    if subject.num_classes < 2:
        raise DoesNotApply("the model has one class")
    model, (height, width) = subject.build(), subject.size
    row = (0.08 * width, 0.1 * height, 0.47 * width, 0.52 * height)
    labels = range(min(3, subject.num_classes))
    one = [subject.target(subject.size, (*row, label)) for label in labels]
    scores = [model.target_logits(subject.images[:1], [each]).item() for each in one]
    shown = ", ".join(f"{score:.4g}" for score in scores)
    distinct = len({round(score, 6) for score in scores}) == len(scores)
    why = f"of one object as {len(scores)} classes the scores are {shown}"
    expect(distinct, why, "target_logits gives the logit of the target's label")


def nothing_scores_nothing(subject: Subject) -> None:
    nothing = [without(subject.targets()[0])]
    scores = subject.build().target_logits(subject.images[:1], nothing)
    shape = tuple(scores.shape)
    expect(
        shape == (0,),
        f"target_logits without objects: expected (0,), got {shape}",
        "logits.new_zeros(0)",
    )


def layers_give_maps(subject: Subject) -> None:
    model = subject.build()
    layers = model.explain_layers()
    if not layers:
        convolves = any(isinstance(part, nn.Conv2d) for part in model.modules())
        hint = 'return {"backbone": (self.backbone, lambda output: output)}'
        expect(not convolves, "it has convolutions, and no layer to explain", hint)
        return
    seen = _outputs(model, subject, layers)
    missing = [name for name in layers if name not in seen]
    expect(not missing, f"target_logits does not pass through {', '.join(missing)}")
    scores = seen.pop("")
    maps = {name: as_map(seen[name]) for name, (_, as_map) in layers.items()}
    for name, value in maps.items():
        right = value.ndim == 4 and len(value) == 3
        why = f"{name}: expected a map (3, C, h, w), got {tuple(value.shape)}"
        expect(right, why, "the second of the pair makes a map of the module's output")
    first = next(iter(layers))
    # A map that is cut out of the output lies beside the graph; the output itself lies in it.
    output = seen[first] if isinstance(seen[first], Tensor) else maps[first]
    for number, score in enumerate(scores):
        (gradient,) = torch.autograd.grad(
            score, output, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        why = f"the logit of object {number} does not depend on {first}, the best layer"
        expect(
            gradient.abs().sum() > 0, why, "the first layer must be one that all logits depend on"
        )


def _outputs(
    model: Model, subject: Subject, layers: dict[str, tuple[nn.Module, Any]]
) -> dict[str, Any]:
    """What each layer gave while the objects were scored; the scores under ""."""
    seen: dict[str, Any] = {}

    def watch(name: str) -> Callable[..., None]:
        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            seen[name] = output

        return keep

    handles = [module.register_forward_hook(watch(name)) for name, (module, _) in layers.items()]
    try:
        seen[""] = model.target_logits(subject.images, subject.targets())
    finally:
        for handle in handles:
            handle.remove()
    return seen


EXPLAINING = (
    Question("target_logits gives one logit an object, of its own image", scores_each_object),
    Question("target_logits follow the label", follows_the_label),
    Question("no objects, no logits", nothing_scores_nothing),
    Question("explain_layers are maps that all logits depend on", layers_give_maps, differentiable),
)
