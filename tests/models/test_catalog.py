"""What every entry of the catalog says, and how arguments are chosen with it."""

from __future__ import annotations

import inspect
import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

import tapetum.models
from tapetum.base.errors import UsageError
from tapetum.models.catalog import (
    CATALOG,
    REQUIRED,
    arguments_of,
    defaults_of,
    fitting_arguments,
    lasting_name,
    task_of,
)
from tapetum.structures import TASKS

SMALL = 500_000
FOLDER = Path(tapetum.models.__file__).parent


@pytest.mark.parametrize("name", CATALOG)
def test_an_entry_names_its_task_and_paper(name: str) -> None:
    entry = CATALOG[name]
    assert entry.task in TASKS
    assert re.search(r" (19|20)\d\d, (arXiv \d{4}\.\d{5}|\w+)", entry.paper)


@pytest.mark.parametrize("name", CATALOG)
def test_its_function_lies_in_the_file_of_the_model(name: str) -> None:
    build = CATALOG[name].build
    assert inspect.isfunction(build)
    assert build.__name__ == name
    path = Path(inspect.getsourcefile(build) or "").relative_to(FOLDER)
    assert len(path.parts) >= 2  # in the folder of its task
    assert build.__module__ == "tapetum.models." + ".".join(path.with_suffix("").parts)


@pytest.mark.parametrize("name", CATALOG)
def test_its_tiny_arguments_are_json_and_make_a_tiny_model(name: str) -> None:
    tiny = dict(CATALOG[name].tiny)
    assert json.loads(json.dumps(tiny)) == tiny
    assert fitting_arguments(name, tiny, {}) == tiny
    with torch.device("meta"):
        model = CATALOG[name].build(**tiny)
    assert sum(parameter.numel() for parameter in model.parameters()) < SMALL


@pytest.mark.parametrize("name", CATALOG)
def test_its_weights_are_of_arguments_that_it_takes(name: str) -> None:
    for weights in CATALOG[name].weights:
        assert fitting_arguments(name, weights.arguments, {}) == dict(weights.arguments)
        assert set(weights.fixed_arguments) <= set(defaults_of(name))
        assert weights.file.endswith(f"{weights.sha256}.pth")


def test_each_task_has_one_model_that_it_starts_with() -> None:
    starts = Counter(entry.task for entry in CATALOG.values() if entry.starts_task)
    assert starts == dict.fromkeys(TASKS, 1)


def test_arguments_are_listed_with_their_defaults() -> None:
    known = arguments_of("retinanet")
    assert known["anchor_ratios"] == (0.5, 1.0, 2.0)
    assert REQUIRED not in known.values()
    assert defaults_of("retinanet") == known


def test_arguments_of_a_dataclass_are_its_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass
    class Options:
        depth: int
        width: int = 8

    def build(**arguments: Any) -> torch.nn.Module:
        return torch.nn.Identity()

    entry = replace(CATALOG["linear"], build=build, options=Options)
    monkeypatch.setitem(CATALOG, "linear", entry)
    assert arguments_of("linear") == {"depth": REQUIRED, "width": 8}
    assert defaults_of("linear") == {"width": 8}
    with pytest.raises(UsageError, match=r"linear has no argument 'widht'.*it takes depth, width"):
        fitting_arguments("linear", {"widht": 3}, {})


def test_what_is_given_must_be_taken_and_wins_over_what_is_suggested() -> None:
    assert fitting_arguments("knn", {"k": 3}, {"k": 5, "anchor_sizes": [8]}) == {"k": 3}
    with pytest.raises(UsageError, match=r"knn has no argument 'neighbours'.*it takes .*\bk\b"):
        fitting_arguments("knn", {"neighbours": 3}, {})


def test_an_unknown_model_is_an_error_that_lists_the_known_ones() -> None:
    for question in (task_of, arguments_of, lasting_name):
        with pytest.raises(UsageError, match=r"unknown model 'yolo'.*resnet18.*FILE.py:FUNCTION"):
            question("yolo")


@pytest.mark.parametrize(
    ("model", "argument", "value", "expected"),
    [
        ("retinanet", "fpn_channels", "abc", "an integer, got 'abc'"),
        ("resnet10", "image_mean", 3, "a list, got 3"),
        ("linear", "l2", "high", "a number, got 'high'"),
        ("knn", "k", True, "an integer, got True"),
        ("knn", "metric", 2, "a name, got 2"),
        ("localizer", "class_agnostic", 1, "true or false, got 1"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(
    model: str, argument: str, value: Any, expected: str
) -> None:
    with pytest.raises(UsageError, match=f"{model}: {argument}: expected {expected}"):
        fitting_arguments(model, {argument: value}, {})


def test_a_number_may_be_an_integer_and_any_value_none() -> None:
    assert fitting_arguments("linear", {"l2": 0, "loss": None}, {}) == {"l2": 0, "loss": None}
    assert fitting_arguments("resnet10", {"resize_size": 256}, {}) == {"resize_size": 256}
