"""One method per file, and CATALOG, an entry for each model."""

from tapetum.models.catalog import CATALOG, arguments_of, task_of
from tapetum.models.entry import ModelEntry, PublishedWeights

__all__ = ["CATALOG", "ModelEntry", "PublishedWeights", "arguments_of", "task_of"]
