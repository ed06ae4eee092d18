"""Run folders: the options of a training, its record, its log, and what a checkpoint stores.

Names are imported when they are first used: the command line needs the options before NumPy loads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapetum.base.faces import lazy_names

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

_PLACES = {
    "History": "tapetum.runs.history",
    "ModelInfo": "tapetum.runs.model_info",
    "RunRecord": "tapetum.runs.record",
    "Settings": "tapetum.runs.settings",
    "TrainOptions": "tapetum.runs.train_options",
    "checked_setting": "tapetum.runs.settings",
    "default_folder": "tapetum.runs.record",
    "is_run": "tapetum.runs.record",
    "merge_options": "tapetum.runs.repeat",
    "nested": "tapetum.runs.train_options",
    "read_history": "tapetum.runs.history",
    "read_run": "tapetum.runs.record",
    "refuse_used": "tapetum.runs.record",
}

__getattr__, __dir__ = lazy_names(__name__, _PLACES)
