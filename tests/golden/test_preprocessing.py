"""The protocol of published classifiers against torchvision's presets (make_preprocessing.py)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tapetum.models import CATALOG
from tapetum.models.classification.preprocessing import SquarePreprocessing
from tapetum.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from tapetum.weights.published import all_published, model_of

from .drawing import _places, assert_sample, draw_photo, read

GOLDEN = read("preprocessing.json")
CLASSIFIERS = [entry for entry in all_published() if entry.data == "ImageNet-1K"]
CASES = [(side, name) for side in (232, 256) for name in GOLDEN["sizes"]]


def prepared(resize_size: int, image: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    preprocess = SquarePreprocessing(resize_size=resize_size, crop_mode="center")
    return preprocess([image], None, torch.zeros((), dtype=dtype)).pixels[0]


@pytest.mark.parametrize("entry", CLASSIFIERS, ids=lambda entry: entry.name)
def test_every_published_classifier_has_the_protocol_of_its_file(entry) -> None:
    expected = GOLDEN["files"][entry.file]
    with torch.device("meta"):
        own = CATALOG[model_of(entry)].build(**entry.arguments).preprocessing
    assert own.crop_mode == "center"
    found = [own.resize_size, own.size, "bilinear", own.antialias, list(own.mean), list(own.std)]
    assert found == expected


@pytest.mark.parametrize(("side", "name"), CASES)
def test_pixels_are_those_of_the_reference(side: int, name: str) -> None:
    key = f"preprocessing.{name}"
    image = draw_photo(key, *GOLDEN["sizes"][name])
    expected = GOLDEN["prepared"][str(side)][name]["float"]
    assert_sample(key, prepared(side, image), expected, 1e-6)
    single = prepared(side, image.float(), torch.float32)
    assert_sample(key, single, expected, 1e-4)


@pytest.mark.parametrize(("side", "name"), CASES)
def test_rounded_to_bytes_they_are_those_of_the_reference_for_bytes(side: int, name: str) -> None:
    """torchvision rounds after it resized; ours are unrounded, half a level away at most."""
    own, theirs = in_levels(side, name, "bytes")
    assert (own - theirs).abs().max() <= 0.5 + 1e-3
    torch.testing.assert_close(own.round(), theirs, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("side", "name"), CASES)
def test_pillow_is_a_level_away_at_most(side: int, name: str) -> None:
    """It rounds twice, once a direction, and its weights have fixed points."""
    own, theirs = in_levels(side, name, "pillow")
    assert (own - theirs).abs().max() <= 1.1
    assert (own - theirs).mean().abs() <= 0.1


def in_levels(side: int, name: str, kind: str) -> tuple[Tensor, Tensor]:
    """Some pixels of ours and the reference's for an image in bytes, as levels of 255."""
    key = f"preprocessing.{name}"
    image = (255 * draw_photo(key, *GOLDEN["sizes"][name])).round().to(torch.uint8)
    own = prepared(side, image)
    golden = GOLDEN["prepared"][str(side)][name][kind]
    assert list(own.shape) == golden["shape"]
    places = torch.from_numpy(_places(key, own.numel(), len(golden["values"])))
    channel = places // own[0].numel()
    mean, std = (torch.tensor(v, dtype=torch.float64) for v in (IMAGENET_MEAN, IMAGENET_STD))
    both = own.flatten()[places], torch.tensor(golden["values"], dtype=torch.float64)
    ours, theirs = (255 * (values * std[channel] + mean[channel]) for values in both)
    return ours, theirs
