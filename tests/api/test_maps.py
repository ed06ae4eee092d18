"""Classes of maps: `train` says how to name them, and by its name one can be explained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tapetum import api
from tapetum.cli.main import main
from tapetum.data.reading.training_data import DataSpec, TrainingData

HINT = (
    "the classes have no names: a file classes.txt beside the folders of images and maps gives "
    "them, a name a line, that of class 0 first; so does a description in YAML, which also says "
    "what to ignore (docs/formats.md)"
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six images whose right half is bright: class 1 there, class 0 elsewhere."""
    for number in range(6):
        values = np.zeros((32, 32), dtype=np.uint8)
        values[:, 16 + number :] = 1
        for folder, pixels in (("images", 40 + 180 * values), ("labels", values)):
            (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / "data" / folder / f"{number}.png")
    return tmp_path / "data"


def lines(data: Path) -> list[str]:
    return TrainingData.open(DataSpec(str(data)), "semantic_segmentation").describe()


def test_maps_without_names_are_told_how_to_get_them(data: Path) -> None:
    assert HINT in lines(data)
    (data / "classes.txt").write_text("wall\nroad\n")
    assert not [line for line in lines(data) if "no names" in line]


def test_so_are_maps_in_black_and_white(data: Path) -> None:
    for path in (data / "labels").iterdir():
        Image.fromarray(255 * np.asarray(Image.open(path))).save(path)
    assert HINT in lines(data)


def test_what_is_named_can_be_explained_by_its_name(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file is what the hint says, and the words are those of the command line."""
    (data / "classes.txt").write_text("wall\nroad\n")
    run = api.train(
        "unet",
        data,
        out=tmp_path / "run",
        backbone="resnet10",
        arguments={"width": 8, "decoder_channels": [16, 16, 16, 8, 8]},
        weights="none",
        augment="none",
        batch_size=4,
        epochs=8,
        lr=0.01,
        warmup_steps=0,
        ema_decay=0.0,
        precision="fp32",
        observers=(),
    )
    photo, out = data / "images" / "0.png", tmp_path / "why.png"
    assert main(["explain", str(run), str(photo), "--target", "road", "--out", str(out)]) == 0
    assert "road, " in capsys.readouterr().err
    assert out.is_file()
