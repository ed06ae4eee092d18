"""The face of a package: its public names, each imported when it is first used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(
    package: str, places: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """What a package's `__init__` gives to Python (PEP 562), so that importing it costs nothing.

    Args:
        package: its `__name__`.
        places: the module of each name.

    Returns:
        The package's `__getattr__` and `__dir__`.
    """

    def find(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(places[name]), name)

    return find, lambda: sorted(places)
