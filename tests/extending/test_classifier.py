"""One more classifier: a file with its network and its entry, and a line of CATALOG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tapetum.cli.main import main
from tapetum.models.catalog import CATALOG, ModelEntry
from tapetum.models.classification.classifier import ImageClassifier
from tapetum.models.classification.preprocessing import SquarePreprocessing
from tapetum.models.network import Network
from tapetum.structures import ExplainLayer
from tests.extending.tools import export, look, train


class ToyNetwork(Network[Tensor]):
    """A convolution, the mean of its maps, and a linear layer."""

    min_image_size = 8

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.head = nn.Linear(8, num_classes)

    def forward(
        self, pixels: Tensor, generators: Sequence[torch.Generator] | None = None
    ) -> Tensor:
        return self.head(self.conv(pixels).relu().mean(dim=(2, 3)))

    def explain_layers(self) -> dict[str, ExplainLayer]:
        return {"conv": (self.conv, torch.relu)}


def toy(num_classes: int = 3, image_size: int = 32, multilabel: bool = False) -> ImageClassifier:
    """The toy classifier."""
    preprocessing = SquarePreprocessing(image_size)
    return ImageClassifier(ToyNetwork(num_classes), preprocessing, multilabel=multilabel)


ENTRIES = {"toy": ModelEntry(toy, "classification", "none", {"num_classes": 3})}


def test_a_classifier_is_a_line_of_the_catalog(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    photo: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(CATALOG, "toy", ENTRIES["toy"])
    assert main(["models"]) == 0
    assert "toy" in capsys.readouterr().out
    run = train("toy", tmp_path / "run")
    assert 0 <= look(run, photo)["mAP"] <= 1
    export(run)
