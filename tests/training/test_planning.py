"""What the options of a training decide, and those that could decide nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapetum import api
from tapetum.base.errors import UsageError

OWN = """
from tapetum.models.classification.classifier import ImageClassifier
from tapetum.models.classification.linear import linear
from tapetum.models.segmentation.segmenter import SemanticSegmenter
from tapetum.models.segmentation.unet import unet


def fixed(classes: int = 2, l2: float = 0.0) -> ImageClassifier:
    return linear(num_classes=8, image_size=16)


def maps(num_classes: int = 2) -> SemanticSegmenter:
    return unet(num_classes=num_classes, encoder="resnet10", width=8)
"""
QUICK = {"weights": "none", "max_steps": 1, "batch_size": 2, "observers": ()}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "own.py"
    file.write_text(OWN)
    return file


def refused(model: str, out: Path, data: str = "scenes:count=4", **options: object) -> str:
    with pytest.raises(UsageError) as caught:
        api.train(model, data, out=out / "run", **{**QUICK, **options})
    assert not (out / "run").exists()
    return str(caught.value)


def test_a_size_that_the_model_does_not_take_is_refused(own: Path) -> None:
    says = refused(f"{own}:fixed", own.parent, image_size=32)
    assert says.startswith("image_size: ")
    assert "own.py:fixed has neither an argument image_size nor min_size" in says
    assert says.endswith("(hint: it takes classes, l2)")


def test_a_size_of_windows_is_refused_where_none_are_cut(own: Path) -> None:
    says = refused(f"{own}:maps", own.parent, image_size=32, augment="flip")
    assert says.startswith("image_size: has no effect with augment flip")


def test_a_model_without_size_and_number_of_classes_says_so(own: Path) -> None:
    told: list[str] = []
    run = api.train(
        f"{own}:fixed", "scenes:count=4", out=own.parent / "run", log=told.append, **QUICK
    )
    assert (run / "run.json").is_file()
    assert (
        "own.py:fixed has no argument num_classes: it is not told that there are 8 classes" in told
    )
