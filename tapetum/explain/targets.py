"""What to explain: one object out of many, as a target of its own."""

from __future__ import annotations

import torch

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
    plain = Target(target.labels, target.objects, target.semantic)
    return plain.map(lambda values: values.detach().clone().to(device))
