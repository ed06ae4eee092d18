"""Grad-CAM's laws: CAM at the last layer, the frame of the image, movement with the object."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tapetum.base.errors import TapetumError
from tapetum.explain.cam import (
    grad_cam,
    hires_cam,
    in_image_frame,
    in_window,
    layer_gradient,
)
from tapetum.explain.methods import explain, find_layer
from tapetum.explain.pointing import heat_inside
from tapetum.models.classification.resnet import resnet10
from tests.explain.targets import of_class


@pytest.fixture
def pooled(classifier):
    """Convolution, ReLU, global average, linear: where CAM is defined."""
    torch.manual_seed(5)
    body = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    ).double()
    return classifier(body, layer=1)


@pytest.mark.parametrize("method", [grad_cam, hires_cam])
@pytest.mark.parametrize("label", [0, 1, 2])
def test_equals_cam_up_to_scale_after_global_average_pooling(pooled, method, label):
    image = torch.rand(3, 9, 7, dtype=torch.float64)
    features = pooled.body[1](pooled.body[0](image[None]))[0]  # (6, 9, 7)
    cam = torch.einsum("c,chw->hw", pooled.body[4].weight[label], features).relu()
    actual = method(pooled, image, of_class(label), find_layer(pooled, None))
    torch.testing.assert_close(actual * 63, cam.detach(), atol=1e-10, rtol=1e-8)


def test_the_map_is_in_the_frame_of_the_image_without_padding(levels):
    # 20 x 26 doubles to 40 x 52 and is padded to 48 x 64: a linear ramp stays this ramp.
    image = torch.rand(3, 20, 26)
    ramp = (torch.arange(64.0) + 0.5) / 2  # in pixels of the original, at each prepared pixel
    cam = ramp.expand(1, 1, 48, 64)
    heat = in_image_frame(levels, image, cam)
    assert heat.shape == (20, 26)
    torch.testing.assert_close(heat, (torch.arange(26.0) + 0.5).expand(20, 26))


def test_hires_cam_is_hot_at_the_box_only(levels, obj):
    image = torch.rand(3, 20, 26, generator=torch.Generator().manual_seed(1))
    heat = explain(levels, image, obj(17, 3, 23, 9, label=1), "hires-cam", "head")
    assert heat.max() == 1
    rows, columns = (heat > 0.01).nonzero().unbind(1)
    assert 5 <= rows.min() <= rows.max() <= 7
    assert 19 <= columns.min() <= columns.max() <= 21


def test_the_shared_head_is_explained_at_the_level_of_the_box(levels, obj):
    image = torch.rand(3, 32, 32)
    small = layer_gradient(levels, image, obj(4, 4, 10, 10), find_layer(levels, "head"))
    large = layer_gradient(levels, image, obj(4, 4, 24, 24), find_layer(levels, "head"))
    assert small[0].shape[-2:] == (32, 32)
    assert large[0].shape[-2:] == (16, 16)


def test_the_map_moves_with_the_object(levels, obj):
    """Translation by whole cells moves the map by as much, away from the borders."""
    patch = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(2))

    def heat_at(x, y):
        image = torch.full((3, 48, 48), 0.5)
        image[:, y : y + 8, x : x + 8] = patch
        return explain(levels, image, obj(x, y, x + 8, y + 8, label=1), "hires-cam", "head")

    here, there = heat_at(12, 16), heat_at(20, 12)
    assert here.max() == 1
    torch.testing.assert_close(here[14:30, 10:26], there[10:26, 18:34], atol=1e-5, rtol=0)
    assert here[14:30, 10:26].sum() == pytest.approx(float(here.sum()), abs=1e-5)


def test_of_two_equal_objects_grad_cam_lights_both_and_hires_cam_one(levels, obj):
    patch = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(2))
    image = torch.full((3, 32, 64), 0.5)
    for x in (12, 44):
        image[:, 12:20, x : x + 8] = patch
    target = obj(12, 12, 20, 20, label=1)
    both = grad_cam(levels, image, target, find_layer(levels, "head"))
    one = hires_cam(levels, image, target, find_layer(levels, "head"))
    assert both.max() > 0
    torch.testing.assert_close(both[8:24, 8:24], both[8:24, 40:56], atol=1e-5, rtol=1e-4)
    assert one[:, :32].max() > 0
    assert one[:, 32:].max() == 0


def test_a_layer_beside_the_path_is_refused(levels, obj):
    # A small box is scored on the fine level; the coarse one has no part in it.
    with pytest.raises(TapetumError, match="does not depend on this layer"):
        explain(levels, torch.rand(3, 16, 16), obj(2, 2, 8, 8), "grad-cam", "coarse")


def test_tokens_become_a_grid_through_the_layers_function(classifier):
    """A layer that gives tokens with one in front that is no place, as transformers do."""

    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Conv2d(3, 4, 2, stride=2)

        def forward(self, x):
            tokens = self.embed(x).flatten(2).transpose(1, 2)  # (B, 12, 4)
            return torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1)

    class Head(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 2)

        def forward(self, tokens):
            return self.linear(tokens[:, 1:].mean(dim=1))

    torch.manual_seed(0)
    model = classifier(nn.Sequential(Tokens(), Head()).double(), layer=0)
    grid = lambda tokens: tokens[:, 1:].transpose(1, 2).unflatten(2, (3, 4))  # noqa: E731
    image = torch.rand(3, 6, 8, dtype=torch.float64)
    heat = grad_cam(model, image, of_class(1), (model.body[0], grid))
    features = model.body[0].embed(image[None])
    weights = model.body[1].linear.weight[1] / 12
    cam = (weights.view(1, 4, 1, 1) * features).sum(1, keepdim=True).relu()
    expected = F.interpolate(cam, (6, 8), mode="bilinear")[0, 0].detach()
    torch.testing.assert_close(heat, expected)


def test_a_layer_function_that_gives_no_map_is_refused(pooled):
    layer = (pooled.body[1], lambda output: output[0])
    with pytest.raises(ValueError, match=r"expected a map \(1, C, h, w\)"):
        grad_cam(pooled, torch.rand(3, 4, 4, dtype=torch.float64), of_class(0), layer)


# --- images of which the model sees the middle ------------------------------------------------


@pytest.fixture
def cropping():
    """Brightness of the middle to the logit of class 0, in cells of 2 x 2 prepared pixels."""
    model = resnet10(
        num_classes=3, image_size=24, backbone_width=8, resize_size=30, crop_mode="center"
    )
    model.network.backbone = Brightness()
    model.network.head = nn.Linear(1, 3)
    with torch.no_grad():
        model.network.head.weight.copy_(torch.tensor([[1.0], [-1.0], [0.5]]))
    return model.eval()


class Brightness(nn.Module):
    def forward(self, pixels):
        return {"c5": F.avg_pool2d(pixels.mean(dim=1, keepdim=True), 2).relu()}

    def explain_layers(self):
        return {"c5": (self, lambda maps: maps["c5"])}


def with_square(x, y, size=(60, 100), side=8):
    """Black, with a white square; of 60 x 100 the model sees rows 6 to 54, columns 26 to 74."""
    image = torch.zeros(3, *size)
    image[:, y : y + side, x : x + side] = 1
    return image


@pytest.mark.parametrize("method", ["grad-cam", "hires-cam"])
@pytest.mark.parametrize(("x", "y"), [(28, 8), (64, 8), (28, 44), (64, 44), (46, 20)])
def test_a_square_inside_the_crop_is_hot_where_it_lies_in_the_image(cropping, method, x, y):
    heat = explain(cropping, with_square(x, y), of_class(0), method, "c5")
    assert heat.shape == (60, 100)
    rows, columns = (heat > 0.5).nonzero().unbind(1)
    middles = [(rows.min() + rows.max() + 1) / 2, (columns.min() + columns.max() + 1) / 2]
    assert middles == pytest.approx([y + 4, x + 4], abs=1)
    assert heat_inside(heat, torch.tensor([x - 4.0, y - 4, x + 12, y + 12])) > 0.95


@pytest.mark.parametrize("method", ["grad-cam", "hires-cam", "saliency", "input-x-gradient"])
def test_what_the_crop_cuts_off_has_no_heat(cropping, method):
    layer = "c5" if method.endswith("cam") else None
    image = with_square(4, 4) + with_square(46, 20)
    heat = explain(cropping, image, of_class(0), method, layer)
    assert heat.max() == 1
    outside = heat.clone()
    outside[5:55, 25:75] = 0
    assert not outside.any()
    alone = explain(cropping, with_square(46, 20), of_class(0), method, layer)
    torch.testing.assert_close(heat, alone)


def test_a_map_laid_over_a_window_is_bilinear_between_its_cells():
    ramp = (torch.arange(6.0, dtype=torch.float64) + 0.5).expand(4, 6)  # columns 2 to 8 of 11
    laid = in_window(ramp, (2.0, 1.0, 8.0, 5.0), (7, 11))
    expected = torch.zeros(7, 11, dtype=torch.float64)
    expected[1:5, 2:8] = ramp
    torch.testing.assert_close(laid, expected)
    wider = in_window(ramp, (-1.0, -1.0, 11.0, 7.0), (6, 10))
    steps = (torch.arange(10.0, dtype=torch.float64) + 1.5) / 2
    torch.testing.assert_close(wider, steps.clamp(0.5, 5.5).expand(6, 10))


def test_a_window_of_the_whole_image_is_as_without_one():
    cam = torch.rand(1, 1, 5, 7, dtype=torch.float64)
    whole = F.interpolate(cam, (23, 19), mode="bilinear")[0, 0]
    torch.testing.assert_close(in_window(cam[0, 0], (0.0, 0.0, 19.0, 23.0), (23, 19)), whole)
