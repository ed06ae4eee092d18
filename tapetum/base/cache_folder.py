"""Where objects are kept that can be had again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where files from the network are kept.

    Returns:
        TAPETUM_CACHE, else XDG_CACHE_HOME/tapetum, else ~/.cache/tapetum.
    """
    if chosen := os.environ.get("TAPETUM_CACHE"):
        return Path(chosen)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "tapetum"
