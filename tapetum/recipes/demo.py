"""The demo: find the faults of a dataset, train a small model on built-in scenes, evaluate it,
explain its predictions, and list the objects that it missed."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tapetum import api
from tapetum.api.reporting import NUMBERS
from tapetum.base.errors import UsageError
from tapetum.base.files import read_json
from tapetum.base.progress import Log, Progress, no_log, no_progress
from tapetum.data.reading.files import SCENES
from tapetum.recipes.demo_faults import check_lines, plant_faults
from tapetum.recipes.demo_progress import FILE, SAVES, TrainingProgress
from tapetum.runs.record import refuse_used


@dataclass(frozen=True)
class Demo:
    """A tiny model for a task.

    seconds: training time; image_size: None where the model sees whole images; numbers: the metrics
    that are printed; check_data: begin with `tapetum check` on a dataset with planted faults.
    """

    model: str
    seconds: float
    image_size: int | None
    numbers: tuple[str, ...]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    augment: str = "flip"
    check_data: bool = False


_PYRAMID = {
    "backbone": "resnet10",
    "backbone_width": 24,
    "fpn_channels": 48,
    "anchor_sizes": [24, 48, 96, 192, 384],
}
_REGIONS = {
    **_PYRAMID,
    "head_width": 128,
    "rpn_pre_nms_top_n_train": 200,
    "rpn_post_nms_top_n_train": 200,
    "rpn_pre_nms_top_n_test": 100,
    "rpn_post_nms_top_n_test": 100,
    "box_batch_size_per_image": 48,
}
_SETTINGS = {"batch_size": 8, "lr": 5e-3, "ema_decay": 0.99, "warmup_steps": 40}

DEMOS: dict[str, Demo] = {
    "detection": Demo(
        model="retinanet",
        seconds=130,
        image_size=192,
        numbers=("AP", "AP50"),
        check_data=True,
        # Large objects on fine maps learn sooner, with a million weights.
        arguments={
            **_PYRAMID,
            "head_convs": 2,
            "head_norm": "group",
            "anchor_octaves": 2,
            "anchor_ratios": [1.0],
        },
        settings=_SETTINGS,
    ),
    "classification": Demo(
        model="resnet10",
        seconds=60,
        image_size=128,
        numbers=("mAP",),
        arguments={"backbone_width": 24},
        settings={**_SETTINGS, "batch_size": 16, "lr": 3e-3},
    ),
    "localization": Demo(
        model="localizer",
        seconds=60,
        image_size=128,
        numbers=("both_right", "mean_iou"),
        arguments={"backbone": "resnet10", "backbone_width": 24},
        settings={**_SETTINGS, "batch_size": 16, "lr": 2e-3},
    ),
    "semantic_segmentation": Demo(
        model="unet",
        seconds=60,
        image_size=None,
        numbers=("mIoU", "accuracy"),
        arguments={
            "encoder": "resnet10",
            "width": 16,
            "decoder_channels": [96, 48, 32, 24, 16],
            "finest": 2,
            "dice_weight": 1.0,
        },
        settings={**_SETTINGS, "lr": 5e-3},
    ),
    "instance_segmentation": Demo(
        model="mask_rcnn",
        seconds=80,
        image_size=192,
        numbers=("AP", "AP50"),
        arguments={**_REGIONS, "mask_width": 64, "mask_convs": 2},
        settings={**_SETTINGS, "batch_size": 4, "lr": 3e-3},
    ),
    "keypoint_detection": Demo(
        model="keypoint_rcnn",
        seconds=80,
        image_size=192,
        numbers=("AP", "AP50"),
        arguments={**_REGIONS, "keypoint_width": 96, "keypoint_convs": 3},
        settings={**_SETTINGS, "batch_size": 4, "lr": 3e-3},
    ),
}

DEFAULT_TASK = "detection"
FAULTY, FAULTS = "faulty", "faults.html"
"""In the run: the dataset with planted faults, and the page that shows them."""
MOST_MISSES = 10
"""Missed objects that are printed; the report lists all."""


def run_demo(
    out: str | Path,
    task: str = DEFAULT_TASK,
    seconds: float | None = None,
    log: Log = no_log,
    *,
    data: str = SCENES,
    progress: Progress = no_progress,
) -> Path:
    """Find planted faults, train a tiny model on `data` (built-in scenes) for about `seconds`,
    evaluate, explain, write a report. progress: wraps the images of the evaluation.

    Command: tapetum demo. Got AP 0.698, AP50 0.901 on the test scenes in 2 min 11 s, everything
    included (2026-11-21, two quiet cores of an AMD EPYC at 2.6 GHz, 796 steps in bf16, seed 0,
    n = 1). Other work on the cores means fewer steps. Expected: AP50 >= 0.7.
    Returns the path of the report.

    Raises:
        UsageError: an unknown task, or `out` exists.
    """
    demo = demo_of(task)
    run = Path(out)
    refuse_used(run)
    with tempfile.TemporaryDirectory() as staging:
        # A run begins in an empty folder, so what comes before it is made beside.
        faults = find_faults(Path(staging), log) if demo.check_data else []
        page = train_demo(run, task, seconds, log, data=data, progress=progress)
        for name in faults:
            shutil.move(Path(staging) / name, run / name)
    if faults:
        log(f"the planted faults: {run / FAULTY}, and in images: {run / FAULTS}")
    log(f"predictions on four test scenes during training: {run / FILE}")
    log(own_data(demo.model, task))
    return page


def train_demo(
    run: Path,
    task: str,
    seconds: float | None,
    log: Log,
    *,
    data: str = SCENES,
    progress: Progress = no_progress,
) -> Path:
    """Train, draw predictions on the same test scenes several times, evaluate, write a report."""
    demo, progress_images = demo_of(task), TrainingProgress(run, data)
    seconds = demo.seconds if seconds is None else seconds
    log(f"-- {task}: training {demo.model}, with predictions on four test scenes on the way")
    api.train(
        demo.model,
        data,
        out=run,
        weights="none",
        image_size=demo.image_size,
        arguments=dict(demo.arguments),
        augment=demo.augment,
        validate=False,
        minutes=seconds / 60,
        save_seconds=seconds / SAVES,
        on_step=progress_images.on_step,
        log=log,
        **demo.settings,
    )
    log("-- predictions of the trained model on the four scenes")
    scenes, missed = progress_images.finish()
    for line in [*scenes, *few_of(missed)]:
        log(line)
    log("-- the report: metrics, curves, right and wrong predictions, heat maps")
    page = api.report(run, progress=progress, log=log)
    numbers = read_json(run / NUMBERS)
    shown = ", ".join(f"{name} {numbers[name]:.3f}" for name in demo.numbers)
    log(f"{shown} on the test scenes")
    return page


def demo_of(task: str) -> Demo:
    """The demo of a task.

    Raises:
        UsageError: an unknown task.
    """
    if task not in DEMOS:
        raise UsageError(f"unknown task {task!r}", hint="one of " + ", ".join(DEMOS))
    return DEMOS[task]


def find_faults(folder: Path, log: Log) -> list[str]:
    """Write a dataset with planted faults into `folder`, check it, log what was found.

    Returns the names of the files and folders in `folder`.
    """
    planted = plant_faults(folder / FAULTY)
    log(f"-- tapetum check on a small dataset with {len(planted)} planted faults")
    for line in check_lines(planted, api.check(folder / FAULTY, html=folder / FAULTS)):
        log(line)
    log("a wrong label cannot be found without a model; the report of a run lists labels to check")
    return [FAULTY, FAULTS]


def few_of(lines: Sequence[str]) -> list[str]:
    """The first lines, and how many more there are in the report."""
    more = len(lines) - MOST_MISSES
    return [*lines[:MOST_MISSES], *([f"and {more} more in the report"] if more > 0 else [])]


def own_data(model: str, task: str) -> str:
    """The commands for your own data."""
    check = ["tapetum", "check", "photos/"]
    commands = (
        check if task == DEFAULT_TASK else [*check, "--task", task],
        ["tapetum", "train", model, "photos/", "--out", "runs/photos"],
        ["tapetum", "predict", "runs/photos", "new.jpg", "--out", "answers"],
    )
    return "\n".join(["next: your own data", *(f"  {shlex.join(c)}" for c in commands)])
