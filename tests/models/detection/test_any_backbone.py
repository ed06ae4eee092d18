"""Detectors on a backbone that has other names and strides than a ResNet."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tapetum.backbones.backbone import Backbone
from tapetum.base.seeds import generator, image_generators
from tapetum.models.detection.one_stage.options import RetinaNetOptions
from tapetum.models.detection.one_stage.retinanet import RetinaNet
from tapetum.models.detection.two_stage.faster_rcnn import FasterRCNN
from tapetum.models.detection.two_stage.options import FasterRCNNOptions
from tapetum.structures import Objects, Target

ARGUMENTS: dict[str, Any] = {
    "num_classes": 2,
    "fpn_channels": 16,
    "anchor_ratios": (1.0,),
    "min_size": 90,
    "max_size": 180,
}


class Thirds(Backbone):
    """Maps of strides 3, 9 and 27."""

    def __init__(self) -> None:
        super().__init__()
        self.channels = {"edges": 4, "shapes": 8, "scenes": 12}
        self.strides = {"edges": 3, "shapes": 9, "scenes": 27}
        widths = (3, *self.channels.values())
        self.steps = nn.ModuleList(nn.Conv2d(*pair, 3, stride=3) for pair in pairwise(widths))

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        maps = {}
        for name, step in zip(self.channels, self.steps, strict=True):
            pixels = step(pixels).relu()
            maps[name] = pixels
        return maps


def detector(name: str) -> RetinaNet | FasterRCNN:
    torch.manual_seed(0)
    if name == "retinanet":  # levels of strides 9, 27, 54, 108
        sizes, convs = (16, 32, 64, 128), {"head_convs": 1, "anchor_octaves": 1}
        return RetinaNet(Thirds(), RetinaNetOptions(**ARGUMENTS, **convs, anchor_sizes=sizes))
    few = {"head_width": 16, "rpn_post_nms_top_n_train": 50, "box_batch_size_per_image": 16}
    sizes = (32, 64, 128)  # strides 9, 27, 54
    return FasterRCNN(Thirds(), FasterRCNNOptions(**ARGUMENTS, **few, anchor_sizes=sizes))


@pytest.mark.parametrize("name", ["retinanet", "faster_rcnn"])
def test_it_trains_and_predicts(name: str) -> None:
    model = detector(name)
    boxes = torch.tensor([[10.0, 12, 60, 70], [40, 20, 120, 88]])
    target = Target(objects=Objects(boxes, torch.tensor([0, 1])))
    batch = model.preprocess([torch.rand(3, 90, 130, generator=generator(1))], [target])
    assert batch.pixels.shape[-2] % 27 == batch.pixels.shape[-1] % 27 == 0
    assert batch.targets is not None
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    totals = []
    for _ in range(2):
        optimizer.zero_grad()
        output: Any = model(batch.pixels, batch.sizes, batch.targets, image_generators(0, 1))
        total = torch.stack(list(model.losses(output, batch.targets).values())).sum()
        total.backward()
        assert all(p.grad is not None for n, p in model.named_parameters() if "steps.0" in n)
        optimizer.step()
        totals.append(total.item())
    assert totals[1] < totals[0]
    (prediction,) = model.eval().postprocess(model(batch.pixels, batch.sizes), batch)
    assert prediction.objects is not None


def test_explanations_begin_with_the_map_of_stride_8_or_the_next_coarser_one() -> None:
    assert list(detector("faster_rcnn").explain_layers()) == ["shapes", "scenes", "p3", "p4"]
    assert list(detector("retinanet").explain_layers())[:3] == ["shapes", "scenes", "p3"]


def test_what_torchvision_does_not_have_it_has_no_names_for() -> None:
    assert detector("faster_rcnn").references == {}


def test_anchor_sizes_for_other_levels_are_refused() -> None:
    options = FasterRCNNOptions(**ARGUMENTS, anchor_sizes=(32, 64))
    with pytest.raises(ValueError, match="anchor_sizes: expected 3, one a pyramid level, got 2"):
        FasterRCNN(Thirds(), options)
