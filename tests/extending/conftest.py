"""An image, a dataset in files, and a small classifier's run, that the tests share."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import torch
from PIL import Image

import tapetum
from tapetum.base.errors import UsageError
from tapetum.data.scenes import Scenes
from tests.extending.tools import EXPORT_SIZES, train

SIZE = (64, 80)


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene as a file, 64 pixels high."""
    path = tmp_path_factory.mktemp("photo") / "scene.png"
    save(Scenes("test", size=SIZE)[0].image, path)
    return path


@pytest.fixture(scope="session")
def voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four scenes as a VOC dataset."""
    root = tmp_path_factory.mktemp("voc")
    scenes = Scenes("train", size=SIZE, length=4)
    for folder in ("JPEGImages", "Annotations"):
        (root / folder).mkdir()
    for index, sample in enumerate(scenes[n] for n in range(4)):
        save(sample.image, root / "JPEGImages" / f"{index}.png")
        assert sample.target.objects is not None
        boxes, labels = sample.target.objects.boxes.tolist(), sample.target.objects.labels.tolist()
        objects = "".join(
            f"<object><name>{scenes.classes[label]}</name><bndbox><xmin>{x1 + 1:g}</xmin>"
            f"<ymin>{y1 + 1:g}</ymin><xmax>{x2:g}</xmax><ymax>{y2:g}</ymax></bndbox></object>"
            for (x1, y1, x2, y2), label in zip(boxes, labels, strict=True)
        )
        size = f"<size><width>{SIZE[1]}</width><height>{SIZE[0]}</height><depth>3</depth></size>"
        text = f"<annotation><filename>{index}.png</filename>{size}{objects}</annotation>"
        (root / "Annotations" / f"{index}.xml").write_text(text)
    return root


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linear classifier on scenes."""
    return train("linear", tmp_path_factory.mktemp("shared") / "run")


def save(image: torch.Tensor, path: Path) -> None:
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)


@pytest.fixture(scope="session", autouse=True)
def exporter(run: Path) -> None:
    """One export: loading the exporter takes seconds, which are no test's own."""
    with contextlib.suppress(UsageError):  # not installed: see `tools.export`
        tapetum.export(run, sizes=EXPORT_SIZES)
