"""RetinaNet against torchvision's numbers (make_retinanet.py), and its names both ways."""

from __future__ import annotations

import copy

import pytest
import torch

from tapetum.models.detection.one_stage.retinanet import RetinaNet, retinanet
from tapetum.structures import Batch, Objects, Target

from .drawing import assert_sample, draw_image, draw_weights, largest_error, read

KEYS = {
    "torchvision": "retinanet_resnet50_fpn.keys.json",
    "torchvision-published": "retinanet_resnet50_fpn-published.keys.json",
}


@pytest.fixture(scope="module")
def golden() -> dict:
    return read("retinanet.json")


@pytest.fixture(scope="module")
def model(golden: dict) -> RetinaNet:
    drawn = draw_weights(read(KEYS["torchvision"]), golden["adjust"])
    with torch.device("meta"):
        model = retinanet(backbone="resnet50", num_classes=91, **golden["arguments"])
    renames = model.references["torchvision"]
    state = {str(renames.ours(key)): value for key, value in drawn.items()}
    model.load_state_dict(state, assign=True)
    return model.eval()


@pytest.fixture(scope="module")
def batch(model: RetinaNet, golden: dict) -> Batch:
    targets = [
        Target(
            objects=Objects(
                boxes=torch.tensor(ground_truth["boxes"], dtype=torch.float64),
                labels=torch.tensor(ground_truth["labels"]),
            )
        )
        for ground_truth in golden["truth"]
    ]
    images = [draw_image(name, *size) for name, size in golden["sizes"].items()]
    return model.preprocess(images, targets)


@pytest.mark.parametrize(("reference", "norm"), list(zip(KEYS, ("batch", "frozen"), strict=True)))
def test_names_and_shapes_are_a_bijection_with_the_reference(reference: str, norm: str) -> None:
    with torch.device("meta"):
        model = retinanet(backbone="resnet50", num_classes=91, norm=norm)
    renames, theirs = model.references[reference], read(KEYS[reference])
    state = model.state_dict()
    ours = {name: list(value.shape) for name, value in state.items()}
    assert {renames.ours(name): shape for name, shape in theirs.items()} == ours
    assert [renames.theirs(str(renames.ours(name))) for name in theirs] == list(theirs)


def test_numbers_are_those_of_the_reference(model: RetinaNet, golden: dict, batch: Batch) -> None:
    with torch.no_grad():
        output = model(batch.pixels, batch.sizes)
    for name, expected in golden["raw"].items():
        assert_sample(f"retinanet.{name}", getattr(output, name), expected, 1e-6)

    assert batch.targets is not None
    losses = {name: value.item() for name, value in model.losses(output, batch.targets).items()}
    assert losses == pytest.approx(golden["losses"], rel=1e-6)
    for found, expected in zip(model.postprocess(output, batch), golden["detections"], strict=True):
        assert found.objects.labels.tolist() == expected["labels"]
        scores, boxes = (
            torch.tensor(expected[k], dtype=torch.float64) for k in ("scores", "boxes")
        )
        assert largest_error(found.objects.scores, scores) < 1e-6
        assert largest_error(found.objects.boxes, boxes) < 1e-6


def test_float32_is_near(model: RetinaNet, golden: dict, batch: Batch) -> None:
    with torch.no_grad():
        output = copy.deepcopy(model).float()(batch.pixels.float(), batch.sizes)
    for name, expected in golden["raw"].items():
        assert_sample(f"retinanet.{name}", getattr(output, name), expected, 1e-4)
