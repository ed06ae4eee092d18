"""The comparison of an exported folder with the model: part of all exports.

Two comparisons over made images of two sizes, a composed scene, and for networks that work in
tiles a strip longer than a tile: the graphs' outputs with the modules', and the client's answers
with the model's. Detectors are compared at a score threshold of 0, so that there are answers.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tapetum.base.custom_code import Fresh
from tapetum.base.errors import TapetumError
from tapetum.base.runtime import generator
from tapetum.data.scenes import Scenes
from tapetum.exporting.graphs import rule_of
from tapetum.structures import ExportGraph, Model, Objects, PostprocessOptions, Prediction

OUTPUT = 1e-4
"""The largest difference of outputs, as a fraction of their largest value."""
SCORE = 1e-3
BOX = 0.05
"""Pixels, of a corner of a box or a keypoint."""
PIXELS = 1e-3
"""Share of the pixels of an image, for maps; of the pixels of the object, ten times that, for
masks."""
POINTS = 0.02
"""Share of the keypoints that may jump to another, equal place of their map."""
BEST = 20
"""Objects of each image that are compared, the best ones."""

ALL_SCORES = PostprocessOptions(score_thresh=0.0)
"""Detections of any score, so that there is something to compare."""

Array = np.ndarray
Predict = Callable[[Tensor, PostprocessOptions], Prediction]


@dataclass(frozen=True)
class Parity:
    """Largest differences found. raw: of outputs, relative. score, box: of answers. pixels: share
    of the pixels of a map or mask. points: share of keypoints elsewhere. lost: answers without a
    counterpart. count: answers compared."""

    output: float = 0.0
    score: float = 0.0
    box: float = 0.0
    pixels: float = 0.0
    points: float = 0.0
    lost: int = 0
    count: int = 0

    def holds(self) -> bool:
        """Are all differences within the tolerances? One that is not a number is not."""
        small = self.output <= OUTPUT and self.score <= SCORE and self.box <= BOX
        return small and self.pixels <= PIXELS and self.points <= POINTS and not self.lost

    def __or__(self, other: Parity) -> Parity:
        """The worse of both; counts add up."""
        mine, theirs = vars(self), vars(other)
        worst = {name: float(np.maximum(mine[name], theirs[name])) for name in list(mine)[:5]}
        return Parity(**worst, lost=self.lost + other.lost, count=self.count + other.count)

    def __str__(self) -> str:
        parts = [f"score {self.score:.1e}", f"box {self.box:.1e} px", f"pixels {self.pixels:.1e}"]
        parts += [f"{self.points:.1%} of keypoints elsewhere"] if self.points else []
        answers = ", ".join((*parts, f"{self.lost} of {self.count} lost"))
        return f"raw heads differ by {self.output:.1e} of their scale, answers by {answers}"


def check_folder(
    folder: Path,
    model: Model[Any],
    graphs: Sequence[ExportGraph],
    predict: Predict,
    sizes: Sequence[tuple[int, int]],
) -> Parity:
    """How far the files in `folder` are from the model; predict: its answer to an image.

    Raises:
        TapetumError: further than the tolerances.
    """
    client = load_client(folder / "client.py").Client(folder)
    total = Parity()
    rule = client.about["postprocess"]
    if "score_thresh" in rule:
        rule["score_thresh"] = 0.0  # in this client in memory, not in its file
    with torch.inference_mode():
        for image in made_images(model, sizes):
            for graph in graphs:
                total |= Parity(output=_raw_difference(client, graph, model, image))
            found = client.predict(image.permute(1, 2, 0).numpy())
            total |= compare_answers(predict(image, ALL_SCORES), found, client.about["postprocess"])
    if not total.holds():
        raise TapetumError(f"the outputs of the exported model differ from the model: {total}")
    return total


def load_client(path: Path) -> ModuleType:
    """A client's file as a module, under no name that others could see; nothing is written."""
    name = "tapetum_exported_client"
    loader = Fresh(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def made_images(model: Model[Any], sizes: Sequence[tuple[int, int]]) -> Iterator[Tensor]:
    """Images (3, H, W) uint8: colored blocks with noise in each of the sizes, and a scene."""
    rule = rule_of(model)
    if rule["postprocess"].get("tile") is not None:
        multiple = rule["preprocess"]["multiple"]
        sizes = [*sizes, (multiple, rule["postprocess"]["tile"] + multiple)]
    for height, width in sizes:
        chance = generator(0, "export", height, width)
        blocks = torch.rand(3, -(-height // 16), -(-width // 16), generator=chance)
        large = blocks.repeat_interleave(16, 1).repeat_interleave(16, 2)[:, :height, :width]
        noise = torch.rand(3, height, width, generator=chance)
        yield (255 * (0.85 * large + 0.15 * noise)).round().to(torch.uint8)
    yield Scenes("test", task="detection")[0].image


def _raw_difference(client: Any, graph: ExportGraph, model: Model[Any], image: Tensor) -> float:
    """Of all outputs of a graph, for what `prepare` makes of an image; also for two images at a
    time and for the image in its own size, where the graph takes them."""
    values = graph.feed(model.preprocess([image])).contiguous()
    inputs = [values]
    if graph.dynamic.get(0, ("",))[0] == "batch":
        inputs.append(torch.cat((values, values.flip(-1))))
        if graph.free_size and min(image.shape[1:]) >= graph.dynamic[2][2] * graph.dynamic[2][1]:
            cut = graph.dynamic[2][1]
            height, width = (side // cut * cut for side in image.shape[1:])
            inputs.append(image[None, :, :height, :width].float() / 128 - 1)
    worst = 0.0
    for each in inputs:
        outputs = client.run(graph.name, each.numpy())
        for expected, got in zip(graph.function(each), outputs, strict=True):
            worst = float(np.maximum(worst, _relative(expected.numpy(), got)))
    return worst


def _relative(expected: Array, got: Array) -> float:
    if expected.shape != got.shape:
        return float("inf")
    largest = np.abs(expected).max(initial=0)
    return float(np.abs(expected - got).max(initial=0) / max(largest, 1e-12))


def compare_answers(expected: Prediction, found: dict[str, Array], rule: dict[str, Any]) -> Parity:
    """How far a client's answer is from the model's."""
    if expected.semantic is not None:
        return Parity(pixels=float((expected.semantic.numpy() != found["map"]).mean()), count=1)
    if expected.objects is not None:
        return _compare_objects(_arrays(expected.objects), found, rule.get("detections_per_img"))
    assert expected.class_scores is not None
    score = float(np.abs(expected.class_scores.numpy() - found["scores"]).max())
    return Parity(score=score, count=1)


def _compare_objects(a: dict[str, Array], b: dict[str, Array], most: int | None) -> Parity:
    """Each of the best objects of either side beside the nearest of its class on the other."""
    total, moved, count = Parity(), 0.0, 0
    for one, other in ((a, b), (b, a)):
        # A full list was cut: what scores like its last may be missing without fault.
        full = len(other["scores"]) == most
        least = other["scores"][-1] + SCORE if full else -np.inf
        for i in np.flatnonzero(one["scores"] > least)[:BEST]:
            beside = _beside(one, other, int(i))
            total |= beside
            moved += beside.points
            count += 1
    points = moved / max(count, 1)
    return Parity(0.0, total.score, total.box, total.pixels, points, total.lost, count)


def _beside(one: dict[str, Array], other: dict[str, Array], i: int) -> Parity:
    same = np.flatnonzero(
        (other["labels"] == one["labels"][i])
        & (np.abs(other["scores"] - one["scores"][i]) <= SCORE)
    )
    if not len(same):
        return Parity(lost=1)
    gaps = np.abs(other["boxes"][same] - one["boxes"][i]).max(axis=1)
    j = same[gaps.argmin()]
    if not gaps.min() <= BOX:
        return Parity(lost=1)
    score = float(abs(other["scores"][j] - one["scores"][i]))
    pixels = 0.0
    if "masks" in one:
        wrong = (one["masks"][i] != other["masks"][j]).sum()
        pixels = float(wrong / max(int(one["masks"][i].sum()), 100) / 10)
    points = 0.0
    if "keypoints" in one:
        apart = np.abs(one["keypoints"][i] - other["keypoints"][j])[:, :2].max(axis=1)
        points = float((apart > BOX).mean())
    return Parity(score=score, box=float(gaps.min()), pixels=pixels, points=points)


def _arrays(objects: Objects) -> dict[str, Array]:
    values = {"boxes": objects.boxes, "labels": objects.labels, "scores": objects.scores}
    values |= {"masks": objects.masks, "keypoints": objects.keypoints}
    return {name: value.numpy() for name, value in values.items() if value is not None}
