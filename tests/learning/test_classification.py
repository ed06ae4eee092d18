"""Each tiny classifier learns four made images by heart, and then knows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tapetum.base.seeds import generator
from tapetum.models.classification.knn import knn
from tapetum.models.classification.linear import linear
from tapetum.models.classification.resnet import resnet10
from tapetum.models.classification.vit import vit_b_16
from tapetum.models.predict import predict
from tapetum.structures import Sample, Target

SIZE = 32
SHAPES = {"num_classes": 4, "image_size": SIZE}
TINY: dict[str, Callable[[], Any]] = {
    "resnet": lambda: resnet10(**SHAPES, backbone_width=8, norm="group", stem="small"),
    "vit": lambda: vit_b_16(**SHAPES, patch=8, width=48, depth=2, heads=4, mlp=96),
    "linear softmax": lambda: linear(**SHAPES),
    "linear hinge": lambda: linear(**SHAPES, loss="hinge"),
}


def scene(label: int, seed: int) -> Tensor:
    """One of four gratings, in noise and in a shade that says nothing."""
    random = generator(seed)
    y, x = torch.meshgrid(torch.arange(48), torch.arange(60), indexing="ij")
    phase = (x, y, x + y, x - y)[label] / 3
    shade = torch.rand(3, 1, 1, generator=random)
    noise = torch.rand(3, 48, 60, generator=random)
    return 0.4 * shade + 0.3 * (phase.sin() + 1) / 2 + 0.3 * noise


LABELS = [2, 0, 3, 1]
IMAGES = [scene(label, i) for i, label in enumerate(LABELS)]
TARGETS = [Target(labels=torch.tensor([label])) for label in LABELS]
ALL = [Target(labels=torch.arange(4))] * 4


def learn(model: Any, targets: list[Target], steps: int = 40) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    for step in range(steps):
        batch = model.preprocess(IMAGES, targets)
        output = model(batch.pixels, batch.sizes, batch.targets, generator(0, step))
        loss = torch.stack(list(model.losses(output, batch.targets).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()


@pytest.mark.parametrize("name", TINY)
def test_four_images_are_learnt_by_heart(name: str) -> None:
    torch.manual_seed(0)
    model = TINY[name]()
    learn(model, TARGETS)
    scores = model.target_logits(IMAGES, ALL).view(4, 4)  # of every class in every image
    assert scores.argmax(dim=1).tolist() == LABELS
    for prediction, label in zip(predict(model, IMAGES), LABELS, strict=True):
        assert prediction.labels.tolist() == [label]
        assert prediction.class_scores[label] > (0.5 if name == "linear hinge" else 0.8)


def test_several_labels_are_learnt_by_heart() -> None:
    torch.manual_seed(0)
    model = resnet10(**SHAPES, backbone_width=8, norm="group", stem="small", multilabel=True)
    rows = [[0, 2], [], [1, 2, 3], [3]]
    learn(model, [Target(labels=torch.tensor(row, dtype=torch.int64)) for row in rows])
    assert [sorted(p.labels.tolist()) for p in predict(model, IMAGES)] == rows


@pytest.mark.parametrize("metric", ["l1", "l2"])
def test_the_nearest_neighbour_of_a_remembered_image_is_itself(metric: str) -> None:
    model = knn(**SHAPES, k=1, metric=metric)
    samples = [Sample(p, t) for p, t in zip(IMAGES, TARGETS, strict=True)]
    model.fit(samples, generator(0))
    batch = model.preprocess(IMAGES)
    found = model.postprocess(model(batch.pixels, batch.sizes), batch)
    assert [p.labels.item() for p in found] == LABELS
    assert [p.class_scores.max().item() for p in found] == [1] * 4
    assert model.target_logits(IMAGES, ALL).view(4, 4).argmax(dim=1).tolist() == LABELS
