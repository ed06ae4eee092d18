"""Decoded images, shrunk to what a training needs and kept: the second epoch decodes nothing.

A training resizes each image to a shorter side of S, zoomed by up to some factor, so an image of
more than S times that factor holds pixels that no training sees. The cache keeps it at that size.
Its samples are in the frame of the shrunk image: image, boxes, masks, keypoints, areas and maps
alike (`tapetum.data.cache.shrink`). So it is for the images that are learnt from; what is measured
must keep its size, and `image(index)` remains the record in the frame of the file.

A sample from the cache equals the one that was put in, bit for bit, in every epoch and on resuming.
It differs from the uncached one only where the image was shrunk: it is resized twice then.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tapetum.base.cache_folder import cache_folder
from tapetum.base.errors import TapetumError, UsageError
from tapetum.base.memory import free_memory
from tapetum.base.progress import Log, no_log
from tapetum.base.runtime import worker_start
from tapetum.data.cache.packing import pack, unpack
from tapetum.data.cache.shrink import read_shrunk, shrunk_size
from tapetum.data.cache.stores import DiskStore, MemoryStore, Store, free_disk, open_folder
from tapetum.data.dataset import Dataset
from tapetum.data.records.image_record import ImageRecord, Segment
from tapetum.runs.train_options import CACHES
from tapetum.structures import Sample

_VERSION = 2
"""To be raised when the same image would become other bytes."""

_ASKED = 64
"""Images whose size is looked at to estimate how much the cache will take."""

_MORE = 1.15
"""What is added to that for targets, and for not having looked at all."""


def cached(
    dataset: Dataset,
    kind: str,
    needed: int | None,
    *,
    workers: int = 0,
    folder: Path | None = None,
    log: Log = no_log,
) -> Dataset:
    """The dataset, its samples shrunk to a shorter side of `needed` pixels and kept after the first
    time.

    Args:
        dataset: of a training.
        kind: "off": the dataset itself. "ram": in memory, at most half of what is free; worker
            processes share one copy. "disk": one file for each sample in `folder`; the next
            training finds them. Either way what does not fit is decoded each time.
        needed: the size of the training times its largest zoom, in pixels of the shorter side;
            None keeps images as they are. Nothing is enlarged.
        workers: processes that will read.
        folder: of "disk"; None: in the cache folder of the package.
        log: gets the size of the cache, or why there is none.

    Returns:
        A dataset with the same samples in the same order, their images at most as large as needed;
        the dataset itself with "off", and where it lies in memory already.

    Raises:
        UsageError: an unknown kind.
    """
    if kind not in CACHES:
        raise UsageError(f"unknown cache {kind!r}", hint="one of " + ", ".join(CACHES))
    if kind == "off" or not len(dataset) or _in_memory(dataset):
        return dataset
    if kind == "ram":
        return _in_ram(dataset, needed, workers, log)
    return _on_disk(dataset, needed, folder or cache_folder() / "images", log)


class CachedDataset:
    """A Dataset whose samples are shrunk and kept; all else is the dataset's own."""

    def __init__(self, dataset: Dataset, store: Store, needed: int | None) -> None:
        self._dataset, self._store, self._needed = dataset, store, needed
        self.name, self.classes = dataset.name, dataset.classes
        self.keypoint_names, self.skeleton = dataset.keypoint_names, dataset.skeleton
        self.multilabel = dataset.multilabel

    def __len__(self) -> int:
        return len(self._dataset)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # asked of a copy in the making, which has no dataset yet
            raise AttributeError(name)
        return getattr(self._dataset, name)

    def __getitem__(self, index: int) -> Sample:
        """The shrunk image with its target in the same frame.

        Raises:
            ImageError, AnnotationError: as for the dataset itself.
        """
        data = self._store.get(index)
        if data is not None:
            try:
                return unpack(data)
            except ValueError:
                pass  # damaged: it is made anew
        sample = read_shrunk(self._dataset, index, self._needed)
        if sample.image.dtype == torch.uint8:
            self._store.put(index, pack(sample))
        return sample

    def record(self, index: int) -> ImageRecord:
        """The record in the frame of the file, not of the shrunk sample."""
        return self._dataset.record(index)


def entry_key(dataset: Dataset, index: int, needed: int | None) -> str:
    """A digest of everything that a sample depends on: the files by path, size and time of change,
    the record, what is needed of it, and the size that it is shrunk to.

    Raises:
        ImageError, AnnotationError: as for `Dataset.image`.
    """
    image = dataset.record(index)
    code = getattr(dataset, "map_code", None)
    content = {
        "version": _VERSION,
        "needed": needed,
        "task": getattr(dataset, "task", ""),
        "shift": getattr(dataset, "label_shift", 0),
        "name": image.name,
        "size": image.size,
        "files": [_status(image.path), _status(image.semantic)],
        "labels": image.image_labels,
        "ids": image.ids,
    }
    digest = hashlib.blake2b(json.dumps(content, default=str).encode(), digest_size=20)
    arrays = [image.xywh, image.labels, image.crowd, image.difficult, image.area]
    arrays += [image.keypoints] if image.keypoints is not None else []
    arrays += [a for a in (code and vars(code).values()) or () if isinstance(a, np.ndarray)]
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    for segment in image.segments:
        digest.update(_segment_bytes(segment))
    return digest.hexdigest()


def _in_ram(dataset: Dataset, needed: int | None, workers: int, log: Log) -> Dataset:
    if workers and _started_afresh():
        log("cache: worker processes share no memory on this system; `cache` disk serves them")
        return dataset
    size, room = _estimate(dataset, needed), free_memory() // 2
    what = f"{len(dataset):,} images take about {_gigabytes(size)} of memory"
    if not room:
        log(f"cache: {what}, but the free memory is unknown: images are not cached")
        return dataset
    log(f"cache: {what}{_fraction_that_fits(size, room)}")
    try:
        # More than the estimate costs nothing until it is filled.
        store = MemoryStore(len(dataset), min(room, 2 * size + 2**24))
    except (OSError, ValueError, OverflowError) as error:
        log(f"cache: not enough memory ({error}): images are not cached")
        return dataset
    return CachedDataset(dataset, store, needed)


def _on_disk(dataset: Dataset, needed: int | None, folder: Path, log: Log) -> Dataset:
    if not _in_files(dataset):
        log("cache: images that are not in files are not cached")
        return dataset
    try:
        open_folder(folder)
    except OSError as error:
        log(f"cache: {folder}: {error.strerror or error}: images are not cached")
        return dataset
    size, room = _estimate(dataset, needed), free_disk(folder)
    what = f"{len(dataset):,} images take about {_gigabytes(size)} in {folder}"
    log(f"cache: {what}{_fraction_that_fits(size, room)}")
    key = partial(entry_key, dataset, needed=needed)
    return CachedDataset(dataset, DiskStore(folder, key), needed)


def _estimate(dataset: Dataset, needed: int | None) -> int:
    """Bytes that all samples will take, by the sizes of some of the images."""
    sizes = []
    for index in range(0, len(dataset), max(1, len(dataset) // _ASKED)):
        try:
            size = dataset.record(index).size
        except TapetumError:
            continue
        if size is not None:
            height, width = shrunk_size(size, needed)
            sizes.append(3 * height * width)
    return round(_MORE * float(np.mean(sizes)) * len(dataset)) if sizes else 0


def _fraction_that_fits(size: int, room: int) -> str:
    """What is said where not everything fits."""
    if size <= room:
        return ""
    return (
        f", {_gigabytes(room)} are free for it: {100 * room // size} % of the images are kept, "
        "the others decoded each time"
    )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _in_files(dataset: Dataset) -> bool:
    try:
        return dataset.record(0).path is not None
    except TapetumError:
        return True


def _in_memory(dataset: Dataset) -> bool:
    """Are its images decoded already?"""
    try:
        return dataset.record(0).pixels is not None
    except TapetumError:
        return False


def _started_afresh() -> bool:
    """Do worker processes begin without the memory of this one?"""
    return worker_start() != "fork"


def _status(path: Path | None) -> tuple[str, int, int] | None:
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return str(path), -1, -1  # reading it raises the reason
    return str(path.resolve()), status.st_size, status.st_mtime_ns


def _segment_bytes(segment: Segment) -> bytes:
    if segment is None:
        return b"none"
    if isinstance(segment, Mapping):
        return repr(sorted(segment.items(), key=lambda pair: pair[0])).encode()
    parts = [np.asarray(part, dtype=np.float64) for part in segment]
    return b"".join(f"{len(part)}:".encode() + part.tobytes() for part in parts) + b"end"
