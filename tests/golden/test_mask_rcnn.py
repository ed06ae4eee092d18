"""Mask R-CNN against torchvision's numbers (make_mask_rcnn.py), and its names both ways."""

from __future__ import annotations

import copy

import pytest
import torch

from tapetum.models.detection.two_stage.mask_rcnn import MaskRCNN, mask_rcnn
from tapetum.structures import Batch, Objects, Target

from .drawing import assert_sample, draw_image, draw_masks, draw_weights, largest_error, read

KEYS = {
    "torchvision": "maskrcnn_resnet50_fpn.keys.json",
    "torchvision-published": "maskrcnn_resnet50_fpn-published.keys.json",
}


@pytest.fixture(scope="module")
def golden() -> dict:
    return read("mask_rcnn.json")


@pytest.fixture(scope="module")
def model(golden: dict) -> MaskRCNN:
    with torch.device("meta"):
        model = mask_rcnn(backbone="resnet50", num_classes=90, **golden["arguments"])
    theirs = model.references["torchvision"].theirs
    shapes = {name: list(value.shape) for name, value in model.state_dict().items()}
    drawn = draw_weights({str(theirs(name)): s for name, s in shapes.items()}, golden["adjust"])
    state = {name: drawn[str(theirs(name))] for name in shapes}
    model.load_state_dict(state, assign=True)
    return model.eval()


@pytest.fixture(scope="module")
def batch(model: MaskRCNN, golden: dict) -> Batch:
    targets = [
        Target(
            objects=Objects(
                boxes=torch.tensor(ground_truth["boxes"], dtype=torch.float64),
                labels=torch.tensor(ground_truth["labels"])
                - 1,  # torchvision counts from background
                masks=draw_masks(ground_truth["boxes"], tuple(size)),
            )
        )
        for ground_truth, size in zip(golden["truth"], golden["sizes"].values(), strict=True)
    ]
    images = [draw_image(name, *size) for name, size in golden["sizes"].items()]
    return model.preprocess(images, targets)


@pytest.mark.parametrize(("reference", "norm"), list(zip(KEYS, ("batch", "frozen"), strict=True)))
def test_names_and_shapes_are_a_bijection_with_the_reference(reference: str, norm: str) -> None:
    with torch.device("meta"):
        model = mask_rcnn(backbone="resnet50", num_classes=90, norm=norm)
    renames, theirs = model.references[reference], read(KEYS[reference])
    state = model.state_dict()
    ours = {name: list(value.shape) for name, value in state.items()}
    assert {renames.ours(name): shape for name, shape in theirs.items()} == ours
    assert [renames.theirs(str(renames.ours(name))) for name in theirs] == list(theirs)


def test_predictions_are_those_of_the_reference(
    model: MaskRCNN, golden: dict, batch: Batch
) -> None:
    with torch.no_grad():
        output = model(batch.pixels, batch.sizes)
    assert_sample("mask_rcnn.logits", output.logits, golden["mask_logits"], 1e-6)
    for found, expected in zip(model.postprocess(output, batch), golden["detections"], strict=True):
        assert (found.objects.labels + 1).tolist() == expected["labels"]
        scores, boxes = (
            torch.tensor(expected[k], dtype=torch.float64) for k in ("scores", "boxes")
        )
        assert largest_error(found.objects.scores, scores) < 1e-6
        assert largest_error(found.objects.boxes, boxes) < 1e-6
        for mask, runs in zip(found.objects.masks, expected["runs"], strict=True):
            inside = torch.arange(len(runs)) % 2 == 1
            assert torch.equal(mask.flatten(), inside.repeat_interleave(torch.tensor(runs)))


def test_losses_are_those_of_the_reference(model: MaskRCNN, golden: dict, batch: Batch) -> None:
    """Without a generator our samplers take the first, as the reference's were made to do."""
    with torch.no_grad():
        output = model(batch.pixels, batch.sizes, batch.targets)
    assert batch.targets is not None
    losses = {name: value.item() for name, value in model.losses(output, batch.targets).items()}
    assert losses == pytest.approx(golden["losses"], rel=1e-6)


def test_float32_is_near(model: MaskRCNN, golden: dict, batch: Batch) -> None:
    with torch.no_grad():
        output = copy.deepcopy(model).float()(batch.pixels.float(), batch.sizes)
    assert_sample("mask_rcnn.logits", output.logits, golden["mask_logits"], 1e-4)
