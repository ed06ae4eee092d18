"""Run folders: the options of a training, its record, its log, and what a checkpoint stores.

Names are imported when they are first used: the command line needs the options before NumPy loads.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tapetum.runs.history import History, read_history
    from tapetum.runs.model_info import ModelInfo
    from tapetum.runs.record import RunRecord, default_folder, is_run, read_run, refuse_used
    from tapetum.runs.repeat import merge_options
    from tapetum.runs.settings import Settings, checked_setting
    from tapetum.runs.train_options import TrainOptions, nested

__all__ = [
    "History",
    "ModelInfo",
    "RunRecord",
    "Settings",
    "TrainOptions",
    "checked_setting",
    "default_folder",
    "is_run",
    "merge_options",
    "nested",
    "read_history",
    "read_run",
    "refuse_used",
]

_MODULES = {
    "History": "history",
    "ModelInfo": "model_info",
    "RunRecord": "record",
    "Settings": "settings",
    "TrainOptions": "train_options",
    "checked_setting": "settings",
    "default_folder": "record",
    "is_run": "record",
    "merge_options": "repeat",
    "nested": "train_options",
    "read_history": "history",
    "read_run": "record",
    "refuse_used": "record",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'tapetum.runs' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"tapetum.runs.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
