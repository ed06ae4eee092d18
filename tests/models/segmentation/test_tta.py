"""Test-time augmentation: each copy turned back to where it was, and their mean."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tapetum.base.errors import UsageError
from tapetum.base.seeds import generator
from tapetum.models.segmentation.segmenter import SemanticSegmenter
from tapetum.models.segmentation.tta import AUGMENTATIONS, augmented_mean
from tapetum.models.segmentation.unet import unet


def pixels(*shape: int) -> Tensor:
    return torch.rand(shape, generator=generator(0, *shape))


def small(**more: Any) -> SemanticSegmenter:
    torch.manual_seed(0)
    channels = [8, 8, 8, 8, 8]
    model = unet("resnet10", num_classes=3, width=4, decoder_channels=channels, **more)
    return model.eval()


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_what_looks_at_each_pixel_alone_does_not_care(name):
    seen = pixels(2, 3, 8, 12)
    torch.testing.assert_close(augmented_mean(lambda x: 2 * x[:, :1], seen, name), 2 * seen[:, :1])


def test_turns_are_all_eight_and_come_back():
    """A network that knows left from right and up from down: the mean knows neither."""
    seen, shown = pixels(1, 1, 6, 6), []

    def network(x: Tensor) -> Tensor:
        shown.append(x)
        return x.cumsum(3) + 3 * x.cumsum(2)

    mean = augmented_mean(network, seen, "d4")
    different = {tuple(x.flatten().tolist()) for x in shown}
    assert len(shown) == len(different) == 8
    again = augmented_mean(network, seen.flip(3), "d4")
    torch.testing.assert_close(again.flip(3), mean)
    again = augmented_mean(network, torch.rot90(seen, 1, (2, 3)), "d4")
    torch.testing.assert_close(torch.rot90(again, -1, (2, 3)), mean)


def test_a_model_answers_for_the_mirror_image_as_for_the_image():
    seen, sizes = pixels(1, 3, 64, 96), torch.tensor([[64, 96]])
    model = small(test_time_augmentation="hflip")
    logits = model(seen, sizes).logits
    torch.testing.assert_close(model(seen.flip(3), sizes).logits.flip(3), logits)
    assert not torch.allclose(small()(seen, sizes).logits, logits)
    learnt = model(seen, sizes, targets=()).logits  # training sees images as they are
    torch.testing.assert_close(learnt, small()(seen, sizes).logits)


def test_each_tile_is_augmented(monkeypatch):
    shown = []

    def network(x: Tensor) -> Tensor:
        shown.append(tuple(x.shape[2:]))
        return x[:, :1].cumsum(3)

    model = small(test_time_augmentation="hflip", tile=96, overlap=32)
    monkeypatch.setattr(model.network, "forward", network)
    model(pixels(1, 3, 64, 160), torch.tensor([[64, 160]]))
    assert shown == [(64, 96)] * 4  # two tiles, two copies


def test_unknown_augmentation():
    with pytest.raises(UsageError, match="unknown test_time_augmentation 'all'"):
        small(test_time_augmentation="all")
