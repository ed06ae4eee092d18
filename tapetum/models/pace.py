"""How fast the models learn and answer, and which one to begin with.

Command: python benchmarks/pace.py. Measured on ...
"""

from __future__ import annotations

from typing import NamedTuple


class Pace(NamedTuple):
    """pixels: of the short side. learning, answering: milliseconds a picture on two cores; None for
    what is fitted in one go."""

    pixels: int
    learning: float | None
    answering: float
