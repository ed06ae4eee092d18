"""U-Net against segmentation_models_pytorch's numbers (make_unet.py), and its names both ways."""

from __future__ import annotations

import copy

import pytest
import torch

from tapetum.models.segmentation.segmenter import SemanticSegmenter
from tapetum.models.segmentation.unet import unet
from tapetum.ops.losses import dice_loss
from tapetum.structures import Batch

from .drawing import assert_sample, draw_image, draw_weights, read

with torch.device("meta"):
    RENAMES = unet().references["segmentation_models_pytorch"]
ENCODERS = ("resnet18", "resnet34")


@pytest.fixture(scope="module")
def golden() -> dict:
    return read("unet.json")


def drawn(encoder: str, golden: dict) -> SemanticSegmenter:
    weights = draw_weights(read(f"unet_{encoder}.keys.json"), golden["adjust"])
    with torch.device("meta"):
        model = unet(encoder, num_classes=golden["classes"])
    model.load_state_dict({str(RENAMES.ours(k)): v for k, v in weights.items()}, assign=True)
    return model.eval()


def prepared(model: SemanticSegmenter, golden: dict) -> Batch:
    return model.preprocess([draw_image(name, *size) for name, size in golden["sizes"].items()])


@pytest.mark.parametrize("encoder", ENCODERS)
def test_names_and_shapes_are_a_bijection_with_the_reference(encoder: str) -> None:
    theirs = read(f"unet_{encoder}.keys.json")
    with torch.device("meta"):
        state = unet(encoder, num_classes=11).state_dict()
    ours = {name: list(value.shape) for name, value in state.items()}
    assert {RENAMES.ours(name): shape for name, shape in theirs.items()} == ours
    assert [RENAMES.theirs(str(RENAMES.ours(name))) for name in theirs] == list(theirs)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_numbers_are_those_of_the_reference(encoder: str, golden: dict) -> None:
    model = drawn(encoder, golden)
    batch = prepared(model, golden)
    with torch.no_grad():
        output = model(batch.pixels, batch.sizes)
        narrow = copy.deepcopy(model).float()(batch.pixels.float(), batch.sizes)
    assert_sample(f"unet.{encoder}", output.logits, golden["logits"][encoder], 1e-6)
    assert_sample(f"unet.{encoder}", narrow.logits, golden["logits"][encoder], 1e-4)
    counts = [
        torch.bincount(prediction.semantic.flatten(), minlength=golden["classes"]).tolist()
        for prediction in model.postprocess(output, batch)
    ]
    assert counts == golden["counts"][encoder]


def test_dice_loss_is_that_of_the_reference_over_the_classes_that_occur(golden: dict) -> None:
    case = golden["dice"]
    logits = torch.tensor(case["logits"], dtype=torch.float64).T[None]
    loss = dice_loss(logits, torch.tensor(case["labels"])[None], smooth=case["smooth"])
    assert loss.item() == pytest.approx(case["loss"], rel=1e-6)
