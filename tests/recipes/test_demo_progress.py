"""The same scenes while a model learns, and what it misses: told right, and without a trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tapetum import api
from tapetum.data.records.image_record import ImageRecord
from tapetum.data.scenes import Scenes
from tapetum.evaluation import detections_from_coco, ground_truth_from_records
from tapetum.recipes.demo_progress import FILE, SCENES, Subset, TrainingProgress, misses
from tapetum.reporting.sections.progress import load_progress
from tapetum.tasks import TASKS
from tapetum.tasks.detection import Detection, DetectionEvaluation, DetectionGroundTruth
from tapetum.weights.checkpoint import WEIGHTS
from tapetum.weights.tensors_file import read_tensors

STEPS = 8
TINY = {
    "weights": "none",
    "image_size": 64,
    "arguments": {"backbone": "resnet10", "backbone_width": 8, "fpn_channels": 16, "head_convs": 1},
    "validate": False,
    "max_steps": STEPS,
    "batch_size": 2,
    "observers": (),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingProgress, list[str], list[str]]:
    """Predictions during a training of a few steps, and the lines at its end."""
    run = tmp_path_factory.mktemp("story") / "run"
    drawn = TrainingProgress(run, "scenes")
    api.train("retinanet", "scenes", out=run, save_seconds=0.0, on_step=drawn.on_step, **TINY)
    scenes, missed = drawn.finish()
    return drawn, scenes, missed


def test_four_moments_of_the_same_scenes(
    told: tuple[TrainingProgress, list[str], list[str]],
) -> None:
    drawn, scenes, missed = told
    assert [moment.title for moment in drawn.moments] == [
        "untrained",
        "after step 2 of 8",
        "after step 4 of 8",
        "the end, after step 8",
    ]
    names = [f"test-{index:05d}" for index in SCENES]
    for moment in drawn.moments:
        assert [sheet.name for sheet in moment.sheets] == names
    assert [line.partition(":")[0] for line in scenes] == names
    # Nothing is learnt in eight steps, so that everything is missed: a line for each object.
    objects = sum(len(Scenes("test").record(index)) for index in SCENES)
    assert len(missed) == objects
    assert all(" pixels was missed: " in line for line in missed)


def test_the_run_keeps_them_for_its_report(
    told: tuple[TrainingProgress, list[str], list[str]],
) -> None:
    drawn, _, missed = told
    assert (drawn.run / FILE).stat().st_size > 10_000
    kept = load_progress(drawn.run)
    assert [moment.title for moment in kept] == [moment.title for moment in drawn.moments]
    assert list(kept[-1].lines) == missed


def test_a_training_does_not_notice_that_it_is_watched(
    told: tuple[TrainingProgress, list[str], list[str]], tmp_path: Path
) -> None:
    api.train("retinanet", "scenes", out=tmp_path / "alone", **TINY)
    place = Path("checkpoints") / f"step-{STEPS:08d}" / WEIGHTS
    watched, alone = read_tensors(told[0].run / place), read_tensors(tmp_path / "alone" / place)
    assert watched.keys() == alone.keys()
    assert all(watched[name].equal(alone[name]) for name in alone)


def test_watching_draws_no_random_numbers(
    told: tuple[TrainingProgress, list[str], list[str]],
) -> None:
    drawn, before = TrainingProgress(told[0].run, "scenes"), torch.get_rng_state()
    for step in (1, STEPS):  # the first one builds a model, the other one loads the checkpoint
        drawn.on_step({"step": step})
    assert len(drawn.moments) == 2
    assert torch.get_rng_state().equal(before)


def test_few_images_are_those_of_the_whole() -> None:
    whole = Scenes("test")
    few = Subset(whole, (3, 1))
    assert len(few) == 2
    for place, index in enumerate((3, 1)):
        assert few[place].name == whole[index].name
        assert few[place].image.equal(whole[index].image)
        np.testing.assert_array_equal(few.record(place).xywh, whole.record(index).xywh)


CLASSES = ("cup", "egg")


def judged(ground_truth: list[tuple], answers: list[tuple]) -> DetectionEvaluation:
    """truth: (label, x, y, w, h) on an image "a"; answers: (label, score, x, y, w, h)."""
    boxes = np.array([row[1:] for row in ground_truth], dtype=np.float64).reshape(-1, 4)
    none = np.zeros(len(ground_truth), dtype=bool)
    image = ImageRecord(
        name="a",
        path=None,
        id=1,
        size=(100, 100),
        xywh=boxes,
        labels=np.array([row[0] for row in ground_truth], dtype=np.int64),
        crowd=none,
        difficult=none,
        area=boxes[:, 2] * boxes[:, 3],
        ids=tuple(range(1, len(ground_truth) + 1)),
    )
    found: list[dict[str, Any]] = [
        {"image_id": 1, "category_id": label + 1, "score": score, "bbox": list(box)}
        for label, score, *box in answers
    ]
    task = TASKS["detection"]
    assert isinstance(task, Detection)
    known = ground_truth_from_records([image], CLASSES, (1, 2))
    detections = detections_from_coco(found, known)
    return task.judge(DetectionGroundTruth((image,), (1, 2), known), detections)


def test_what_is_found_is_not_missed() -> None:
    assert misses(judged([(0, 10, 10, 20, 20)], [(0, 0.4, 10, 10, 20, 20)])) == []


def test_a_miss_says_what_where_and_the_nearest_guess() -> None:
    weak = judged([(0, 12, 40, 31, 22)], [(0, 0.21, 12, 40, 31, 21), (1, 0.9, 60, 60, 9, 9)])
    (line,) = misses(weak)
    assert line == (
        "a: a cup at (12, 40) of 31 x 22 pixels was missed: nearest prediction cup 0.21"
    )


def test_of_guesses_that_fit_the_strongest_is_named() -> None:
    answers = [(0, 0.1, 10, 10, 20, 20), (1, 0.8, 11, 10, 20, 20)]
    (line,) = misses(judged([(0, 10, 10, 20, 20)], answers))
    assert line.endswith("nearest prediction egg 0.80")


def test_a_guess_beside_the_object_says_how_far() -> None:
    (line,) = misses(judged([(1, 0, 0, 20, 20)], [(1, 0.9, 10, 0, 20, 20)]))
    assert line.startswith("a: an egg at (0, 0)")
    assert line.endswith("nearest prediction egg 0.90, IoU 0.33 only")


def test_no_guess_at_all() -> None:
    (line,) = misses(judged([(0, 0, 0, 20, 20)], [(0, 0.9, 60, 60, 20, 20)]))
    assert line.endswith("no prediction near it")
    (line,) = misses(judged([(0, 0, 0, 20, 20)], []))
    assert line.endswith("no prediction in this image")
