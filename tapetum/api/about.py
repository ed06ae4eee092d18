"""What there is: models, built-in datasets, and the environment."""

from __future__ import annotations

import inspect
from dataclasses import asdict
from typing import Any

import torch

from tapetum.base.limits import DEFAULT_LIMITS
from tapetum.base.runtime import choose_runtime
from tapetum.data.scenes import Scenes
from tapetum.models import MODELS
from tapetum.models.published import PUBLISHED
from tapetum.training.run import environment


def models() -> list[dict[str, Any]]:
    """Every model: its name, one line about it, its arguments with their defaults, and what is
    published of it: name, file, source, training data, figures, licences."""
    entries = []
    for name, function in MODELS.items():
        parameters = inspect.signature(function).parameters.values()
        entries.append(
            {
                "name": name,
                "about": inspect.getdoc(inspect.getmodule(function)).split("\n")[0],  # type: ignore[union-attr]
                "arguments": {p.name: p.default for p in parameters},
                "published": [
                    {"name": known.name, "file": known.file, **known.facts()}
                    for known in PUBLISHED
                    if known.model == name
                ],
            }
        )
    return entries


def builtin_datasets() -> list[dict[str, Any]]:
    """Every dataset that needs no files: name, one line about it, classes."""
    about = inspect.getdoc(Scenes) or ""
    return [{"name": "scenes", "about": about.split("\n")[0], "classes": list(Scenes().classes)}]


def environment_facts() -> dict[str, Any]:
    """Versions, machine, what `auto` chooses here, and the limits for files from outside."""
    facts = environment()
    facts["prediction runs on"] = str(choose_runtime())
    facts["training runs on"] = str(choose_runtime(training=True))
    facts["devices"] = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    facts["limits"] = asdict(DEFAULT_LIMITS)
    return facts
