"""Fine-tuning by stages: what is frozen stays, what is deeper learns more slowly."""

from __future__ import annotations

import pytest
import torch

from tapetum.base.errors import UsageError
from tapetum.base.runtime import Runtime
from tapetum.base.seeds import generator
from tapetum.models import CATALOG
from tapetum.runs.settings import Settings
from tapetum.structures import Objects, Sample, Target
from tapetum.training.layer_groups import freeze, lr_scales, stages_of
from tapetum.training.optim import make_optimizer, set_learning_rate
from tapetum.training.state import TrainingState
from tapetum.training.step import StepBatch, train_step
from tests.training.toy import Toy

VIT = {
    "num_classes": 3,
    "image_size": 16,
    "patch": 8,
    "width": 16,
    "depth": 3,
    "heads": 2,
    "mlp": 16,
}
SMALL = {"backbone": "resnet10", "backbone_width": 8, "fpn_channels": 8, "num_classes": 3}


def detector():
    return CATALOG["retinanet"].build(**SMALL, head_convs=1, min_size=64)


def step(model, settings: Settings):
    """One step on an image; the names of what changed."""
    frozen = freeze(model, settings.freeze)
    optimizer = make_optimizer(model, settings)
    set_learning_rate(optimizer, settings.lr)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    boxes = Objects(torch.tensor([[8.0, 8, 40, 40]]), torch.tensor([1]))
    image = torch.rand(3, 64, 64, generator=generator(1))
    runtime = Runtime(torch.device("cpu"), "fp32")
    samples = [Sample(image, Target(objects=boxes))]
    train_step(TrainingState(model, optimizer, frozen=frozen), StepBatch(samples), runtime)
    return {n for n, v in model.state_dict().items() if not torch.equal(v, before[n])}


@pytest.mark.parametrize("count", [0, 1, 3, 5])
def test_frozen_stages_keep_weights_and_statistics(count: int) -> None:
    changed = step(detector(), Settings(lr=0.01, freeze=count))
    kept = [f"backbone.{name}." for name in ("stem", "stage1", "stage2", "stage3", "stage4")][
        :count
    ]
    assert not [name for name in changed if name.startswith(tuple(kept or ["-"]))]
    assert any(name.startswith("class_tower") for name in changed)
    learning = ("backbone.stem.conv.weight", "backbone.stem.norm.running_mean")
    assert (count == 0) == (changed >= set(learning))


def test_rates_shrink_towards_the_image() -> None:
    scales = lr_scales(detector(), 0.5)
    found = {name: scales[name] for name in scales if name.endswith("0.conv1.conv.weight")}
    assert found == {f"backbone.stage{i}.0.conv1.conv.weight": 0.5 ** (5 - i) for i in (1, 2, 3, 4)}
    assert scales["backbone.stem.conv.weight"] == 0.5**5
    assert scales["class_tower.predict.weight"] == 1


def test_the_rates_of_the_groups_follow() -> None:
    model = detector()
    optimizer = make_optimizer(model, Settings(layer_decay=0.5))
    set_learning_rate(optimizer, 0.1)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert rates[id(model.backbone.stem.conv.weight)] == 0.1 * 0.5**5
    assert rates[id(model.class_tower.predict.weight)] == 0.1
    decays = {p.ndim > 1: g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    assert decays == {True: 0.05, False: 0.0}


def test_the_stages_of_a_transformer_cover_it() -> None:
    model = CATALOG["vit_b_16"].build(**VIT)
    stages = stages_of(model)
    assert [len(stage) for stage in stages] == [3, 1, 1, 2]
    freeze(model, 4)
    assert {n for n, p in model.named_parameters() if p.requires_grad} == {
        "network.head.weight",
        "network.head.bias",
    }


def test_models_inside_models_are_found() -> None:
    model = CATALOG["mask_rcnn"].build(**SMALL, head_width=8, mask_width=8)
    assert stages_of(model)[0] == ["detector.backbone.stem"]


def test_an_attribute_called_stages_is_no_backbone() -> None:
    """The paper's encoder of U-Net keeps its convolutions under that name, as own models may."""
    own = Toy()
    own.stages = torch.nn.ModuleList([torch.nn.Linear(2, 2)])
    paper = CATALOG["unet"].build(encoder="paper", width=4, num_classes=2)
    for model in (own, paper):
        assert stages_of(model) == []
        assert set(lr_scales(model, 1.0).values()) == {1.0}
        with pytest.raises(UsageError, match="freeze: the model has no stages, not 1"):
            freeze(model, 1)


def test_what_cannot_be_frozen() -> None:
    with pytest.raises(UsageError, match="freeze: the model has no stages, not 1"):
        freeze(CATALOG["linear"].build(num_classes=2), 1)
    with pytest.raises(UsageError, match="freeze: the model has 5 stages, not 6"):
        freeze(detector(), 6)
    with pytest.raises(UsageError, match="layer_decay: the model has no stages"):
        lr_scales(CATALOG["linear"].build(num_classes=2), 0.9)
    with pytest.raises(UsageError, match=r"layer_decay: must lie in \(0, 1\]"):
        Settings(layer_decay=0)
