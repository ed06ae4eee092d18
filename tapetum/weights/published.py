"""Published weights by name: the files that the entries of CATALOG list."""

from __future__ import annotations

from tapetum.models.catalog import CATALOG
from tapetum.models.entry import PublishedWeights
from tapetum.runs.model_info import ModelInfo


def all_published() -> tuple[PublishedWeights, ...]:
    """Every published file, in the order of CATALOG."""
    return tuple(weights for entry in CATALOG.values() for weights in entry.weights)


def published(name: str) -> PublishedWeights | None:
    """The published file of a network, or None.

    Args:
        name: of the file's network, as "resnet50.v1"; of a network with several files, as
            "resnet50", the first one is meant.
    """
    return next((w for w in all_published() if name in (w.name, network_name(w))), None)


def network_name(weights: PublishedWeights) -> str:
    """The name of the network, without the version of its file."""
    return weights.name.partition(".")[0]


def model_of(weights: PublishedWeights) -> str:
    """The name in CATALOG of the model that published weights are for."""
    return next(name for name, entry in CATALOG.items() if weights in entry.weights)


def model_info(weights: PublishedWeights) -> ModelInfo:
    """What is needed, beside the weights, to build their network and read its predictions."""
    classes, class_ids = weights.class_names()
    return ModelInfo(
        model_of(weights),
        dict(weights.arguments),
        classes,
        class_ids,
        facts=weights.facts(),
        keypoint_names=weights.keypoint_names,
        skeleton=weights.skeleton,
    )
