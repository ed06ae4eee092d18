"""One more detector with published weights and an export: its file, the part of the client that
reads its outputs (`peaks_client`), a line of CATALOG and a line of PARTS."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import tapetum
from tapetum.base.ranks import normalizer
from tapetum.cli.main import main
from tapetum.exporting.assemble import PARTS
from tapetum.models.catalog import CATALOG, ModelEntry, PublishedWeights
from tapetum.models.detection.postprocessing import Thresholds, suppress, to_original
from tapetum.models.preprocessing import Preprocessing
from tapetum.ops.losses import sigmoid_focal_loss
from tapetum.structures import (
    DEFAULT_POSTPROCESS,
    Batch,
    ExplainLayer,
    ExportGraph,
    ExportRule,
    Model,
    Objects,
    PostprocessOptions,
    Prediction,
    Target,
)
from tests.extending import peaks_client
from tests.extending.tools import export, look, train

STRIDE, SIDE = 8, 16


class PeaksOutput(NamedTuple):
    """B images, C classes, maps of a cell every STRIDE pixels."""

    logits: Tensor  # (B, C, h, w)


class Peaks(Model[PeaksOutput]):
    """A score for each class at each cell; boxes have one size."""

    task = "detection"

    def __init__(self, num_classes: int, min_size: int, max_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, STRIDE, stride=STRIDE)
        self.head = nn.Conv2d(8, num_classes, 1)
        self.preprocessing = Preprocessing(min_size, max_size, multiple=STRIDE)
        self.thresholds = Thresholds(0.05, 0.5, 20)

    def preprocess(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> Batch:
        return self.preprocessing(images, targets, like=self.head.weight)

    def forward(
        self,
        pixels: Tensor,
        sizes: Tensor,
        targets: Sequence[Target] | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> PeaksOutput:
        return PeaksOutput(self.head(self.conv(pixels).relu()))

    def losses(self, output: PeaksOutput, targets: Sequence[Target]) -> dict[str, Tensor]:
        wanted = torch.zeros_like(output.logits)
        for image, target in enumerate(targets):
            labels, y, x = cells(target, wanted.shape[-2:])
            wanted[image, labels, y, x] = 1
        focal = sigmoid_focal_loss(output.logits, wanted, reduction="none")
        return {"peaks": focal.sum() / normalizer(len(targets))}

    def postprocess(
        self,
        output: PeaksOutput,
        batch: Batch,
        options: PostprocessOptions = DEFAULT_POSTPROCESS,
    ) -> list[Prediction]:
        thresholds = self.thresholds.overridden(options)
        frames = zip(batch.sizes.tolist(), batch.originals.tolist(), strict=True)
        predictions = []
        for logits, (size, original) in zip(output.logits, frames, strict=True):
            scores = logits.sigmoid()
            labels, y, x = torch.nonzero(scores > thresholds.score_thresh, as_tuple=True)
            centers = (torch.stack((x, y, x, y), dim=1) + 0.5) * STRIDE
            boxes = centers + centers.new_tensor((-1, -1, 1, 1)) * SIDE / 2
            found = Objects(boxes=boxes, labels=labels, scores=scores[labels, y, x])
            found = suppress(found, tuple(size), thresholds)
            predictions.append(Prediction(objects=to_original(found, tuple(size), tuple(original))))
        return predictions

    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        batch = self.preprocess(images, targets)
        assert batch.targets is not None
        maps = self(batch.pixels, batch.sizes).logits
        rows = zip(maps, batch.targets, strict=True)
        return torch.cat([logits[cells(target, logits.shape[-2:])] for logits, target in rows])

    def explain_layers(self) -> dict[str, ExplainLayer]:
        return {"conv": (self.conv, torch.relu)}

    def export_graphs(self) -> list[ExportGraph]:
        def heads(pixels: Tensor) -> tuple[Tensor, ...]:
            return (self.head(self.conv(pixels).relu()),)

        dynamic = {0: ("batch", 1, 1), 2: ("height", STRIDE, 2), 3: ("width", STRIDE, 2)}
        return [ExportGraph("model", heads, "pixels", ("logits",), lambda b: b.pixels, dynamic)]

    def export_rule(self) -> ExportRule:
        shape = {"kind": "peaks", "stride": STRIDE, "side": SIDE}
        rule = {**shape, **self.thresholds._asdict()}
        return {"preprocess": self.preprocessing.export_rule(), "postprocess": rule}


def cells(target: Target, size: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Label, row and column of the center of each object, on a map of `size`."""
    objects = target.require("objects")
    x, y = ((objects.boxes[:, :2] + objects.boxes[:, 2:]) / 2 / STRIDE).long().unbind(1)
    return objects.labels, y.clamp(0, size[0] - 1), x.clamp(0, size[1] - 1)


def peaks(num_classes: int = 80, min_size: int = 64, max_size: int = 107) -> Peaks:
    """The toy detector."""
    return Peaks(num_classes, min_size, max_size)


def class_names() -> tuple[tuple[str, ...], tuple[int, ...]]:
    return ("cat", "dog"), (1, 2)


WEIGHTS = PublishedWeights(
    name="peaks_pets",
    file="peaks_pets.safetensors",
    url="https://example.com/peaks_pets.safetensors",
    sha256="",
    data="pets",
    figures={"AP": 12.0},
    class_names=class_names,
    arguments={"num_classes": 2},
)
ENTRY = ModelEntry(peaks, "detection", "none", {"num_classes": 3}, weights=(WEIGHTS,))


def publish(folder: Path) -> PublishedWeights:
    """The file in the cache, as after a download."""
    path = folder / "weights" / WEIGHTS.file
    path.parent.mkdir(parents=True)
    save_file(peaks(2).state_dict(), path)
    return replace(WEIGHTS, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def test_a_detector_is_a_line_of_the_catalog_and_one_of_the_client(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, photo: Path
) -> None:
    monkeypatch.setenv("TAPETUM_CACHE", str(tmp_path / "cache"))
    entry = replace(ENTRY, weights=(publish(tmp_path / "cache"),))
    monkeypatch.setitem(CATALOG, "peaks", entry)
    monkeypatch.setitem(PARTS, "peaks", ("boxes", peaks_client.__name__))
    run = train("peaks", tmp_path / "run", weights="peaks_pets")
    assert "peaks_pets" in (run / "run.json").read_text()
    assert -1 <= look(run, photo)["AP"] <= 1
    published = tapetum.load("peaks_pets", device="cpu")
    assert published.classes == ("cat", "dog")
    assert main(["predict", "peaks_pets", str(photo), "--device", "cpu"]) == 0
    export(run)
