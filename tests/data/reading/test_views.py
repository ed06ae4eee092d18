"""A dataset in the terms of a model that knows more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tapetum import api
from tapetum.base.errors import UsageError
from tapetum.data.reading.samples import SampleDataset
from tapetum.data.reading.views import RemappedClasses
from tapetum.structures import Objects, Sample, Target

MORE = ("bird", "dog", "fish", "cat", "dog")
"""The model's classes; of two of one name the first is meant."""


def dataset(task: str, target: Target) -> RemappedClasses:
    image = torch.zeros(3, 20, 30, dtype=torch.uint8)
    return RemappedClasses(
        SampleDataset([Sample(image, target, "a")], ["cat", "dog"], task=task), MORE
    )


def test_labels_count_in_the_classes_of_the_model() -> None:
    boxes = torch.tensor([[0.0, 0, 9, 9], [5, 5, 15, 15]])
    own = dataset("detection", Target(objects=Objects(boxes, torch.tensor([1, 0]))))
    objects = own[0].target.objects
    assert own.classes == MORE
    assert objects is not None
    assert objects.labels.tolist() == [1, 3]
    assert torch.equal(objects.boxes, boxes)
    assert own.record(0).labels.tolist() == [1, 3]


def test_labels_of_images_and_of_pixels() -> None:
    own = dataset("classification", Target(labels=torch.tensor([0])))
    assert own[0].target.labels == torch.tensor([3])
    assert own.record(0).image_labels == (3,)
    semantic = torch.tensor([[0, 1, 255]], dtype=torch.uint8).repeat(20, 10)
    renamed = dataset("semantic_segmentation", Target(semantic=semantic))[0].target.semantic
    assert renamed is not None
    assert renamed[0, :3].tolist() == [3, 1, 255]


def test_a_class_that_the_model_does_not_know() -> None:
    samples = [Sample(torch.zeros(3, 9, 9), Target(labels=torch.tensor([0])), "a")]
    with pytest.raises(UsageError, match="its classes cow are not among the model's"):
        RemappedClasses(SampleDataset(samples, ["cow"], task="classification"), MORE)


def test_fewer_classes_give_the_numbers_that_they_would_alone(
    tmp_path: Path,
) -> None:
    """A model of eight classes measured where only two are known: AP over these two."""
    tiny: dict[str, Any] = {"backbone_width": 4, "fpn_channels": 8, "head_convs": 1}
    run = api.train(
        "retinanet",
        "scenes:count=8",
        out=tmp_path / "run",
        backbone="resnet10",
        image_size=64,
        weights="none",
        arguments={**tiny, "score_thresh": 0.0},
        precision="fp32",
        max_steps=1,
        batch_size=2,
        observers=(),
    )
    whole = api.evaluate(run, "scenes:count=8", split="test")
    from tapetum.data.scenes import Scenes

    scenes = Scenes("test", length=8)
    kept = [2, 5]  # cat and fish

    def only(sample: Sample) -> Sample:
        objects = sample.target.objects
        assert objects is not None
        chosen = objects[[i for i, label in enumerate(objects.labels.tolist()) if label in kept]]
        labels = torch.tensor([kept.index(label) for label in chosen.labels.tolist()])
        return Sample(sample.image, Target(objects=chosen.with_(labels=labels.long())), sample.name)

    names = [scenes.classes[label] for label in kept]
    few = api.evaluate(run, SampleDataset([only(s) for s in (scenes[i] for i in range(8))], names))
    precision = whole.result.precision[:, :, kept, 0, -1]
    expected = precision[precision > -1].mean() if (precision > -1).any() else -1
    assert np.isclose(few.stats["AP"], expected)
