"""Several views of an image: each turned back to where it was, and their mean."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tapetum.base.errors import UsageError
from tapetum.base.runtime import generator
from tapetum.models.segmentation.test_time_augmentation import VIEWS, mean_of_views
from tapetum.models.segmentation.unet import UNet, unet


def pixels(*shape: int) -> Tensor:
    return torch.rand(shape, generator=generator(0, *shape))


def small(**more: Any) -> UNet:
    torch.manual_seed(0)
    channels = [8, 8, 8, 8, 8]
    model = unet("resnet10", classes=3, width=4, decoder_channels=channels, **more)
    return model.eval()


@pytest.mark.parametrize("views", VIEWS)
def test_what_looks_at_each_pixel_alone_does_not_care(views):
    seen = pixels(2, 3, 8, 12)
    torch.testing.assert_close(mean_of_views(lambda x: 2 * x[:, :1], seen, views), 2 * seen[:, :1])


def test_turns_are_all_eight_and_come_back():
    """A network that knows left from right and up from down: the mean knows neither."""
    seen, shown = pixels(1, 1, 6, 6), []

    def network(x: Tensor) -> Tensor:
        shown.append(x)
        return x.cumsum(3) + 3 * x.cumsum(2)

    mean = mean_of_views(network, seen, "turns")
    different = {tuple(x.flatten().tolist()) for x in shown}
    assert len(shown) == len(different) == 8
    again = mean_of_views(network, seen.flip(3), "turns")
    torch.testing.assert_close(again.flip(3), mean)
    again = mean_of_views(network, torch.rot90(seen, 1, (2, 3)), "turns")
    torch.testing.assert_close(torch.rot90(again, -1, (2, 3)), mean)


def test_a_model_answers_for_the_mirror_image_as_for_the_image():
    seen, sizes = pixels(1, 3, 64, 96), torch.tensor([[64, 96]])
    model = small(views="mirror")
    logits = model(seen, sizes).logits
    torch.testing.assert_close(model(seen.flip(3), sizes).logits.flip(3), logits)
    assert not torch.allclose(small()(seen, sizes).logits, logits)
    learnt = model(seen, sizes, targets=()).logits  # training sees images as they are
    torch.testing.assert_close(learnt, small()(seen, sizes).logits)


def test_each_tile_is_seen_in_all_views(monkeypatch):
    shown = []

    def network(x: Tensor) -> Tensor:
        shown.append(tuple(x.shape[2:]))
        return x[:, :1].cumsum(3)

    model = small(views="mirror", tile=96, overlap=32)
    monkeypatch.setattr(model, "_logits", network)
    model(pixels(1, 3, 64, 160), torch.tensor([[64, 160]]))
    assert shown == [(64, 96)] * 4  # two tiles, two views


def test_unknown_views():
    with pytest.raises(UsageError, match="unknown views 'all'"):
        small(views="all")
