"""Reading: datasets from files, from Python and from scenes, and batches of their samples."""

from __future__ import annotations

from tapetum.data.reading.files import SCENES, FileDataset, open_dataset
from tapetum.data.reading.loading import Augment, Plan, samples_in_order, training_batches
from tapetum.data.reading.samples import SampleDataset, Samples, open_custom, open_samples
from tapetum.data.reading.training_data import DataSpec, InMemoryData, TrainingData
from tapetum.data.reading.views import RemappedClasses, Subset

__all__ = [
    "SCENES",
    "Augment",
    "DataSpec",
    "FileDataset",
    "InMemoryData",
    "Plan",
    "RemappedClasses",
    "SampleDataset",
    "Samples",
    "Subset",
    "TrainingData",
    "open_custom",
    "open_dataset",
    "open_samples",
    "samples_in_order",
    "training_batches",
]
