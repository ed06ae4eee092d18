"""What there is: models, built-in datasets, and the environment with what is wrong in it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from tapetum.data.scenes import Scenes
from tapetum.models import CATALOG, arguments_of
from tapetum.models.latency import latencies


def models() -> list[dict[str, Any]]:
    """Every built-in model.

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
    """What the file of a model says about it first."""
    module = inspect.getmodule(build)
    return ((inspect.getdoc(module) if module else None) or "").split("\n")[0]


def builtin_datasets() -> list[dict[str, Any]]:
    """Every dataset that needs no files: name, one line about it, classes."""
    about = inspect.getdoc(Scenes) or ""
    return [{"name": "scenes", "about": about.split("\n")[0], "classes": list(Scenes().classes)}]
