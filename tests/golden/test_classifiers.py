"""Classifiers against torchvision's numbers (make_classifiers.py), and their names both ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tapetum.models.classification import resnet, vit
from tapetum.models.classification.preprocessing import SquarePreprocessing
from tapetum.structures import Target
from tapetum.structures.renames import Renames

from .drawing import assert_sample, draw_image, draw_weights, read

GOLDEN = read("classifiers.json")
IMAGES = [draw_image(name, *size) for name, size in GOLDEN["sizes"].items()]
TARGETS = [Target(labels=torch.tensor([label])) for label in GOLDEN["labels"]]
MODELS: dict[str, tuple[Callable[..., Any], str]] = {
    "resnet18": (resnet.resnet18, "torchvision"),
    "resnet50": (resnet.resnet50, "torchvision"),
    "vit_b_16": (vit.vit_b_16, "torchvision"),
    "vit_b_16-published": (vit.vit_b_16, "torchvision-published"),
}


@pytest.mark.parametrize("name", MODELS)
def test_names_and_shapes_are_a_bijection_with_the_reference(name: str) -> None:
    make, reference = MODELS[name]
    theirs = read(f"{name}.keys.json")
    with torch.device("meta"):
        model = make()
    renames = model.references[reference]
    ours = {key: list(value.shape) for key, value in model.state_dict().items()}
    assert {renames.ours(key): shape for key, shape in theirs.items()} == ours
    assert [renames.theirs(str(renames.ours(key))) for key in theirs] == list(theirs)


@pytest.mark.parametrize("size", [64, 224])
def test_prepared_pixels_are_those_of_the_reference(size: int) -> None:
    expected = GOLDEN["prepared"][str(size)]
    for dtype, tolerance in ((torch.float64, 1e-6), (torch.float32, 1e-5)):
        like = torch.zeros((), dtype=dtype)
        batch = SquarePreprocessing(size)([p.to(dtype) for p in IMAGES], None, like)
        assert_sample(f"prepared.{size}", batch.pixels, expected, tolerance)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "vit_b_16"])
def test_numbers_are_those_of_the_reference(name: str) -> None:
    model, expected = load(name), GOLDEN[name]
    with torch.no_grad():
        batch = model.preprocess(IMAGES, TARGETS)
        output = model(batch.pixels, batch.sizes)
    assert_sample(f"{name}.logits", output.logits, expected["logits"], 1e-6)
    assert [p.labels.tolist() for p in model.postprocess(output, batch)] == [
        [t] for t in expected["top"]
    ]
    for smoothing, key in ((0.0, "loss"), (0.1, "smoothed")):
        model.label_smoothing = smoothing
        loss = model.losses(output, batch.targets)["classification"]
        assert loss.item() == pytest.approx(expected[key], rel=1e-6)

    with torch.no_grad():
        output = model.float()(batch.pixels.float(), batch.sizes)
    assert_sample(f"{name}.logits", output.logits, expected["logits"], 1e-4)


def load(name: str) -> Any:
    make, reference = MODELS[name]
    with torch.device("meta"):
        model = make(depth=3) if name == "vit_b_16" else make()
    renames: Renames = model.references[reference]
    shapes = read(f"{name}.keys.json")
    shapes = {key: shape for key, shape in shapes.items() if not dropped(key)}
    state: dict[str, Tensor] = {
        str(renames.ours(key)): value
        for key, value in draw_weights(shapes, GOLDEN["adjust"]).items()
    }
    model.load_state_dict(state, assign=True)
    return model.eval()


def dropped(key: str) -> bool:
    """Numbers of the ViT are those of three blocks."""
    parts = key.split("encoder_layer_")
    return len(parts) > 1 and int(parts[1].split(".")[0]) >= 3
