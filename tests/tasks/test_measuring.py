"""Measuring a model on a dataset: with worker processes or without, once or often."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

from tapetum import api
from tapetum.base.errors import ImageError
from tapetum.base.runtime import Runtime
from tapetum.data.dataset import Dataset
from tapetum.data.reading.files import FileDataset, open_dataset
from tapetum.data.reading.views import Subset
from tapetum.data.records.image_record import ImageRecord
from tapetum.data.scenes import open_scenes
from tapetum.evaluation import detections_from_coco, evaluate_detections
from tapetum.models import task_of
from tapetum.models.catalog import model_function
from tapetum.runs.history import read_history
from tapetum.structures import Sample
from tapetum.tasks import TASKS, Task
from tapetum.tasks.detection import DetectionEvaluation
from tapetum.tasks.task import Watch, batches, image_of

CPU = Runtime(torch.device("cpu"))
BODY: dict[str, Any] = {"backbone": "resnet10", "backbone_width": 8}
BOXES: dict[str, Any] = {**BODY, "fpn_channels": 16, "min_size": 64, "max_size": 64}
REGIONS: dict[str, Any] = {
    **BOXES,
    "head_width": 16,
    "rpn_pre_nms_top_n_test": 20,
    "rpn_post_nms_top_n_test": 20,
    "box_detections_per_img": 4,
}
SMALL: dict[str, dict[str, Any]] = {
    "retinanet": {**BOXES, "head_convs": 1, "score_thresh": 0.0, "detections_per_img": 9},
    "mask_rcnn": {**REGIONS, "mask_width": 8, "mask_convs": 1, "box_score_thresh": 0.0},
    "keypoint_rcnn": {**REGIONS, "keypoints": 3, "keypoint_width": 8, "keypoint_convs": 1},
    "resnet18": {"backbone_width": 6, "image_size": 32},
    "localizer": {**BODY, "image_size": 32},
    "unet": {"encoder": "resnet10", "width": 8, "decoder_channels": [8, 8, 8, 8, 8]},
}


def small(name: str, count: int = 5) -> tuple[nn.Module, Task, Dataset]:
    """A small model with random weights, its task, and a few images for it."""
    task = TASKS[task_of(name)]
    dataset = Subset(open_scenes("scenes", "val", task.name), range(count))
    arguments = SMALL[name] | {"num_classes": len(dataset.classes)}
    if dataset.keypoint_names:
        arguments |= {"keypoints": len(dataset.keypoint_names), "box_score_thresh": 0.0}
    torch.manual_seed(0)
    return model_function(name)(**arguments), task, dataset


@pytest.mark.parametrize("name", SMALL)
def test_worker_processes_change_no_bit(name: str) -> None:
    model, task, dataset = small(name)
    alone = task.measure(model, dataset, CPU)
    before = torch.get_rng_state()
    helped = task.measure(model, dataset, CPU, workers=2)
    assert torch.get_rng_state().equal(before)  # a training does not notice its validations
    assert helped.stats == alone.stats
    assert helped.results() == alone.results()
    assert len(alone.results()) >= len(dataset)


@pytest.mark.parametrize("name", ["retinanet", "mask_rcnn", "keypoint_rcnn"])
def test_saved_results_give_the_same_numbers_to_the_last_bit(name: str) -> None:
    model, task, dataset = small(name)
    evaluation = task.measure(model, dataset, CPU)
    assert isinstance(evaluation, DetectionEvaluation)
    saved = json.loads(json.dumps(evaluation.results()))
    found = detections_from_coco(saved, evaluation.ground_truth, evaluation.iou_type)
    again = evaluate_detections(evaluation.ground_truth, found, iou_type=evaluation.iou_type)
    assert again.stats == evaluation.result.stats
    assert again.precision.tobytes() == evaluation.result.precision.tobytes()
    assert again.scores.tobytes() == evaluation.result.scores.tobytes()


def test_truth_that_is_at_hand_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    model, task, dataset = small("mask_rcnn")
    known = task.ground_truth(dataset)
    fresh = task.measure(model, dataset, CPU)
    monkeypatch.setattr(Subset, "record", None)
    for _ in range(2):
        assert task.measure(model, dataset, CPU, known=known).stats == fresh.stats


def test_batches_are_in_order_and_may_hold_a_part_of_each_sample() -> None:
    dataset = Subset(open_scenes("scenes", "val", "instance_segmentation"), range(5))
    whole = [dataset[index] for index in range(5)]
    for workers in (0, 2):
        groups = list(batches(dataset, 2, Watch(), workers))
        assert [[sample.name for sample in group] for group in groups] == [
            [sample.name for sample in whole[start : start + 2]] for start in (0, 2, 4)
        ]
        images = [
            image for group in batches(dataset, 2, Watch(), workers, image_of) for image in group
        ]
        assert all(image.equal(sample.image) for image, sample in zip(images, whole, strict=True))


def test_a_loop_that_is_left_early_leaves_no_processes() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(batches(open_scenes("scenes", "val"), 2, Watch(check=stop), 2))
    assert torch.multiprocessing.active_children() == []


class Faulty:
    """A dataset of one's own, with a mistake in it."""

    name, classes, multilabel = "faulty", ("cup",), True
    keypoint_names: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Sample:
        raise ZeroDivisionError("of one's own")

    def record(self, index: int) -> ImageRecord:
        raise AssertionError("nobody asks")


def test_an_error_of_ones_own_leaves_no_processes() -> None:
    """They would ignore the signal that ends them, and the program would wait for them."""
    with pytest.raises(ZeroDivisionError) as caught:
        list(batches(Faulty(), 2, Watch(), 2))
    assert torch.multiprocessing.active_children() == []
    assert caught.value.__traceback__ is not None  # which is held, as it is in a debugger


# --- of files -----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A COCO folder of six images with an object on each, four of them to learn from."""
    for split, count in (("train", 4), ("val", 2)):
        (tmp_path / split).mkdir()
        names = [f"{number}.png" for number in range(count)]
        for name in names:
            Image.new("RGB", (48, 40), (90, 120, 150)).save(tmp_path / split / name)
        content = {
            "images": [
                {"id": i, "file_name": name, "width": 48, "height": 40}
                for i, name in enumerate(names)
            ],
            "annotations": [
                {"id": i, "image_id": i, "category_id": 1, "bbox": [5, 6, 20, 15], "area": 300}
                for i in range(count)
            ],
            "categories": [{"id": 1, "name": "cup"}],
        }
        (tmp_path / "annotations").mkdir(exist_ok=True)
        file = tmp_path / "annotations" / f"instances_{split}.json"
        file.write_text(json.dumps(content))
    return tmp_path


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_image_is_named_whoever_decodes_it(folder: Path, workers: int) -> None:
    dataset = open_dataset(folder, "val")
    (folder / "val" / "1.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"val/1\.png") as expected:
        dataset[1]
    with pytest.raises(ImageError) as caught:
        list(batches(dataset, 2, Watch(), workers))
    assert str(caught.value) == str(expected.value)  # whole, and nothing of the worker


def test_a_training_reads_the_records_of_its_validation_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Counter[str] = Counter()
    record = FileDataset.record

    def counted(self: FileDataset, index: int) -> ImageRecord:
        asked[f"{self.name}/{index}"] += 1
        return record(self, index)

    monkeypatch.setattr(FileDataset, "record", counted)
    run = api.train(
        "retinanet",
        folder,
        out=folder / "run",
        weights="none",
        image_size=48,
        arguments={key: SMALL["retinanet"][key] for key in ("backbone", "backbone_width")}
        | {"fpn_channels": 16, "head_convs": 1},
        epochs=3,
        batch_size=2,
        evaluate_every=1,
        workers=1,
        device="cpu",
        observers=(),
    )
    assert sum(row["event"] == "evaluation" for row in read_history(run)) == 3
    assert asked == {f"{folder.name}/val/{index}": 1 for index in range(2)}
