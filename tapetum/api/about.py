"""Built-in models and datasets."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from tapetum.data.scenes import Scenes
from tapetum.models import CATALOG, arguments_of
from tapetum.models.latency import latencies


def models() -> list[dict[str, Any]]:
    """List the built-in models.

    Returns:
        For each model its name, task, whether it is the one that its task starts with ("default"),
        one line about it, its paper, its arguments with their defaults, its latency
        (`tapetum.models.latency`; None until it is measured), and the published weights: name,
        file, source, training data, figures, licences.
    """
    measured = latencies()
    return [
        {
            "name": name,
            "task": entry.task,
            "default": entry.starts_task,
            "about": _first_line(entry.build),
            "paper": entry.paper,
            "arguments": arguments_of(name),
            "latency": asdict(measured[name]) if name in measured else None,
            "published": [{"name": w.name, "file": w.file, **w.facts()} for w in entry.weights],
        }
        for name, entry in CATALOG.items()
    ]


def _first_line(build: Callable[..., Any]) -> str:
    """The first line of the docstring of a model's module."""
    module = inspect.getmodule(build)
    return ((inspect.getdoc(module) if module else None) or "").split("\n")[0]


def builtin_datasets() -> list[dict[str, Any]]:
    """List the datasets that need no files.

    Returns:
        For each dataset its name, one line about it, and its classes.
    """
    about = inspect.getdoc(Scenes) or ""
    return [{"name": "scenes", "about": about.split("\n")[0], "classes": list(Scenes().classes)}]
