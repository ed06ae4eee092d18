"""CIFAR-10 and CIFAR-100 as their authors give them: binary batches, or those for Python.

Binary, as https://www.cs.toronto.edu/~kriz/cifar.html describes it: records of a label byte (in
CIFAR-100 a coarse, then a fine one; the fine one counts) and 3,072 bytes, the red, green and blue
plane of 32 x 32 pixels. CIFAR-10 has `data_batch_*.bin`, `test_batch.bin` and its class names in
`batches.meta.txt`; CIFAR-100 has `train.bin`, `test.bin` and `fine_label_names.txt`. The batches
for Python are `data_batch_1` ... without a suffix, or `train` and `test`, and are read without
running anything (see `tapetum.data.formats.cifar_python`). The files may also lie in a folder of
their usual name, such as `cifar-10-batches-bin`, inside the given one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tapetum.base.errors import AnnotationError
from tapetum.base.files import read_bytes
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.formats.cifar_python import read_batch, read_names
from tapetum.data.formats.finder import Finder
from tapetum.data.formats.format import Format
from tapetum.data.formats.packed import PACKED_BYTES, class_names, named, packed_images
from tapetum.data.records.findings import FindingCollector
from tapetum.data.records.image_record import Annotations, ImageRecord
from tapetum.data.splits.assign import in_order

LOOKED_FOR = "data_batch_1.bin, or data_batch_1, or train.bin with fine_label_names.txt"
SIDE = 32
PIXELS = 3 * SIDE * SIDE
_FOLDERS = (
    "cifar-10-batches-bin",
    "cifar-10-batches-py",
    "cifar-100-binary",
    "cifar-100-python",
)
_BATCH = re.compile(r"(data_batch_\d+|test_batch)(\.bin)?")


def recognize(path: Path) -> bool:
    """Is this a folder with CIFAR's batches, or with their usual folder?"""
    return path.is_dir() and any(True for _ in _found(path))


def read(path: Path, limits: Limits = DEFAULT_LIMITS) -> Annotations:
    """All images of the batches, in memory; each record's pixels are a view of its batch's.

    Raises:
        AnnotationError: no batches there, or one of another length or with an unknown label.
    """
    found = next(_found(path), None)
    if found is None:
        raise AnnotationError("no CIFAR batches", file=path, hint=f"needs {LOOKED_FOR}")
    root, count, files = found
    finder, collector = Finder(root), FindingCollector(root)
    splits: dict[str, list[ImageRecord]] = {}
    total = 0
    for name in files:
        file = finder.find(name, [""]) or root / name
        pixels, labels = _binary(file, count) if name.endswith(".bin") else _python(file, count)
        if total + len(pixels) > limits.annotations:
            why = f"more than {limits.annotations:,} images"
            raise AnnotationError(why, file=file, hint="raise it with tapetum.Limits")
        split = "test" if name.startswith("test") else "train"
        stem = name.removesuffix(".bin")
        splits.setdefault(split, []).extend(packed_images(pixels, labels, stem, total))
        total += len(pixels)
    names = _names(finder, count, files[0].endswith(".bin"), collector, limits)
    ids = tuple(range(len(names)))
    return Annotations("cifar", root, names, ids, in_order(splits), tuple(collector.findings))


def _found(path: Path) -> Iterator[tuple[Path, int, list[str]]]:
    """Folder, number of classes, names of its batches in order; the binary ones where both are."""
    for root in (path, *(path / name for name in _FOLDERS)):
        finder = Finder(root)
        names = finder.files("", ("",), deep=False) if root.is_dir() else []
        for suffix in (".bin", ""):
            batches = [n for n in names if _BATCH.fullmatch(n) and n.endswith(suffix)]
            batches = [n for n in batches if suffix or not n.endswith(".bin")]
            if any(name.startswith("data_batch") for name in batches):
                yield root, 10, sorted(batches, key=_natural)
        for suffix, mark in ((".bin", "fine_label_names.txt"), ("", "meta")):
            batches = [n for n in (f"train{suffix}", f"test{suffix}") if n in names]
            if mark in names and batches:
                yield root, 100, batches


def _natural(name: str) -> tuple[bool, int]:
    """data_batch_10 after data_batch_9, and the test batch last."""
    number = re.search(r"\d+", name)
    return number is None, int(number[0]) if number else 0


def _binary(path: Path, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 32, 32, 3) and labels (N,), views of the file."""
    data = np.frombuffer(read_bytes(path, PACKED_BYTES), dtype=np.uint8)
    head = 1 if classes == 10 else 2
    if not len(data) or len(data) % (head + PIXELS):
        why = f"{len(data):,} bytes are not a multiple of the record size {head + PIXELS:,}"
        raise AnnotationError(why, file=path)
    records = data.reshape(-1, head + PIXELS)
    return _checked(records[:, head:], records[:, head - 1], classes, path)


def _python(path: Path, classes: int) -> tuple[np.ndarray, np.ndarray]:
    planes, labels = read_batch(path, PACKED_BYTES)
    return _checked(planes, labels, classes, path)


def _checked(
    planes: np.ndarray, labels: np.ndarray, classes: int, path: Path
) -> tuple[np.ndarray, np.ndarray]:
    if labels.max(initial=0) >= classes or labels.min(initial=0) < 0:
        place = int(np.argmax((labels >= classes) | (labels < 0)))
        why = f"label {int(labels[place])}, but there are {classes} classes"
        raise AnnotationError(why, file=path, where=f"record {place}")
    return planes.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1), labels


def _names(
    finder: Finder, count: int, binary: bool, collector: FindingCollector, limits: Limits
) -> tuple[str, ...]:
    if binary:
        file = "batches.meta.txt" if count == 10 else "fine_label_names.txt"
        return class_names(finder, (file, "classes.txt"), count, collector, limits)
    path = finder.look("batches.meta" if count == 10 else "meta", [""])
    if path is None:
        return class_names(finder, ("classes.txt",), count, collector, limits)
    return named(read_names(path, limits.text_bytes), count, path)


FORMAT = Format("cifar", LOOKED_FOR, recognize, read, tasks=("classification",))
