"""Public functions say what they take and what they return, in Google's form."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator

import pytest

from tapetum.models import CATALOG

ROOMS = (
    "tapetum.api",
    "tapetum.backbones",
    "tapetum.base",
    "tapetum.data",
    "tapetum.data.cache",
    "tapetum.data.checking",
    "tapetum.data.formats",
    "tapetum.data.formats.coco",
    "tapetum.data.formats.instance_maps",
    "tapetum.data.formats.label_maps",
    "tapetum.data.formats.voc",
    "tapetum.data.formats.yolo",
    "tapetum.data.images",
    "tapetum.data.images.codecs",
    "tapetum.data.reading",
    "tapetum.data.records",
    "tapetum.data.scenes",
    "tapetum.data.splits",
    "tapetum.data.transforms",
    "tapetum.diagnosis",
    "tapetum.evaluation",
    "tapetum.explain",
    "tapetum.exporting",
    "tapetum.inference",
    "tapetum.layers",
    "tapetum.models",
    "tapetum.ops",
    "tapetum.render",
    "tapetum.reporting",
    "tapetum.reporting.faults",
    "tapetum.reporting.page",
    "tapetum.reporting.sections",
    "tapetum.reporting.tasks",
    "tapetum.runs",
    "tapetum.structures",
    "tapetum.tasks",
    "tapetum.testing",
    "tapetum.training",
    "tapetum.weights",
)
"""The rooms whose faces are held to this. The list only grows."""


WHOLE_ROOMS = (
    "tapetum.backbones",
    "tapetum.base",
    "tapetum.layers",
    "tapetum.models",
    "tapetum.ops",
    "tapetum.weights",
)
"""Rooms of which all public functions are held to it, in the face or not."""


def functions(room: str) -> Iterator[tuple[str, Callable]]:
    """The functions that a room's face offers."""
    module = importlib.import_module(room)
    for name in module.__all__:
        if inspect.isfunction(getattr(module, name)):
            yield f"{room}.{name}", getattr(module, name)


def functions_of_files(room: str) -> Iterator[tuple[str, Callable]]:
    """The public functions in the files of a room and of the rooms in it; a name with an underscore
    is not public."""
    for file in pkgutil.walk_packages(importlib.import_module(room).__path__, f"{room}."):
        if not file.name.rpartition(".")[2].startswith("_"):
            for name, value in vars(importlib.import_module(file.name)).items():
                here = inspect.isfunction(value) and value.__module__ == file.name
                if here and not name.startswith("_"):
                    yield f"{file.name}.{name}", value


def missing(function: Callable) -> list[str]:
    """What its docstring lacks: arguments by name, "Returns"."""
    text, signature = inspect.getdoc(function) or "", inspect.signature(function)
    args = re.search(r"^Args:\n((?:    .*\n?|\n)*)", text, re.MULTILINE)
    listed = args.group(1) if args else ""
    lacking = [name for name in signature.parameters if not re.search(rf"\b{name}:", listed)]
    silent = signature.return_annotation in (None, "None", inspect.Signature.empty)
    if not silent and not re.search(r"^(Returns|Yields):$", text, re.MULTILINE):
        lacking.append("Returns")
    return lacking


@pytest.mark.parametrize("room", ROOMS)
def test_public_functions_list_arguments_and_returns(room: str) -> None:
    lacking = {name: missing(function) for name, function in functions(room)}
    assert {name: parts for name, parts in lacking.items() if parts} == {}


@pytest.mark.parametrize("room", WHOLE_ROOMS)
def test_all_public_functions_of_a_room_list_arguments_and_returns(room: str) -> None:
    lacking = {name: missing(function) for name, function in functions_of_files(room)}
    assert len(lacking) > 4
    assert {name: parts for name, parts in lacking.items() if parts} == {}


@pytest.mark.parametrize("name", CATALOG)
def test_functions_that_build_models_list_arguments_and_returns(name: str) -> None:
    assert missing(CATALOG[name].build) == []


def test_what_is_missing_is_named() -> None:
    def bare(a: int, b: int) -> int:
        """Add."""
        return a + b

    def half(a: int, b: int) -> None:
        """Add.

        Args:
            a: a number.
        """

    def whole(a: int, *, b: int) -> int:
        """Add.

        Args:
            a: a number. b: another.

        Returns:
            The sum.
        """
        return a + b

    assert missing(bare) == ["a", "b", "Returns"]
    assert missing(half) == ["b"]
    assert missing(whole) == []
