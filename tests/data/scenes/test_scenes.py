"""Scenes: reproducible, and with a truth that is exact, for every task."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation

from tapetum.base.errors import UsageError
from tapetum.data.scenes import LENGTHS, MIXED, OBJECTS, SceneOptions, Scenes, handwriting
from tapetum.data.scenes.layout import lay_out
from tapetum.ops.masks import rle_decode
from tapetum.structures import TASKS

FLAT = {"light": 0.0, "texture": 0.0, "noise": 0.0}


def tensors(sample):
    """Everything in a sample that is a tensor, in order."""
    target, objects = sample.target, sample.target.objects
    parts = [sample.image, target.labels, target.semantic]
    if objects is not None:
        parts += [objects.boxes, objects.labels, objects.masks, objects.keypoints, objects.area]
    return [part for part in parts if part is not None]


def digest(sample):
    """A hash of everything in a sample."""
    ids = sample.target.objects.ids if sample.target.objects is not None else ()
    whole = hashlib.sha256(repr((sample.name, ids)).encode())
    for part in tensors(sample):
        whole.update(repr((part.dtype, tuple(part.shape))).encode())
        whole.update(part.contiguous().numpy().tobytes())
    return whole.hexdigest()


@pytest.mark.parametrize("task", TASKS)
def test_a_scene_depends_on_seed_split_and_index_alone(task):
    scenes = Scenes("val", seed=3, task=task)
    there = [digest(scenes[i]) for i in range(4)]
    back = [digest(Scenes("val", seed=3, length=4, task=task)[i]) for i in reversed(range(4))]
    assert there == back[::-1]
    assert len(set(there)) == 4
    assert digest(Scenes("val", seed=4, task=task)[0]) != there[0]


def test_another_process_makes_the_same_scene():
    code = (
        "from tapetum.data.scenes import *; s = Scenes('test', 8, task='keypoint_detection')[5];"
        "print(hash_of(s.image), hash_of(s.target.objects.keypoints))"
    )
    define = "import hashlib; hash_of = lambda t: hashlib.sha256(t.numpy().tobytes()).hexdigest();"
    run = subprocess.run([sys.executable, "-c", define + code], capture_output=True, check=True)
    sample = Scenes("test", seed=8, task="keypoint_detection")[5]
    parts = sample.image, sample.target.objects.keypoints
    here = [hashlib.sha256(part.numpy().tobytes()).hexdigest() for part in parts]
    assert run.stdout.decode().split() == here


def test_splits_share_nothing():
    scenes = [Scenes(split) for split in LENGTHS]
    images = {each[i].image.numpy().tobytes() for each in scenes for i in range(10)}
    layouts = {each.record(i).xywh.tobytes() for each in scenes for i in range(10)}
    assert len(images) == len(layouts) == 30
    written = {split: {glyph.tobytes() for glyph in handwriting(split)} for split in LENGTHS}
    assert {len(glyphs) for glyphs in written.values()} == {1260, 179, 358}
    assert not written["train"] & written["val"]
    assert not written["test"] & (written["train"] | written["val"])


@pytest.mark.parametrize("options", [SceneOptions(), SceneOptions((20, 40), overlap=0.9), MIXED])
def test_the_tasks_show_one_scene_and_agree(options):
    every = {
        task: Scenes("train", options=options, task=task)
        for task in (
            "detection",
            "instance_segmentation",
            "semantic_segmentation",
            "classification",
        )
    }
    seen = set()
    for index in range(9):
        sample = {task: scenes[index] for task, scenes in every.items()}
        first, objects = sample["detection"], sample["instance_segmentation"].target.objects
        for other in sample.values():
            assert torch.equal(other.image, first.image)
            assert other.name == first.name
        assert first.image.dtype == torch.uint8
        assert first.size == objects.masks.shape[1:] == (192, 256)
        for name in ("boxes", "labels", "area"):
            assert torch.equal(getattr(first.target.objects, name), getattr(objects, name))
        assert objects.masks.sum(0).max() <= 1
        semantic = (objects.masks * (objects.labels + 1)[:, None, None]).sum(0)
        assert torch.equal(sample["semantic_segmentation"].target.semantic.long(), semantic)
        assert torch.equal(objects.area.long(), objects.masks.sum((1, 2)))
        for mask, found in zip(objects.masks, objects.boxes.tolist(), strict=True):
            rows, columns = mask.nonzero().unbind(1)
            hull = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert found == [float(side) for side in hull]
        labels = sample["classification"].target.labels.tolist()
        assert labels == sorted(set(objects.labels.tolist()))
        seen |= {every["classification"].classes[label] for label in labels}
    assert seen == set(every["detection"].classes)
    assert every["semantic_segmentation"].classes == ("background", *every["detection"].classes)


def test_a_sample_holds_what_is_needed_and_nothing_else():
    held = {
        task: {name for name, value in _fields(Scenes(task=task)[2].target) if value is not None}
        for task in TASKS
    }
    objects = {"objects", "boxes", "labels of objects", "area", "ids"}
    assert held == {
        "classification": {"labels"},
        "localization": objects,
        "detection": objects,
        "instance_segmentation": objects | {"masks"},
        "keypoint_detection": objects | {"keypoints"},
        "semantic_segmentation": {"semantic"},
    }


def _fields(target):
    yield from (("labels", target.labels), ("objects", target.objects))
    yield "semantic", target.semantic
    for name in ("boxes", "masks", "keypoints", "area", "ids", "scores", "crowd", "difficult"):
        yield name, getattr(target.objects, name, None)
    yield "labels of objects", getattr(target.objects, "labels", None)


def test_the_task_of_one_box_has_exactly_one_large_object():
    for options in (SceneOptions(), SceneOptions(occlusion=1), MIXED):
        scenes = Scenes("val", options=options, task="localization")
        assert scenes.classes == OBJECTS
        sides = []
        for index in range(12):
            objects = scenes[index].target.objects
            assert len(objects) == len(scenes.record(index)) == 1
            sides.append((objects.boxes[0, 2:] - objects.boxes[0, :2]).max().item())
        assert np.mean(sides) > 50


@pytest.mark.parametrize("task", TASKS)
def test_records_say_what_the_sample_says(task):
    scenes, ids = Scenes("test", seed=2, task=task), set()
    for index in range(8):
        sample, image = scenes[index], scenes.record(index)
        objects = sample.target.objects
        assert (image.name, image.size, image.id) == (sample.name, sample.size, index)
        assert image.path is None
        assert image.xywh.dtype == image.area.dtype == np.float64
        assert not image.crowd.any()
        assert not ids & set(image.ids)
        ids |= set(image.ids)
        if task == "classification":
            assert list(image.image_labels) == sample.target.labels.tolist()
        if objects is None:
            continue
        boxes = np.concatenate([image.xywh[:, :2], image.xywh[:, :2] + image.xywh[:, 2:]], 1)
        np.testing.assert_array_equal(boxes, objects.boxes.double().numpy())
        np.testing.assert_array_equal(image.labels, objects.labels.numpy())
        np.testing.assert_array_equal(image.area, objects.area.double().numpy())
        assert image.ids == objects.ids
        if task == "instance_segmentation":
            masks = [rle_decode(segment) for segment in image.segments]
            np.testing.assert_array_equal(masks, objects.masks.numpy())
        if task == "keypoint_detection":
            np.testing.assert_array_equal(image.keypoints.astype("f4"), objects.keypoints.numpy())


def test_the_image_shows_objects_where_the_masks_say_and_nowhere_else():
    options = SceneOptions(count=(15, 25), figures=(1, 2), overlap=0.8, **FLAT)
    scenes = Scenes(options=options, task="instance_segmentation")
    for index in range(15):
        sample = scenes[index]
        objects = sample.target.objects.masks.any(0).numpy()
        image = sample.image.numpy()
        near = binary_dilation(objects, np.ones((3, 3)), iterations=2)
        ground = np.median(image[:, ~near], 1)
        differs = (np.abs(image - ground[:, None, None]) > 2).any(0)
        assert not (differs & ~near).any()
        assert (differs & objects).sum() > 0.95 * objects.sum()


def test_what_hardly_shows_is_left_out():
    options = SceneOptions(count=(40, 40), overlap=1.0, cut=0.9, min_visible=0.4)
    suited, dropped = options.suited("detection", (192, 256)), 0
    for seed in range(5):
        layout = lay_out(
            lambda purpose, seed=seed: np.random.default_rng([seed, *purpose.encode()]),
            (192, 256),
            suited,
            handwriting("val"),
        )
        shown = np.bincount(layout.owner.ravel() + 1, minlength=len(layout.pieces) + 1)[1:]
        whole = np.array([(piece.sprite.alpha >= 0.5).sum() for piece in layout.pieces])
        assert (shown >= 0.4 * whole).all()
        assert (shown >= 1).all()
        dropped += 40 - len(shown)
    assert dropped > 25


def test_light_and_noise_leave_the_truth_alone():
    plain, harsh = (
        Scenes(options=SceneOptions(light=light, noise=8), task="semantic_segmentation")
        for light in (0.0, 1.0)
    )
    for index in range(5):
        assert torch.equal(plain[index].target.semantic, harsh[index].target.semantic)
        assert not torch.equal(plain[index].image, harsh[index].image)


def test_options_are_kept():
    options = SceneOptions(count=(4, 4), scale=(30, 40), overlap=0, cut=0, rotation=0)
    scenes = Scenes(size=(400, 400), options=options)
    for index in range(20):
        boxes = scenes[index].target.objects.boxes
        assert len(boxes) == 4
        longest = (boxes[:, 2:] - boxes[:, :2]).max(1).values
        assert longest.min() >= 0.75 * 30
        assert longest.max() <= 40 + 3
        apart = (boxes[:, None, :2] >= boxes[None, :, 2:]).any(-1)
        assert (apart | apart.T | torch.eye(4, dtype=torch.bool)).all()


@pytest.mark.parametrize("task", [task for task in TASKS if task != "localization"])
def test_a_scene_without_objects_is_normal(task):
    scenes = Scenes(options=SceneOptions(count=(0, 0), figures=(0, 0)), task=task)
    target = scenes[0].target
    assert len(scenes.record(0)) == 0
    assert all(part.numel() == 0 for part in tensors(scenes[0])[1:]) or not target.semantic.any()
    if task == "instance_segmentation":
        assert target.objects.masks.shape == (0, 192, 256)
    if task == "keypoint_detection":
        assert target.objects.keypoints.shape == (0, 17, 3)


@pytest.mark.parametrize(
    ("size", "options"),
    [
        ((1, 1), SceneOptions()),
        ((1, 700), SceneOptions(occlusion=1, clutter=1)),
        ((700, 3), SceneOptions(light=1.0, noise=50.0, illumination=1)),
        ((40, 50), SceneOptions(scale=(0.3, 1.5), figure_scale=(0.3, 1.5), deformation=1)),
        ((40, 50), SceneOptions(scale=(300.0, 300.0), cut=1.0, overlap=1.0, viewpoint=1)),
        ((1100, 600), SceneOptions(rotation=180.0, cut=0.0, intraclass=1)),
    ],
)
@pytest.mark.parametrize("task", ["detection", "localization", "keypoint_detection"])
def test_extremes_do_not_break(size, options, task):
    for index in range(2):
        scenes = Scenes(size=size, options=options, task=task)
        sample = scenes[index]
        assert sample.size == size
        boxes = sample.target.objects.boxes
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert (boxes >= 0).all()
        assert (boxes <= torch.tensor([size[1], size[0]] * 2)).all()
        assert len(scenes.record(index)) == len(boxes)


def test_length_is_only_a_count():
    assert [len(Scenes(split)) for split in LENGTHS] == [2000, 200, 200]
    assert len(Scenes(length=5)) == len(list(Scenes(length=5)))
    assert digest(Scenes(length=10**6)[4]) == digest(Scenes(length=5)[4])
    for index in (-1, 5):
        with pytest.raises(IndexError, match="of 5"):
            Scenes(length=5)[index]


def test_wrong_arguments_are_refused():
    with pytest.raises(UsageError, match="no split 'dev'"):
        Scenes("dev")
    with pytest.raises(ValueError, match="size"):
        Scenes(size=(0, 5))
    with pytest.raises(ValueError, match=r"task: expected one of classification.*got 'poses'"):
        Scenes(task="poses")
    for wrong in (
        {"count": (5, 4)}, {"count": (-1, 4)}, {"count": (0, 1000)}, {"scale": (0, 4)},
        {"figures": (2, 1)}, {"figure_scale": (9, 8)}, {"occlusion": 1.1}, {"context": -1.1},
        {"overlap": 1.1}, {"min_visible": -0.1}, {"rotation": -1}, {"noise": -1}, {"light": 2},
        {"noise": float("nan")}, {"clutter": float("nan")},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="expected"):
            SceneOptions(**wrong)
