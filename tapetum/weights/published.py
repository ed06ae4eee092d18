"""Published weights by name: the files that the entries of CATALOG list."""

from __future__ import annotations

from tapetum.models.catalog import CATALOG
from tapetum.models.entry import PublishedWeights
from tapetum.runs.model_info import ModelInfo


def all_published() -> tuple[PublishedWeights, ...]:
    """All published weights, in the order of CATALOG.

    Returns:
        The entries.
    """
    return tuple(weights for entry in CATALOG.values() for weights in entry.weights)


def published(name: str) -> PublishedWeights | None:
    """The published file of a network, or None.

    Args:
        name: of the file's network, as "resnet50.v1"; of a network with several files, as
            "resnet50", the first one is meant.

    Returns:
        The entry.
    """
    return next((w for w in all_published() if name in (w.name, network_name(w))), None)


def network_name(weights: PublishedWeights) -> str:
    """The name of the network, without the version of its file.

    Args:
        weights: an entry.

    Returns:
        As "resnet50" of "resnet50.v1".
    """
    return weights.name.partition(".")[0]


def model_of(weights: PublishedWeights) -> str:
    """The name in CATALOG of the model that published weights are for.

    Args:
        weights: an entry.

    Returns:
        The name.
    """
    return next(name for name, entry in CATALOG.items() if weights in entry.weights)


def model_info(weights: PublishedWeights) -> ModelInfo:
    """What is needed, beside the weights, to build their network and read its predictions.

    Args:
        weights: an entry.

    Returns:
        Model, arguments, and names of classes and keypoints.
    """
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
