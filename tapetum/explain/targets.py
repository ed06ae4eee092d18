"""What to explain: one object out of many, as a target of its own."""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import Tensor

from tapetum.structures import Objects, Target


def single_objects(objects: Objects) -> list[Target]:
    """One target for each object, in order, to be explained one by one.

    Scores are left out: what is to be explained is the belief in the object, whoever named it.
    """
    bare = objects.with_(scores=None)
    return [Target(objects=bare[i : i + 1]) for i in range(len(objects))]


def strongest(objects: Objects, count: int) -> Objects:
    """The `count` objects with the highest scores (the first ones, where there are no scores)."""
    if objects.scores is None:
        return objects[:count]
    order = torch.sort(objects.scores, descending=True, stable=True).indices
    return objects[order[:count]]


def of_class(label: int) -> Target:
    """A class of the whole image."""
    return Target(labels=torch.tensor([label]))


def owned(target: Target, device: torch.device) -> Target:
    """A plain copy on `device`, usable in a graph.

    What was predicted in inference mode may not be saved for a backward pass; a copy may.
    """
    objects = target.objects
    if objects is not None:
        values = {field.name: getattr(objects, field.name) for field in fields(objects)}
        objects = objects.with_(
            **{name: _copy(v, device) for name, v in values.items() if isinstance(v, Tensor)}
        )
    return Target(_copy(target.labels, device), objects, _copy(target.semantic, device))


def _copy(value: Tensor | None, device: torch.device) -> Tensor | None:
    return None if value is None else value.detach().clone().to(device)
