"""docs/ops.md: its script runs, and its table has every function and no other."""

from __future__ import annotations

import importlib
import re

from tapetum import ops
from tests.docs.pages import Page

PAGE = Page("ops.md")
ROWS = re.findall(r"^\| (`.*?) \| (.*?) \| .*\|$", PAGE.prose(), re.MULTILINE)


def test_the_script_runs() -> None:
    (script,) = PAGE.of("python")
    exec(script, {})


def test_the_table_lists_every_function_once() -> None:
    places = [place.strip("`") for _, place in ROWS if place.startswith("`tapetum.ops.")]
    assert sorted(places) == [f"tapetum.ops.{name}" for name in ops.__all__]
    named = {there.strip("`") for there, place in ROWS if place.startswith("`tapetum.ops.")}
    assert named == set(ops.__all__)


def test_every_place_in_the_table_exists() -> None:
    for _, place in ROWS:
        if place:
            module, _, name = place.strip("`").rpartition(".")
            assert hasattr(importlib.import_module(module), name), place
