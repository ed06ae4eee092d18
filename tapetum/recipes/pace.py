"""How many steps fit into some minutes on this machine."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

from tapetum import api
from tapetum.base.progress import Say, silent
from tapetum.training.history import read_history

TRIAL = 8
"""Steps from which the pace is known; the first two, which warm up, do not count."""


def steps_for(minutes: float, arguments: dict[str, Any], say: Say = silent) -> int:
    """Steps of a training with these arguments of `api.train` that take about `minutes`."""
    say("measuring the pace of this machine")
    seconds = seconds_per_step(arguments)
    steps = max(10, round(60 * minutes / seconds))
    say(f"{1000 * seconds:.0f} ms a step: {steps} steps in about {minutes:g} minutes")
    return steps


def seconds_per_step(arguments: dict[str, Any]) -> float:
    """How long a step takes here, from a few of them that are thrown away."""
    with tempfile.TemporaryDirectory(prefix="tapetum-") as folder:
        trial = api.train(
            out=Path(folder) / "pace",
            **{**arguments, "max_steps": TRIAL, "validate": False, "observers": ()},
        )
        rows = [row for row in read_history(trial) if row["event"] == "step"]
    return statistics.median(row["seconds"] for row in rows[2:])
