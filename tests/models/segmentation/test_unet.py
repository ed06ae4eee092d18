"""U-Net's shapes, sizes and shifts; what its arguments mean."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.base.errors import UsageError
from tapetum.base.seeds import generator
from tapetum.models.predict import predict
from tapetum.models.segmentation.segmenter import SemanticSegmenter
from tapetum.models.segmentation.unet import unet
from tapetum.structures import Target

PAPER: dict[str, Any] = {"encoder": "paper", "num_classes": 3, "width": 8, "norm": "none"}
RESNET: dict[str, Any] = {
    "encoder": "resnet10",
    "num_classes": 3,
    "width": 8,
    "norm": "group",
    "decoder_channels": [32, 16, 16, 8, 8],
}


def made(arguments: dict[str, Any], **changes: Any) -> SemanticSegmenter:
    """A network whose answers are spread out, unlike those of a fresh head."""
    torch.manual_seed(0)
    model = unet(**{**arguments, **changes}).eval()
    nn.init.kaiming_normal_(model.network.head.weight)
    return model


def by_stride(model: SemanticSegmenter, pixels: Tensor) -> dict[int, Tensor]:
    """The encoder's maps as the decoder takes them."""
    encoder = model.network.encoder
    return {encoder.strides[name]: x for name, x in encoder(pixels).items()}


def image(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(3, height, width, generator=generator(seed, height, width))


def test_the_paper_has_its_31_million_weights() -> None:
    with torch.device("meta"):
        model = unet("paper", num_classes=2, norm="none")
    channels = [stage.convs.conv1.in_channels for stage in model.network.decoder.stages]
    assert channels == [1024, 512, 256, 128]
    assert list(model.network.encoder.channels.values()) == [64, 128, 256, 512, 1024]
    # Figure 1, layer by layer, with three colors instead of one.
    convs = [(3, 64), (64, 128), (128, 256), (256, 512), (512, 1024)]
    down = sum(9 * a * b + b + 9 * b * b + b for a, b in convs)
    up = sum(4 * b * a + a + 9 * b * a + a + 9 * a * a + a for a, b in convs[1:] if a > 3)
    assert sum(p.numel() for p in model.parameters()) == down + up + 64 * 2 + 2


def test_the_paper_is_figure_1_arrow_by_arrow() -> None:
    model = made(PAPER).double()
    weights = {name: value.detach() for name, value in model.network.named_parameters()}

    def blue(x: Tensor, name: str) -> Tensor:
        for conv in ("conv1", "conv2"):
            weight, bias = (weights[f"{name}.{conv}.{kind}"] for kind in ("weight", "bias"))
            x = F.conv2d(x, weight, bias, padding=1).clamp(min=0)
        return x

    x = image(32, 48).double()[None]
    left = [blue(x, "encoder.stages.0")]
    for stage in range(1, 5):
        left.append(
            blue(left[-1].unfold(2, 2, 2).unfold(3, 2, 2).amax((4, 5)), f"encoder.stages.{stage}")
        )
    up = left.pop()
    for stage, gray in enumerate(reversed(left)):
        name = f"decoder.stages.{stage}"
        green = F.conv_transpose2d(up, weights[f"{name}.up.weight"], weights[f"{name}.up.bias"], 2)
        up = blue(torch.cat((green, gray), dim=1), f"{name}.convs")
    expected = F.conv2d(up, weights["head.weight"], weights["head.bias"])
    torch.testing.assert_close(model(x, torch.tensor([[32, 48]])).logits, expected)


@pytest.mark.parametrize("arguments", [PAPER, RESNET])
@pytest.mark.parametrize("finest", [1, 2, 4])
def test_a_map_is_as_large_as_its_image(arguments: dict[str, Any], finest: int) -> None:
    model = made(arguments, finest=finest)
    images = [image(h, w) for h, w in ((32, 50), (61, 33), (1, 1), (7, 90))]
    for one, prediction in zip(images, predict(model, images), strict=True):
        assert prediction.semantic.shape == one.shape[1:]
        assert prediction.semantic.max() < 3
    batch = model.preprocess(images[:2])
    *_, last = model.network.decoder(by_stride(model, batch.pixels)).values()
    assert last.shape[2:] == (64 // finest, 64 // finest)
    assert model(batch.pixels, batch.sizes).logits.shape == (2, 3, 64, 64)


@pytest.mark.parametrize(("arguments", "period"), [(PAPER, 16), (RESNET, 32)])
def test_a_shifted_image_has_a_shifted_map(arguments: dict[str, Any], period: int) -> None:
    """By whole steps of the coarsest grid; group norm, which sees everything, is left out."""
    model = made(arguments, width=4, norm="none" if arguments is PAPER else "batch")
    model = model.double()
    canvas = torch.zeros(1, 3, 448, 448, dtype=torch.float64)
    here, there = canvas.clone(), canvas.clone()
    patch = torch.randn(3, 48, 48, generator=generator(0), dtype=torch.float64)
    here[0, :, 192:240, 192:240] = patch
    there[0, :, 192 + period : 240 + period, 192:240] = patch
    sizes = torch.tensor([[448, 448]])
    with torch.no_grad():
        first, second = (model(x, sizes).logits for x in (here, there))
    middle = slice(150, 290)
    shifted = second[:, :, 150 + period : 290 + period, middle]
    assert first[:, :, middle, middle].std() > 1e-3
    torch.testing.assert_close(shifted, first[:, :, middle, middle], rtol=1e-9, atol=1e-9)


def test_every_map_of_the_encoder_is_heard() -> None:
    for arguments in (PAPER, RESNET):
        model = made(arguments)
        maps = by_stride(model, model.preprocess([image(64, 64)]).pixels)
        maps = {stride: value.detach().requires_grad_() for stride, value in maps.items()}
        *_, last = model.network.decoder(maps).values()
        gradients = torch.autograd.grad(last.sum(), list(maps.values()))
        assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_large_images_go_in_tiles_unless_they_are_learnt_or_explained() -> None:
    model = made(RESNET, tile=64, overlap=32)
    one, target = image(60, 100), Target(semantic=torch.zeros(60, 100).long())
    batch = model.preprocess([one], [target])
    seen: list[tuple[int, ...]] = []
    handle = model.network.encoder.register_forward_hook(
        lambda m, x, y: seen.append(tuple(x[0].shape))
    )
    tiled = model(batch.pixels, batch.sizes).logits
    whole = model(batch.pixels, batch.sizes, batch.targets).logits
    score = model.target_logits([one], [target])
    handle.remove()
    assert seen == [(1, 3, 64, 64)] * 3 + [(1, 3, 64, 128)] * 2
    torch.testing.assert_close(score, whole[:, 0, :60, :100].mean()[None])
    assert tiled.shape == whole.shape
    assert not torch.equal(tiled, whole)
    torch.testing.assert_close(made(RESNET, tile=None)(batch.pixels, batch.sizes).logits, whole)


def test_weights_of_losses_and_classes_are_taken() -> None:
    model = made(PAPER, cross_entropy_weight=0.0, dice_weight=2.0, focal_weight=1.0)
    target = Target(semantic=torch.randint(0, 3, (32, 32), generator=generator(0)))
    batch = model.preprocess([image(32, 32)], [target])
    output = model(batch.pixels, batch.sizes, batch.targets)
    assert set(model.losses(output, batch.targets)) == {"dice", "focal"}
    weighted = made(PAPER, class_weights=[0.0, 1.0, 0.0])
    only = Target(semantic=torch.where(target.semantic == 1, 1, 255))
    torch.testing.assert_close(
        weighted.losses(output, batch.targets)["cross_entropy"],
        made(PAPER).losses(output, [only])["cross_entropy"],
    )
    assert set(weighted.state_dict()) == set(made(PAPER).state_dict())


def test_layers_to_explain_begin_at_the_bottleneck() -> None:
    assert list(made(PAPER).explain_layers())[:5] == ["c4", "d3", "d2", "d1", "d0"]
    half = ["c5", "d4", "d3", "d2", "d1", "c4", "c3", "c2", "c1"]
    assert list(made(RESNET, finest=2).explain_layers()) == half


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "vgg"}, "unknown encoder 'vgg'"),
        ({"num_classes": 256}, "num_classes must be 1 to 255, got 256"),
        ({"class_weights": [1.0]}, "class_weights: 3 expected, got 1"),
        ({"finest": 3}, "finest must be 1, 2 or 4, got 3"),
        ({"decoder_channels": [8, 8, 8]}, "decoder_channels: 5 numbers or more expected, got 3"),
        ({"tile": 100}, "tile 100 and overlap 128 do not fit"),
        ({"tile": 128}, "tile 128 and overlap 128 do not fit"),
        ({"dice_weight": -1.0}, "weights of losses"),
    ],
)
def test_arguments_that_cannot_be_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        unet(**{**RESNET, **changes})


def test_an_unknown_encoder_is_an_error_that_lists_all_of_them() -> None:
    with pytest.raises(UsageError, match=r"unknown encoder 'vgg'.*one of paper, resnet10, .*152"):
        unet(encoder="vgg")
