"""ModelEntry: what the catalog knows about a model; PublishedWeights: a file of weights for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tapetum.structures import Model

ClassNames = Callable[[], tuple[tuple[str, ...], tuple[int, ...]]]
"""Gives the names of classes in the order of the outputs, and the ids of the training data."""


@dataclass(frozen=True)
class PublishedWeights:
    """A file of weights on a server.

    Attributes:
        name: of the network where it comes from, with ".v1" or ".v2" where there are several files.
        file: its name on the server.
        url: its address.
        sha256: the first characters of its digest, in hexadecimal.
        data: the dataset that it was trained on.
        figures: results in percent as its authors report them, by name of the metric.
        class_names: gives the names and ids of its classes.
        arguments: those of the model here that build the same network.
        fixed_arguments: names of arguments of the model that must have the values of the published
            network; with other values the weights do not fit, or mean something else.
        norm_epsilon: of the norms that it was trained with; those here have 1e-5.
        starts_backbones: do other models with this network as their backbone start from this file?
        source: who publishes it.
        code_license: of the code that trained it.
        weights_license: of the file.
        keypoint_names: of an object's keypoints.
        skeleton: pairs of keypoints that a line joins.
    """

    name: str
    file: str
    url: str
    sha256: str
    data: str
    figures: Mapping[str, float]
    class_names: ClassNames
    arguments: Mapping[str, Any] = field(default_factory=dict)
    fixed_arguments: tuple[str, ...] = ()
    norm_epsilon: float = 1e-5
    starts_backbones: bool = False
    source: str = "torchvision"
    code_license: str = "BSD-3-Clause"
    weights_license: str = "not stated"
    keypoint_names: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()

    def facts(self) -> dict[str, Any]:
        """Where it comes from, as JSON values for people to read."""
        return {
            "source": f"{self.source}, {self.url}",
            "training data": self.data,
            "published figures": dict(self.figures),
            "code licence": self.code_license,
            "weights licence": self.weights_license,
        }


@dataclass(frozen=True)
class ModelEntry:
    """A model of the catalog.

    Attributes:
        build: the function that builds it; it takes JSON values.
        task: one of `tapetum.structures.TASKS`.
        paper: authors, year and arXiv number.
        tiny: the smallest sensible arguments, for tests: under half a million parameters.
        weights: published files, the one that the network's name means first.
        options: dataclass of the arguments, where `build` takes `**arguments`.
        backbone_arguments: for arguments of the backbone that have another name here than usual,
            the usual one: {"encoder": "backbone"}.
        starts_task: is it the model that `tapetum train` suggests for its task?
    """

    build: Callable[..., Model[Any]]
    task: str
    paper: str
    tiny: Mapping[str, Any]
    weights: tuple[PublishedWeights, ...] = ()
    options: type | None = None
    backbone_arguments: Mapping[str, str] = field(default_factory=dict)
    starts_task: bool = False
