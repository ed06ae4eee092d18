"""The recipes for real datasets, for one step on a few small images in the layout of these.

What they reach at full length stands in their docstrings; here their settings must be accepted,
from the description of the data to the report on the test split.
"""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tapetum import api
from tapetum.recipes.camvid import ARGUMENTS as CAMVID
from tapetum.recipes.camvid import camvid
from tapetum.recipes.cifar10 import cifar10
from tapetum.recipes.fashion_mnist import fashion_mnist
from tapetum.recipes.isbi import ARGUMENTS as ISBI
from tapetum.recipes.isbi import isbi
from tapetum.runs.record import read_run

RNG = np.random.default_rng(0)


@pytest.fixture
def one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two images are a batch, and one batch a training, of a narrow network on small images."""
    train = api.train

    def shortly(model: str, *data: Any, arguments: dict[str, Any] | None, **options: Any) -> Path:
        small = {"width": 4, "decoder_channels": [8, 8, 8, 4]} if model == "unet" else {}
        small |= {"min_size": 32} if arguments and "min_size" in arguments else {}
        size = 32 if model == "unet" else options["image_size"]
        options |= {"image_size": size, "minutes": None, "batch_size": 2, "max_steps": 1}
        arguments = {**(arguments or {}), **small}
        return train(model, *data, arguments=arguments, observers=(), precision="fp32", **options)

    monkeypatch.setattr(api, "train", shortly)


def grey_map(path: Path, values: list[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.choice(np.array(values, dtype=np.uint8), (48, 64))).save(path)


def photo(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (48, 64, 3), dtype=np.uint8)).save(path)


def numbers(report: Path) -> dict[str, Any]:
    return json.loads((report.parent / "evaluation.json").read_text())


@pytest.mark.usefixtures("one_step")
def test_camvid(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        for name in ("a", "b"):
            photo(tmp_path / "data" / "images" / split / f"{name}.png")
            grey_map(tmp_path / "data" / "labels" / split / f"{name}.png", list(range(12)))
    report = camvid(tmp_path / "data", tmp_path / "run")
    record = read_run(tmp_path / "run")
    assert len(record.classes) == len(CAMVID["class_weights"]) == 11
    assert numbers(report)["data"].endswith("/test")


@pytest.mark.usefixtures("one_step")
def test_isbi(tmp_path: Path) -> None:
    for number in range(30):
        photo(tmp_path / "data" / "image" / f"{number:02d}.png")
        grey_map(tmp_path / "data" / "label" / f"{number:02d}.png", [0, 255])
    isbi(tmp_path / "data", tmp_path / "run")
    record = read_run(tmp_path / "run")
    assert record.classes == ("membrane", "cell")
    assert record.counts["images"] == {"train": 20}
    assert record.arguments["test_time_augmentation"] == ISBI["test_time_augmentation"] == "d4"


@pytest.mark.usefixtures("one_step")
def test_cifar10(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        rows = RNG.integers(0, 256, (2, 3073), dtype=np.uint8)
        rows[:, 0] = (3, 7)
        rows.tofile(data / f"{name}.bin")
    (data / "batches.meta.txt").write_text("\n".join("0123456789"))
    cifar10(data, tmp_path / "run")
    assert read_run(tmp_path / "run").counts["images"] == {"train": 10}


@pytest.mark.usefixtures("one_step")
def test_fashion_mnist(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name, count in (("train", 4), ("t10k", 2)):
        pixels = RNG.integers(0, 256, (count, 28, 28), dtype=np.uint8).tobytes()
        labels = bytes(range(count))
        images = struct.pack(">IIII", 0x803, count, 28, 28) + pixels
        (data / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        labelled = struct.pack(">II", 0x801, count) + labels
        (data / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labelled))
    fashion_mnist(data, tmp_path / "run")
    assert read_run(tmp_path / "run").counts["images"] == {"train": 4}
