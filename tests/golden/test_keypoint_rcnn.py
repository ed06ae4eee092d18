"""Keypoint R-CNN against torchvision's numbers (make_keypoint_rcnn.py), and its names both ways."""

from __future__ import annotations

import copy

import pytest
import torch

from tapetum.models.detection.two_stage.keypoint_rcnn import (
    KeypointRCNN,
    keypoint_rcnn,
)
from tapetum.structures import Batch, Objects, Target

from .drawing import assert_sample, draw_image, draw_weights, largest_error, read

KEYS = {
    "torchvision": "keypointrcnn_resnet50_fpn.keys.json",
    "torchvision-published": "keypointrcnn_resnet50_fpn-published.keys.json",
}


def double(values: list) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.fixture(scope="module")
def golden() -> dict:
    return read("keypoint_rcnn.json")


@pytest.fixture(scope="module")
def model(golden: dict) -> KeypointRCNN:
    with torch.device("meta"):
        model = keypoint_rcnn(backbone="resnet50", **golden["arguments"])
    theirs = model.references["torchvision"].theirs
    shapes = {name: list(value.shape) for name, value in model.state_dict().items()}
    drawn = draw_weights({str(theirs(name)): s for name, s in shapes.items()}, golden["adjust"])
    state = {name: drawn[str(theirs(name))] for name in shapes}
    model.load_state_dict(state, assign=True)
    return model.eval()


@pytest.fixture(scope="module")
def batch(model: KeypointRCNN, golden: dict) -> Batch:
    targets = [
        Target(
            objects=Objects(
                boxes=double(ground_truth["boxes"]),
                labels=torch.tensor(ground_truth["labels"])
                - 1,  # torchvision counts from background
                keypoints=double(ground_truth["keypoints"]),
            )
        )
        for ground_truth in golden["truth"]
    ]
    images = [draw_image(name, *size) for name, size in golden["sizes"].items()]
    return model.preprocess(images, targets)


@pytest.mark.parametrize(("reference", "norm"), list(zip(KEYS, ("batch", "frozen"), strict=True)))
def test_names_and_shapes_are_a_bijection_with_the_reference(reference: str, norm: str) -> None:
    with torch.device("meta"):
        model = keypoint_rcnn(backbone="resnet50", norm=norm)
    renames, theirs = model.references[reference], read(KEYS[reference])
    state = model.state_dict()
    ours = {name: list(value.shape) for name, value in state.items()}
    assert {renames.ours(name): shape for name, shape in theirs.items()} == ours
    assert [renames.theirs(str(renames.ours(name))) for name in theirs] == list(theirs)


def test_predictions_are_those_of_the_reference(
    model: KeypointRCNN, golden: dict, batch: Batch
) -> None:
    with torch.no_grad():
        output = model(batch.pixels, batch.sizes)
    assert_sample("keypoint_rcnn.logits", output.logits, golden["logits"], 1e-6)
    for found, expected in zip(model.postprocess(output, batch), golden["detections"], strict=True):
        objects = found.objects
        assert (objects.labels + 1).tolist() == expected["labels"]
        assert largest_error(objects.scores, double(expected["scores"])) < 1e-6
        assert largest_error(objects.boxes, double(expected["boxes"])) < 1e-6
        points, logits = double(expected["keypoints"]), double(expected["keypoints_scores"])
        assert largest_error(objects.keypoints[..., :2], points[..., :2]) < 1e-6
        assert largest_error(objects.keypoints[..., 2], logits) < 1e-6


def test_losses_are_those_of_the_reference(model: KeypointRCNN, golden: dict, batch: Batch) -> None:
    """Without a generator our samplers take the first, as the reference's were made to do."""
    with torch.no_grad():
        output = model(batch.pixels, batch.sizes, batch.targets)
    assert batch.targets is not None
    losses = {name: value.item() for name, value in model.losses(output, batch.targets).items()}
    assert losses == pytest.approx(golden["losses"], rel=1e-6)


def test_float32_is_near(model: KeypointRCNN, golden: dict, batch: Batch) -> None:
    with torch.no_grad():
        output = copy.deepcopy(model).float()(batch.pixels.float(), batch.sizes)
    assert_sample("keypoint_rcnn.logits", output.logits, golden["logits"], 1e-4)
