"""Published weights that a test makes itself, and a network where nobody answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tapetum.base.download import digest_of_name
from tapetum.models.catalog import CATALOG
from tapetum.models.class_names import imagenet_classes
from tapetum.models.entry import ClassNames, PublishedWeights

NOWHERE = "http://127.0.0.1:9/"
"""An address where nobody listens."""


def entry_of(
    name: str,
    file: str,
    arguments: Mapping[str, Any],
    class_names: ClassNames = imagenet_classes,
    host: str = NOWHERE,
    data: str = "ImageNet-1K",
) -> PublishedWeights:
    """An entry for a file on `host`."""
    return PublishedWeights(
        name=name,
        file=file,
        url=host + file,
        sha256=digest_of_name(file),
        data=data,
        figures={"top1": 0.1},
        class_names=class_names,
        arguments=arguments,
    )


def publish(patch: pytest.MonkeyPatch, model: str, *entries: PublishedWeights) -> None:
    """Make `entries` the published weights of a model, and of others none."""
    for name, known in CATALOG.items():
        patch.setitem(CATALOG, name, replace(known, weights=entries if name == model else ()))


def go_offline(patch: pytest.MonkeyPatch) -> None:
    """Let every published file lie where nobody listens."""
    for name, known in CATALOG.items():
        moved = tuple(replace(weights, url=NOWHERE + weights.file) for weights in known.weights)
        patch.setitem(CATALOG, name, replace(known, weights=moved))
