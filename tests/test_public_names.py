"""The public names are a checked-in list: adding or removing one is a decision, not an accident."""

import importlib
from pathlib import Path

import tapetum

MODULES = (
    *("tapetum", "tapetum.api", "tapetum.backbones", "tapetum.evaluation", "tapetum.explain"),
    *("tapetum.base", "tapetum.layers", "tapetum.models", "tapetum.ops", "tapetum.reporting"),
    *("tapetum.structures", "tapetum.weights"),
)


def test_public_names_are_those_of_the_list():
    names = sorted(
        f"{module}.{name}" for module in MODULES for name in importlib.import_module(module).__all__
    )
    listed = Path(__file__).with_name("public_names.txt").read_text().split()
    assert names == listed


def test_every_public_name_exists():
    for name in tapetum.__all__:
        assert getattr(tapetum, name) is not None
    assert "train" in dir(tapetum)


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(tapetum, "trian")


def test_a_verb_stays_a_verb_whatever_was_imported():
    """A room of the same name would take its place as soon as it is imported."""
    importlib.import_module("tapetum.api")
    for name in ("check", "convert", "evaluate", "export", "load", "report", "resume", "train"):
        assert callable(getattr(tapetum, name)), name
