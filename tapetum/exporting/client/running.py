"""What runs a graph."""

from __future__ import annotations

from collections.abc import Callable

from tapetum.exporting.client.images import Array

Run = Callable[[str, Array], list[Array]]
"""Of a graph's name and its input, the outputs."""
