"""One more dataset format, read and written: a file that ends with its FORMAT, a line of PLACES."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tapetum
from tapetum.base.limits import Limits
from tapetum.cli.main import main
from tapetum.data.formats import read_annotations, recognize
from tapetum.data.formats.format import Copy, Format
from tapetum.data.formats.registry import PLACES, Place
from tapetum.data.records.findings import FindingCollector
from tapetum.data.records.image_record import Annotations
from tapetum.data.records.table import Head, Table
from tapetum.data.splits.assign import ALL, in_order
from tests.extending.tools import export, look, train

FILE = "boxes.csv"


def recognised(path: Path) -> bool:
    return (path / FILE).is_file()


def read(path: Path, limits: Limits) -> Annotations:
    rows = [line.split(",") for line in (path / FILE).read_text("utf-8").splitlines()]
    classes = sorted({row[1] for row in rows})
    table, numbers = Table(limits.annotations), {}
    for name, label, *box in rows:
        if name not in numbers:
            head = Head(name, path / name, len(numbers), None, path / FILE)
            numbers[name] = table.add_image(head)
        table.add(numbers[name], [float(v) for v in box], classes.index(label), len(table))
    images = table.images(FindingCollector(path))
    ids = tuple(range(len(classes)))
    return Annotations("boxes", path, tuple(classes), ids, in_order({ALL: images}), ())


def write(annotations: Annotations, out: Path, copy: Copy) -> list[str]:
    lines = []
    for image in annotations.all_images():
        name = Path(image.name).name
        copy(image, name)
        for box, label in zip(image.xywh.tolist(), image.labels.tolist(), strict=True):
            lines.append(",".join((name, annotations.classes[label], *map(str, box))))
    out.mkdir(parents=True, exist_ok=True)
    (out / FILE).write_text("\n".join(lines), "utf-8")
    return ["splits"]


FORMAT = Format("boxes", FILE, recognised, read, write, label_split="all")


def test_a_format_is_a_line_of_the_registry(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, photo: Path, voc: Path
) -> None:
    monkeypatch.setitem(PLACES, "boxes", Place(__name__, written=True))
    data = tmp_path / "data"
    done = tapetum.convert(voc, data, to="boxes")
    assert done.images == 4
    assert recognize(data) == "boxes"
    before, after = (read_annotations(folder).all_images() for folder in (voc, data))
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one.xywh, other.xywh)
    assert tapetum.check(data) == []
    run = train("linear", tmp_path / "run", data, format="boxes")
    assert look(run, photo)
    export(run)


def test_it_takes_the_answers_of_a_detector(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, photo: Path, voc: Path
) -> None:
    monkeypatch.setitem(PLACES, "boxes", Place(__name__, written=True))
    small = {"backbone_width": 8, "fpn_channels": 16, "head_convs": 1, "detections_per_img": 5}
    options = {"backbone": "resnet10", "arguments": {**small, "prior": 0.2}}
    run = train("retinanet", tmp_path / "run", voc, **options)
    out = tmp_path / "labels"
    words = ["predict", str(run), str(photo), "--out", str(out), "--save", "boxes"]
    assert main([*words, "--threshold", "0", "--device", "cpu"]) == 0
    labels = read_annotations(out / "boxes")
    assert sum(map(len, labels.all_images())) == 5
