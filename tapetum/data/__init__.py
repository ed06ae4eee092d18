"""Datasets: files on disk, or Python, to samples and records.

Rooms, each with its own face, from the bottom up: `images` (files to pixels), `records` (what
annotations state), `splits`, `formats` (read and written), `checking`, `transforms` (augmentation),
`scenes` (a dataset made on the fly), `reading` (datasets and batches), `cache`. Names are imported
when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapetum.base.faces import lazy_names

if TYPE_CHECKING:
    from tapetum.data.dataset import Dataset
    from tapetum.data.reading.files import open_dataset
    from tapetum.data.reading.samples import Samples
    from tapetum.data.records.image_record import ImageRecord

__all__ = ["Dataset", "ImageRecord", "Samples", "open_dataset"]

_PLACES = {
    "Dataset": "tapetum.data.dataset",
    "ImageRecord": "tapetum.data.records",
    "Samples": "tapetum.data.reading",
    "open_dataset": "tapetum.data.reading",
}

__getattr__, __dir__ = lazy_names(__name__, _PLACES)
