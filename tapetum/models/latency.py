"""How fast the models train and predict: latency.json, which `python benchmarks/pace.py` writes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Latency:
    """Of one model, at the size, batch and backbone that `tapetum train` takes by itself.

    Attributes:
        image_size: pixels of the short side.
        train_ms: milliseconds for an image in training; None for a model that is fitted.
        predict_ms: milliseconds to predict one image in fp32.
    """

    image_size: int
    train_ms: float | None
    predict_ms: float


@cache
def latencies() -> dict[str, Latency]:
    """The measured latency of each built-in model, by name."""
    content = json.loads((files("tapetum.models") / "latency.json").read_text("utf-8"))
    return {name: Latency(**values) for name, values in content["models"].items()}
