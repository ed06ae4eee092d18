"""A format in one file: `labels.lines` with NAME CLASS LEFT TOP WIDTH HEIGHT a line."""

from __future__ import annotations

from pathlib import Path

from tapetum.base.limits import Limits
from tapetum.data.formats.format import Copy, Format
from tapetum.data.records.findings import FindingCollector
from tapetum.data.records.image_record import Annotations
from tapetum.data.records.table import Head, Table
from tapetum.data.splits.assign import ALL, in_order

FILE = "labels.lines"


def recognize(path: Path) -> bool:
    return (path / FILE).is_file()


def read(path: Path, limits: Limits) -> Annotations:
    rows = [line.split() for line in (path / FILE).read_text("utf-8").splitlines()]
    classes = sorted({row[1] for row in rows})
    table = Table(limits.annotations)
    numbers = {}
    for row in rows:
        if row[0] not in numbers:
            head = Head(row[0], path / row[0], len(numbers), None, path / FILE)
            numbers[row[0]] = table.add_image(head)
        box = [float(value) for value in row[2:]]
        table.add(numbers[row[0]], box, classes.index(row[1]), len(table))
    images = table.images(FindingCollector(path))
    ids = tuple(range(len(classes)))
    return Annotations("lines", path, tuple(classes), ids, in_order({ALL: images}), ())


def write(annotations: Annotations, out: Path, copy: Copy) -> list[str]:
    lines = []
    for image in (image for split in annotations.splits.values() for image in split):
        copy(image, image.name)
        for box, label in zip(image.xywh.tolist(), image.labels.tolist(), strict=True):
            lines.append(" ".join((image.name, annotations.classes[label], *map(str, box))))
    (out / FILE).write_text("\n".join(lines), "utf-8")
    return ["splits"]


FORMAT = Format("lines", FILE, recognize, read, write, label_split="all")
