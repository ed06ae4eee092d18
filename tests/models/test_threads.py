"""Threads with different thresholds share one model: options are an argument, nothing is set."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch

from tapetum.base.seeds import generator
from tapetum.models.classification.linear import linear
from tapetum.models.classification.resnet import resnet10
from tapetum.models.predict import predict
from tapetum.structures import PostprocessOptions

IMAGES = [torch.rand(3, 32, 32, generator=generator(i)) for i in range(4)]


def test_threads_with_different_thresholds_share_a_model() -> None:
    model = resnet10(
        num_classes=6, image_size=32, multilabel=True, backbone_width=8, stem="small"
    ).eval()
    torch.nn.init.normal_(model.network.head.weight, std=0.3)
    thresholds = [0.0, 0.5, 1.0] * 4

    def count(score_thresh: float) -> list[int]:
        options = PostprocessOptions(score_thresh=score_thresh)
        found = predict(model, IMAGES, options=options)
        return [len(prediction.require("labels")) for prediction in found]

    alone = {value: count(value) for value in set(thresholds)}
    assert alone[0.0] == [6] * 4
    assert alone[1.0] == [0] * 4
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(count, thresholds))
    assert together == [alone[value] for value in thresholds]


def test_one_label_an_image_stays_whatever_the_threshold() -> None:
    model = linear(num_classes=3, image_size=8)
    (prediction,) = predict(model, IMAGES[:1], options=PostprocessOptions(score_thresh=1.0))
    assert len(prediction.require("labels")) == 1
