"""IDX: MNIST's files of many images and of their labels, plain or compressed (.gz).

A file begins with two zeros, a byte for the kind of its numbers (8: uint8, the only one read here),
a byte for the number of axes, and the length of each axis as a big-endian integer of 32 bits; then
come the numbers (http://yann.lecun.com/exdb/mnist, "the IDX file format"). Images are
`train-images-idx3-ubyte` and `t10k-images-idx3-ubyte`, the latter for testing, their labels
`train-labels-idx1-ubyte` and so on; a dot may stand for the last hyphen but one. Class names stand
in classes.txt or labels.txt, one a line, else they are numbers, "0" to "9" at least.
"""

from __future__ import annotations

import math
import re
import struct
import zlib
from pathlib import Path

import numpy as np

from tapetum.base.errors import AnnotationError
from tapetum.base.files import read_bytes
from tapetum.base.limits import DEFAULT_LIMITS, Limits
from tapetum.data.formats.finder import Finder
from tapetum.data.formats.format import Format
from tapetum.data.formats.packed import PACKED_BYTES, class_names, packed_images
from tapetum.data.records.findings import FindingCollector
from tapetum.data.records.image_record import Annotations, ImageRecord
from tapetum.data.splits.assign import in_order, split_name

LOOKED_FOR = "train-images-idx3-ubyte and train-labels-idx1-ubyte, also .gz"
_IMAGES = re.compile(r"(?P<stem>.*?)[-_]?images[-.]idx3-ubyte(\.gz)?")
_UBYTE = 8
_DIGITS = 10
_SLACK = 16  # the largest header: four bytes and three axes


def recognize(path: Path) -> bool:
    """Is this a folder with IDX files of images?"""
    return path.is_dir() and bool(_found(Finder(path)))


def read(path: Path, limits: Limits = DEFAULT_LIMITS) -> Annotations:
    """All images of a folder, in memory; each record's pixels are a view of its file's.

    Raises:
        AnnotationError: no IDX files there, or one that is not what its header says.
    """
    finder, collector = Finder(path), FindingCollector(path)
    found = _found(finder)
    if not found:
        raise AnnotationError("no IDX files", file=path, hint=f"needs {LOOKED_FOR}")
    splits: dict[str, list[ImageRecord]] = {}
    classes, total = _DIGITS, 0
    for stem, name in found.items():
        images, labels = _pair(finder, name, limits)
        if total + len(images) > limits.annotations:
            why = f"more than {limits.annotations:,} images"
            raise AnnotationError(why, file=path / name, hint="raise it with tapetum.Limits")
        classes = max(classes, int(labels.max(initial=0)) + 1)
        split = "test" if stem == "t10k" else split_name(stem) or stem or "all"
        splits.setdefault(split, []).extend(packed_images(images, labels, stem, total))
        total += len(images)
    names = class_names(finder, ("classes.txt", "labels.txt"), classes, collector, limits)
    ids = tuple(range(len(names)))
    return Annotations("idx", path, names, ids, in_order(splits), tuple(collector.findings))


def _found(finder: Finder) -> dict[str, str]:
    """What comes before "images" in the name -> file of images; a plain one before its .gz."""
    found: dict[str, str] = {}
    for name in finder.files("", ("idx3-ubyte", "idx3-ubyte.gz"), deep=False):
        match = _IMAGES.fullmatch(name)
        if match:
            found.setdefault(match["stem"], name)
    return found


def _pair(finder: Finder, name: str, limits: Limits) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, H, W) and labels (N,) uint8."""
    images = read_idx(finder.root / name, 3, limits)
    plain = name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    path = finder.look(plain, [""]) or finder.look(f"{plain}.gz", [""])
    if path is None:
        raise AnnotationError(f"there is no {plain} with its labels", file=finder.root / name)
    labels = read_idx(path, 1, limits)
    if len(labels) != len(images):
        why = f"{len(labels):,} labels for the {len(images):,} images of {name}"
        raise AnnotationError(why, file=path)
    return images, labels


def read_idx(path: Path, axes: int, limits: Limits = DEFAULT_LIMITS) -> np.ndarray:
    """An array of uint8 with so many axes, read-only.

    No more is unpacked than the header announces, and no more is announced than the limits allow.

    Raises:
        AnnotationError: not IDX, another kind or shape, or a length that is not the announced one.
    """
    data = read_bytes(path, PACKED_BYTES)
    packed = zlib.decompressobj(wbits=31) if data[:2] == b"\x1f\x8b" else None
    head = _unpack(packed, data, _SLACK, path) if packed else data[:_SLACK]
    shape = _shape(head, axes, path, limits)
    length = 4 + 4 * axes + math.prod(shape)
    whole = True
    if packed:
        data = head + _unpack(packed, packed.unconsumed_tail, length + 1 - len(head), path)
        whole = packed.eof and not packed.unused_data
    if len(data) != length or not whole:
        announced = " x ".join(str(side) for side in shape)
        raise AnnotationError(f"its length is not that of the announced {announced}", file=path)
    return np.frombuffer(data, dtype=np.uint8, offset=4 + 4 * axes).reshape(shape)


def _unpack(packed: zlib._Decompress, data: bytes, max_bytes: int, path: Path) -> bytes:
    try:
        return packed.decompress(data, max(1, max_bytes))
    except zlib.error as error:
        raise AnnotationError(f"cannot be unpacked: {error}", file=path) from error


def _shape(head: bytes, axes: int, path: Path, limits: Limits) -> tuple[int, ...]:
    if len(head) < 4 + 4 * axes or head[:2] != b"\0\0":
        raise AnnotationError("not an IDX file", file=path)
    if head[2] != _UBYTE or head[3] != axes:
        why = f"IDX of kind {head[2]} with {head[3]} axes; only uint8 (8) with {axes} is read"
        raise AnnotationError(why, file=path)
    shape = struct.unpack(f">{axes}I", head[4 : 4 + 4 * axes])
    over = shape[0] > limits.annotations or max(shape[1:], default=1) > limits.image_side
    if over or math.prod(shape) > PACKED_BYTES:
        announced = " x ".join(f"{side:,}" for side in shape)
        raise AnnotationError(f"its header states {announced} bytes, over the limit", file=path)
    if 0 in shape:
        raise AnnotationError("it holds no images", file=path)
    return shape


FORMAT = Format("idx", LOOKED_FOR, recognize, read, tasks=("classification",))
