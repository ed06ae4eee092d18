"""The comparison of an exported folder with the model: part of all exports.

Two comparisons over made images of two sizes, a composed scene, and for networks that work in
tiles a strip longer than a tile: the graphs' outputs with the modules', and the client's answers
with the model's. Detectors are compared at a score threshold of 0, so that there are answers.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tapetum.base.custom_code import Fresh
from tapetum.base.errors import TapetumError
from tapetum.base.seeds import generator
from tapetum.data.scenes import Scenes
from tapetum.exporting.graphs import rule_of
from tapetum.structures import ExportGraph, Model, Objects, PostprocessOptions, Prediction

OUTPUT = 1e-4
"""The largest difference of outputs, as a fraction of their largest value."""
SCORE = 1e-3
BOX = 0.05
"""Pixels, of a corner of a box or a keypoint."""
PIXELS = 1e-3
"""Share of the pixels of an image, for maps."""
MASKS = 1e-2
"""Share of the pixels of an object, for masks."""
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
    """The largest differences found; None where the task has nothing of the kind to compare.

    Attributes:
        output: of the outputs of the graphs, as a fraction of their largest value.
        score: of the scores of objects, or of the probabilities of classes.
        box: of a corner of a box, in pixels.
        masks: share of the pixels of a mask.
        points: share of the keypoints that are elsewhere.
        pixels: share of the pixels of a label map.
        lost: objects without a counterpart.
        count: objects, or images for tasks without objects, that were compared.
    """

    output: float = 0.0
    score: float | None = None
    box: float | None = None
    masks: float | None = None
    points: float | None = None
    pixels: float | None = None
    lost: int = 0
    count: int = 0

    def holds(self) -> bool:
        """Are all differences within the tolerances? One that is not a number is not."""
        measured = {name: value for name, value in vars(self).items() if value is not None}
        return not self.lost and all(measured.get(n, 0) <= most for n, most in TOLERANCES.items())

    def __or__(self, other: Parity) -> Parity:
        """The worse of both; counts add up."""
        mine, theirs = vars(self), vars(other)
        worst: dict[str, Any] = {name: _worse(mine[name], theirs[name]) for name in TOLERANCES}
        return Parity(**worst, lost=self.lost + other.lost, count=self.count + other.count)

    def __str__(self) -> str:
        has_objects = self.box is not None
        words = WORDS if has_objects else WORDS | {"score": "probabilities differ by {:.1e}"}
        values = {name: getattr(self, name) for name in words}
        parts = [words[name].format(x) for name, x in values.items() if x is not None]
        if has_objects or self.lost:
            parts.append(f"{self.lost} without a counterpart")
        compared = f"{self.count} {'objects' if has_objects or self.lost else 'images'}"
        outputs = f"outputs of the graphs differ by {self.output:.1e} of their largest value"
        if not self.count:
            return f"{outputs}; no objects were compared: their scores are all alike"
        return f"{outputs}; in {compared}: {', '.join(parts)}"


TOLERANCES = {
    "output": OUTPUT,
    "score": SCORE,
    "box": BOX,
    "masks": MASKS,
    "points": POINTS,
    "pixels": PIXELS,
}
WORDS = {
    "score": "scores differ by {:.1e}",
    "box": "boxes by {:.1e} pixels",
    "masks": "masks by {:.2%} of their pixels",
    "points": "{:.1%} of the keypoints are elsewhere",
    "pixels": "{:.2%} of the pixels have another class",
}


def _worse(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return float(np.maximum(one, other))


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
            moved += beside.points or 0.0
            count += 1
    points = None if total.points is None else moved / count
    return replace(total, points=points, count=count)


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
    masks = points = None
    if "masks" in one:
        wrong = (one["masks"][i] != other["masks"][j]).sum()
        masks = float(wrong / max(int(one["masks"][i].sum()), 100))
    if "keypoints" in one:
        apart = np.abs(one["keypoints"][i] - other["keypoints"][j])[:, :2].max(axis=1)
        points = float((apart > BOX).mean())
    return Parity(score=score, box=float(gaps.min()), masks=masks, points=points)


def _arrays(objects: Objects) -> dict[str, Array]:
    values = {"boxes": objects.boxes, "labels": objects.labels, "scores": objects.scores}
    values |= {"masks": objects.masks, "keypoints": objects.keypoints}
    return {name: value.numpy() for name, value in values.items() if value is not None}
