"""Threads that predict with one detector, each with thresholds of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

from tapetum.base.seeds import generator
from tapetum.models.catalog import CATALOG
from tapetum.structures import DEFAULT_POSTPROCESS, PostprocessOptions, Prediction

DETECTORS = ("retinanet", "faster_rcnn", "mask_rcnn", "keypoint_rcnn")
IMAGES = [torch.rand(3, 96, 128, generator=generator(seed)) for seed in range(2)]
OPTIONS = (
    PostprocessOptions(score_thresh=0.0, nms_thresh=0.2, detections_per_img=30),
    PostprocessOptions(score_thresh=0.0, nms_thresh=0.9, detections_per_img=20),
)


def build(name: str, **changes: Any) -> Any:
    torch.manual_seed(0)
    return CATALOG[name].build(**{**CATALOG[name].tiny, **changes}).eval()


def predict(model: Any, options: PostprocessOptions = DEFAULT_POSTPROCESS) -> list[Prediction]:
    with torch.inference_mode():
        batch = model.preprocess(IMAGES)
        return model.postprocess(model(batch.pixels, batch.sizes), batch, options)


def assert_equal(one: list[Prediction], other: list[Prediction]) -> None:
    for a, b in zip(one, other, strict=True):
        for field in ("boxes", "labels", "scores", "masks", "keypoints"):
            values = (getattr(a.objects, field), getattr(b.objects, field))
            assert values[0] is values[1] is None or torch.equal(*values), field


@pytest.mark.parametrize("name", DETECTORS)
def test_two_threads_with_different_options_predict_as_one_after_the_other(name: str) -> None:
    model = build(name)
    expected = [predict(model, options) for options in OPTIONS]
    counts = [[len(p.objects) for p in predictions] for predictions in expected]
    assert counts[0] != counts[1]
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(predict, model, OPTIONS[i % 2]) for i in range(6)]
        for i, job in enumerate(jobs):
            assert_equal(job.result(), expected[i % 2])


@pytest.mark.parametrize("name", DETECTORS)
def test_options_do_what_the_arguments_of_the_model_would_do(name: str) -> None:
    given = {"score_thresh": 0.01, "nms_thresh": 0.3, "detections_per_img": 7}
    box = "" if name == "retinanet" else "box_"
    other = build(name, **{box + key: value for key, value in given.items()})
    model = build(name)
    model.load_state_dict(other.state_dict())
    expected = predict(other)
    assert max(len(p.objects) for p in expected) > 0
    assert_equal(predict(model, PostprocessOptions(**given)), expected)
