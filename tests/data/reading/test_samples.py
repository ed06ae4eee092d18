"""Samples in Python as a dataset: every fault by index, records as exact as those of files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tapetum.base.custom_code import CustomFunction
from tapetum.base.errors import AnnotationError, UsageError
from tapetum.base.runtime import Runtime
from tapetum.data.reading.samples import (
    SampleDataset,
    is_custom_data,
    open_custom,
    open_custom_to_evaluate,
    open_samples,
)
from tapetum.data.scenes import Scenes
from tapetum.models import CATALOG
from tapetum.structures import Objects, Sample, Target
from tapetum.tasks import TASKS

IMAGE = torch.zeros(3, 20, 30, dtype=torch.uint8)
BOX = torch.tensor([[2.0, 3.0, 10.0, 12.5]])


def objects(box: torch.Tensor = BOX, label: int = 0, **more: torch.Tensor) -> Objects:
    return Objects(boxes=box, labels=torch.full((len(box),), label), **more)


def boxed(**changes: object) -> Sample:
    return Sample(IMAGE, Target(objects=objects(**changes)))


def labelled(*labels: int) -> Sample:
    return Sample(IMAGE, Target(labels=torch.tensor(labels, dtype=torch.int64)))


def drawn(**changes: object) -> Sample:
    return Sample(IMAGE, Target(semantic=torch.zeros(20, 30, dtype=torch.uint8)))


FAULTS: dict[str, tuple[str, Callable[[], object], str]] = {
    "no sample": ("detection", lambda: {"image": IMAGE}, "expected a tapetum.Sample, got dict"),
    "no pixels": (
        "detection",
        lambda: Sample(torch.zeros(3, 0, 4), Target(objects=Objects.empty())),
        "image: has no pixels",
    ),
    "floats of bytes": (
        "classification",
        lambda: Sample(torch.full((3, 4, 4), 255.0), Target(labels=torch.tensor([0]))),
        "image: expected floats in [0, 1], got 255 to 255",
    ),
    "not a number": (
        "classification",
        lambda: Sample(torch.full((3, 4, 4), torch.nan), Target(labels=torch.tensor([0]))),
        "image: expected floats in [0, 1], got nan to nan",
    ),
    "no objects": ("detection", lambda: labelled(0), "has no objects (Objects.empty()"),
    "no labels": ("classification", boxed, "has no labels"),
    "two labels": ("classification", lambda: labelled(0, 1), "has 2 labels, expected 1"),
    "label too high": ("classification", lambda: labelled(2), "labels: expected 0 to 1, got 2"),
    "class too high": ("detection", lambda: boxed(label=2), "labels: expected 0 to 1, got 2"),
    "class below": ("detection", lambda: boxed(label=-1), "labels: expected 0 to 1, got -1"),
    "box outside": (
        "detection",
        lambda: boxed(box=torch.tensor([[2.0, 3.0, 30.5, 12.0]])),
        "boxes: 0 is 2, 3, 30.5, 12; expected x1 < x2 and y1 < y2 inside 30 x 20 pixels",
    ),
    "box below": (
        "detection",
        lambda: boxed(box=torch.tensor([[2.0, 3.0, 10.0, 21.0]])),
        "boxes: 0 is 2, 3, 10, 21",
    ),
    "box of x y w h": (
        "localization",
        lambda: boxed(box=torch.tensor([[10.0, 3.0, 5.0, 12.0]])),
        "boxes: 0 is 10, 3, 5, 12",
    ),
    "box not finite": (
        "detection",
        lambda: boxed(box=torch.tensor([[2.0, 3.0, torch.nan, 12.0]])),
        "boxes: 0 is 2, 3, nan, 12",
    ),
    "no masks": ("instance_segmentation", boxed, "its objects have no masks"),
    "masks of another size": (
        "instance_segmentation",
        lambda: boxed(masks=torch.ones(1, 30, 20, dtype=torch.bool)),
        "masks: expected (20, 30) as the image has, got (30, 20)",
    ),
    "no keypoints": ("keypoint_detection", boxed, "its objects have no keypoints"),
    "another count of keypoints": (
        "keypoint_detection",
        lambda: boxed(keypoints=torch.ones(1, 3, 3)),
        "keypoints: expected 2 of each object, got 3",
    ),
    "seen or not": (
        "keypoint_detection",
        lambda: boxed(keypoints=torch.full((1, 2, 3), 0.5)),
        "keypoints: the third number is 0 (absent), 1 (hidden) or 2 (visible)",
    ),
    "keypoint not finite": (
        "keypoint_detection",
        lambda: boxed(keypoints=torch.full((1, 2, 3), torch.inf)),
        "keypoints: not all are finite",
    ),
    "no map": ("semantic_segmentation", boxed, "its target has no semantic map"),
    "map of another size": (
        "semantic_segmentation",
        lambda: Sample(IMAGE, Target(semantic=torch.zeros(10, 15, dtype=torch.uint8))),
        "semantic: expected (20, 30) as the image has, got (10, 15)",
    ),
    "map of another class": (
        "semantic_segmentation",
        lambda: Sample(IMAGE, Target(semantic=torch.full((20, 30), 2, dtype=torch.uint8))),
        "semantic: expected 0 to 1, got 2",
    ),
}
GOOD = {
    "classification": lambda: labelled(1),
    "localization": boxed,
    "detection": boxed,
    "instance_segmentation": lambda: boxed(masks=torch.ones(1, 20, 30, dtype=torch.bool)),
    "keypoint_detection": lambda: boxed(keypoints=torch.ones(1, 2, 3)),
    "semantic_segmentation": drawn,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_with_the_index(fault: str) -> None:
    task, make, says = FAULTS[fault]
    samples = [GOOD[task](), GOOD[task](), make()]
    data = SampleDataset(samples, ["a", "b"], task=task, multilabel=False)
    assert data[1].image is IMAGE
    with pytest.raises(AnnotationError) as caught:
        data[2]
    assert str(caught.value).startswith("samples: sample 2: ")
    assert says in str(caught.value)


def test_255_and_a_crowd_of_nothing_are_allowed() -> None:
    ignored = Sample(IMAGE, Target(semantic=torch.full((20, 30), 255)))
    assert bool(
        (
            SampleDataset([ignored], ["a"], task="semantic_segmentation")[0].target.semantic == 255
        ).all()
    )
    empty = Sample(IMAGE, Target(objects=Objects.empty()))
    assert len(SampleDataset([empty], ["a"])[0].target.objects) == 0


def test_a_sample_carries_what_is_needed_and_no_more() -> None:
    whole = Target(
        labels=torch.tensor([0]),
        semantic=torch.zeros(20, 30, dtype=torch.uint8),
        objects=objects(
            masks=torch.ones(1, 20, 30, dtype=torch.bool),
            keypoints=torch.ones(1, 2, 3),
            scores=torch.ones(1),
        ),
    )
    rows = {
        "classification": (True, False, None, None),
        "semantic_segmentation": (False, True, None, None),
        "detection": (False, False, False, False),
        "instance_segmentation": (False, False, True, False),
        "keypoint_detection": (False, False, False, True),
    }
    for task, (labels, semantic, masks, points) in rows.items():
        data = SampleDataset([Sample(IMAGE, whole)], ["a"], task=task)
        target = data[0].target
        assert (target.labels is not None, target.semantic is not None) == (labels, semantic)
        if masks is None:
            assert target.objects is None
        else:
            assert target.objects.scores is None
            assert (target.objects.masks is not None) == masks
            assert (target.objects.keypoints is not None) == points
        assert data.keypoint_names == (("point 0", "point 1") if points else ())


def test_who_says_what_the_classes_are() -> None:
    class Told(list):
        classes = ("cat", "dog")
        name = "pets"
        class_ids = (7, 9)

    told = SampleDataset(Told([boxed()]))
    assert (told.classes, told.name, told.class_ids) == (("cat", "dog"), "pets", (7, 9))
    assert SampleDataset(Told([boxed()]), ["x"]).classes == ("x",)
    for classes in (None, [], "cat"):
        with pytest.raises(UsageError, match="class names are missing"):
            SampleDataset([boxed()], classes)
    with pytest.raises(UsageError, match="the same name"):
        SampleDataset([boxed()], ["a", "a"])
    with pytest.raises(UsageError, match="there are no samples"):
        SampleDataset([], ["a"])
    with pytest.raises(UsageError, match="unknown task 'boxen'"):
        SampleDataset([boxed()], ["a"], task="boxen")


def test_a_list_says_itself_whether_labels_are_several() -> None:
    names = ["a", "b"]
    assert not SampleDataset([labelled(0), labelled(1)], names, task="classification").multilabel
    assert SampleDataset([labelled(0), labelled(0, 1)], names, task="classification").multilabel
    assert SampleDataset([labelled(0), labelled()], names, task="classification").multilabel
    one = SampleDataset([labelled(0)], names, task="classification", multilabel=True)
    assert one.multilabel
    assert one.record(0).image_labels == (0,)


@pytest.mark.parametrize(
    "task",
    [
        "detection",
        "instance_segmentation",
        "keypoint_detection",
        "classification",
        "semantic_segmentation",
    ],
)
def test_records_are_those_of_the_scenes_themselves(task: str) -> None:
    """Without the scenes' own records: the same truth from the samples alone."""
    scenes = Scenes("val", task=task, length=4)
    bare = [scenes[index] for index in range(4)]
    data = SampleDataset(bare, scenes.classes, task=task, multilabel=True)
    wrapped = SampleDataset(scenes, task=task)
    assert (wrapped.classes, wrapped.skeleton) == (scenes.classes, scenes.skeleton)
    for index in range(4):
        ours, theirs = data.record(index), scenes.record(index)
        assert wrapped.record(index).id == theirs.id
        assert (ours.name, ours.size) == (theirs.name, theirs.size)
        assert ours.image_labels == theirs.image_labels
        if task in ("semantic_segmentation", "classification"):
            continue  # scenes know boxes, too; samples carry what was needed
        for name in ("xywh", "labels", "crowd", "difficult", "area"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
        if task == "keypoint_detection":
            np.testing.assert_array_equal(ours.keypoints, theirs.keypoints.astype(np.float32))
        assert ours.xywh.dtype == np.float64
        assert ours.ids == theirs.ids
        assert ours.segments == theirs.segments


def test_areas_are_counted_where_nobody_states_them() -> None:
    mask = torch.zeros(1, 20, 30, dtype=torch.bool)
    mask[0, 3:12, 2:6] = True
    plain = SampleDataset([boxed()], ["a"]).record(0)
    assert plain.area.tolist() == [8 * 9.5]
    filled = SampleDataset([boxed(masks=mask)], ["a"], task="instance_segmentation").record(0)
    assert filled.area.tolist() == [36.0]


def test_a_tenth_is_held_out_and_always_the_same() -> None:
    samples = [labelled(index % 2) for index in range(40)]
    parts = {
        split: open_samples(samples, split, ["a", "b"], task="classification")
        for split in ("train", "val", "all")
    }
    held = set(parts["val"].indices)
    assert len(held) == 4
    assert held | set(parts["train"].indices) == set(range(40))
    assert not held & set(parts["train"].indices)
    assert held == set(open_samples(samples, "val", ["a", "b"], task="classification").indices)
    assert [parts["train"].name, len(parts["all"])] == ["samples/train", 40]
    assert parts["val"][0].name == f"{min(held):06d}"
    assert (
        len(open_samples(samples, "train", ["a", "b"], task="classification", hold_out=False)) == 40
    )
    scenes = Scenes("val", length=20)
    part = open_samples(scenes, "val")
    assert [part.record(i).id for i in range(2)] == list(part.indices) != [0, 1]
    with pytest.raises(UsageError, match="no split 'test'"):
        open_samples(samples, "test", ["a", "b"], task="classification")
    with pytest.raises(UsageError, match="too few"):
        open_samples(samples[:1], "val", ["a", "b"], task="classification")


DATA = """
import torch
from tapetum import Sample, Target


class Squares(list):
    classes = ("dark", "bright")


def squares():
    return Squares(
        Sample(torch.full((3, 8, 8), i % 2 * 200, dtype=torch.uint8), Target(torch.tensor([i % 2])))
        for i in range(20)
    )


def parts(split):
    return None if split == "test" else Squares(squares()[: 6 if split == "train" else 3])


def tested(split):
    return Squares(squares()[:5]) if split == "test" else None


def number():
    return 7


def broken():
    return squares()[99]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my_data.py"
    path.write_text(DATA)
    for name in ("squares", "parts", "tested", "number", "broken"):
        CustomFunction(path, name).name()
    return path


def test_a_function_in_a_file_is_data(file: Path) -> None:
    assert is_custom_data(f"{file}:squares")
    assert not is_custom_data(str(file))
    assert not is_custom_data("scenes:clutter")
    train = open_custom(f"{file}:squares", "train", task="classification")
    assert (len(train), train.classes) == (18, ("dark", "bright"))
    assert train.name == "my_data:squares/train"
    assert int(train[1].image.max()) == 200 * int(train[1].target.labels)


def test_a_function_may_know_splits(file: Path) -> None:
    sizes = {
        s: len(open_custom(f"{file}:parts", s, task="classification"))
        for s in ("train", "val", "all")
    }
    assert sizes == {"train": 6, "val": 3, "all": 3}
    with pytest.raises(UsageError, match="no split 'test'"):
        open_custom(f"{file}:parts", "test", task="classification")


def test_it_is_measured_on_what_it_has_for_that(file: Path) -> None:
    lengths = {
        name: len(open_custom_to_evaluate(f"{file}:{name}", task="classification"))
        for name in ("tested", "parts", "squares")
    }
    assert lengths == {"tested": 5, "parts": 3, "squares": 2}


def test_what_a_function_does_wrong_is_a_line(file: Path) -> None:
    with pytest.raises(UsageError, match="number: returned int, not a sequence"):
        open_custom(f"{file}:number", "train")
    line = DATA.splitlines().index("    return squares()[99]") + 1
    with pytest.raises(UsageError, match=f"my_data.py: line {line}: IndexError"):
        open_custom(f"{file}:broken", "train")


@pytest.mark.parametrize(
    "task", ["detection", "instance_segmentation", "keypoint_detection", "semantic_segmentation"]
)
def test_every_task_measures_on_samples_as_on_the_dataset_itself(task: str) -> None:
    name = {
        "detection": "retinanet",
        "instance_segmentation": "mask_rcnn",
        "keypoint_detection": "keypoint_rcnn",
        "semantic_segmentation": "unet",
    }[task]
    own = TASKS[task]
    scenes = Scenes("val", task=own.name, length=2, size=(64, 96))
    samples = SampleDataset([scenes[i] for i in range(2)], scenes.classes, task=own.name)
    samples.keypoint_names = scenes.keypoint_names
    changes = {"num_classes": len(scenes.classes)}
    if task == "keypoint_detection":
        changes["keypoints"] = len(scenes.keypoint_names)
    torch.manual_seed(0)
    model = CATALOG[name].build(**{**CATALOG[name].tiny, **changes}).eval()
    runtime = Runtime(torch.device("cpu"))
    assert own.measure(model, samples, runtime).stats == own.measure(model, scenes, runtime).stats
