"""A backbone with maps and strides of its own serves a U-Net, a localizer and a classifier."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.backbones import BACKBONES, Backbone
from tapetum.backbones.vit import VisionTransformer
from tapetum.base.errors import UsageError
from tapetum.models.classification.resnet import resnet_classifier
from tapetum.models.localization.localizer import localizer
from tapetum.models.predict import predict
from tapetum.models.segmentation.unet import unet
from tapetum.structures import Model, Objects, Target


class Toy(Backbone):
    """Maps "fine" at 1/2, "middle" at 1/4 and "coarse" at 1/8 of the size."""

    def __init__(self, width: int, step: int = 2) -> None:
        super().__init__()
        self.channels = {"fine": width, "middle": 2 * width, "coarse": 3 * width}
        self.strides = {name: step ** (i + 1) for i, name in enumerate(self.channels)}
        before = (3, *self.channels.values())
        pairs = zip(before, self.channels.values(), strict=False)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, step, padding=1) for a, b in pairs)

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        x, maps = pixels, {}
        for name, conv in zip(self.channels, self.convs, strict=True):
            x = F.relu(conv(x))
            maps[name] = x
        return maps

    def layer_groups(self) -> list[tuple[str, ...]]:
        return [(f"convs.{i}",) for i in range(3)]

    def first_convolutions(self) -> tuple[str, ...]:
        return ("convs.0.weight",)


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES, "toy", lambda width, norm, stem: Toy(width))
    monkeypatch.setitem(BACKBONES, "thirds", lambda width, norm, stem: Toy(width, step=3))
    torch.manual_seed(0)


def learn(model: Model, images: list[Tensor], targets: list[Target], steps: int) -> list[float]:
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(steps):
        batch = model.preprocess(images, targets)
        assert batch.targets is not None
        output = model(batch.pixels, batch.sizes, batch.targets)
        loss = torch.stack(list(model.losses(output, batch.targets).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def square(index: int) -> tuple[Tensor, tuple[int, int, int, int]]:
    """A bright square on a dark image, and its box."""
    left, top = 4 + 8 * (index % 3), 4 + 8 * (index // 3)
    image = torch.full((3, 40, 40), 0.1)
    image[:, top : top + 12, left : left + 12] = 0.9
    return image, (left, top, left + 12, top + 12)


def test_a_unet_trains_on_it() -> None:
    model = unet("toy", num_classes=2, width=8, decoder_channels=[16, 8, 8], norm="group")
    pairs = [square(i) for i in range(4)]
    images = [image for image, _ in pairs]
    targets = [Target(semantic=(image[0] > 0.5).long()) for image in images]
    learn(model, images, targets, 60)
    for target, prediction in zip(targets, predict(model.eval(), images), strict=True):
        assert (prediction.require("semantic") == target.require("semantic")).float().mean() > 0.97
    assert list(model.explain_layers()) == ["coarse", "d2", "d1", "d0", "middle", "fine"]
    assert model.layer_groups()[0] == ("network.encoder.convs.0",)
    assert list(model.resizable_weights()) == ["network.encoder.convs.0.weight"]


def test_a_localizer_trains_on_it() -> None:
    model = localizer("toy", num_classes=1, image_size=40, backbone_width=8, norm="group")
    pairs = [square(i) for i in range(6)]
    images = [image for image, _ in pairs]
    boxes = [torch.tensor([box], dtype=torch.float32) for _, box in pairs]
    targets = [Target(objects=Objects(box, torch.tensor([0]))) for box in boxes]
    learn(model, images, targets, 150)
    for box, prediction in zip(boxes, predict(model.eval(), images), strict=True):
        torch.testing.assert_close(prediction.require("objects").boxes, box, atol=3.0, rtol=0)
    assert list(model.explain_layers()) == ["coarse", "middle", "fine"]


def test_a_classifier_reads_its_coarsest_map() -> None:
    model = resnet_classifier("toy", num_classes=2, image_size=64, backbone_width=4)
    batch = model.preprocess([torch.rand(3, 64, 64)])
    assert model(batch.pixels, batch.sizes).logits.shape == (1, 2)


def test_strides_that_do_not_double_are_refused() -> None:
    with pytest.raises(UsageError, match="strides of an encoder must be powers of 2, got 3"):
        unet("thirds", num_classes=2)


def test_a_transformer_gives_one_map_at_the_stride_of_its_patches() -> None:
    backbone = VisionTransformer(32, 8, 16, depth=1, heads=2, mlp=32)
    maps = backbone(torch.rand(2, 3, 32, 32))
    assert backbone.strides == {"patches": 8}
    assert {name: tuple(x.shape) for name, x in maps.items()} == {"patches": (2, 16, 4, 4)}
