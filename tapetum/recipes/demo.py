"""The first minutes, as a story: faults are found in a dataset, a small model learns scenes before
your eyes, is measured, explains itself, and says what it misses."""

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
from tapetum.recipes.demo_faults import plant_faults, told
from tapetum.recipes.demo_story import FILE, SAVES, Story
from tapetum.runs.record import refuse_used


@dataclass(frozen=True)
class Demo:
    """A tiny model for a task.

    seconds: how long it trains. image_size: None where the model sees whole images. numbers: what
    is said in the end.
    """

    model: str
    seconds: float
    image_size: int | None
    numbers: tuple[str, ...]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    augment: str = "flip"


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


FAULTY, FAULTS = "faulty", "faults.html"
"""In the run: the dataset with planted faults, and the page that shows them."""
MOST_MISSES = 10
"""Objects that were missed, a line each, before the rest is left to the report."""


def run_demo(
    out: str | Path,
    task: str = "detection",
    seconds: float | None = None,
    log: Log = no_log,
    *,
    data: str = SCENES,
    progress: Progress = no_progress,
) -> Path:
    """Find planted faults, train a tiny model on `data`, built-in scenes, for about `seconds`,
    measure, explain, report. progress: shows how far the measuring is.

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
        faults = find_faults(Path(staging), log) if task == "detection" else []
        page = train_demo(run, task, seconds, log, data=data, progress=progress)
        for name in faults:
            shutil.move(Path(staging) / name, run / name)
    if faults:
        log(f"the planted faults: {run / FAULTY}, and in images: {run / FAULTS}")
    log(f"the same scenes while it learnt: {run / FILE}")
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
    """The part about learning: train, watching the same test scenes, measure, report."""
    demo, story = demo_of(task), Story(run, data)
    seconds = demo.seconds if seconds is None else seconds
    log(f"-- {task}: {demo.model} learns, and the same four test scenes are drawn on the way")
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
        on_step=story.on_step,
        log=log,
        **demo.settings,
    )
    log("-- what it says of the four scenes in the end")
    scenes, missed = story.finish()
    for line in [*scenes, *few_of(missed)]:
        log(line)
    log("-- numbers, curves, right and wrong answers with the pixels that spoke for them")
    page = api.report(run, progress=progress, log=log)
    numbers = read_json(run / NUMBERS)
    words = ", ".join(f"{name} {numbers[name]:.3f}" for name in demo.numbers)
    log(f"{words} on the test scenes")
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
    """Write a dataset with planted faults into `folder`, check it, say what was found; returns the
    names of what lies in `folder` then."""
    planted = plant_faults(folder / FAULTY)
    log(f"-- faults: a small dataset with {len(planted)} of them, and what tapetum check finds")
    for line in told(planted, api.check(folder / FAULTY, html=folder / FAULTS)):
        log(line)
    log(
        "no check of files can see a wrong label; the report of a trained model lists doubtful ones"
    )
    return [FAULTY, FAULTS]


def few_of(lines: Sequence[str]) -> list[str]:
    """The first lines, and how many more the report has."""
    more = len(lines) - MOST_MISSES
    return [*lines[:MOST_MISSES], *([f"and {more} more in the report"] if more > 0 else [])]


def own_data(model: str, task: str) -> str:
    """What to do next, as commands to paste."""
    check = ["tapetum", "check", "photos/"]
    commands = (
        check if task == "detection" else [*check, "--task", task],
        ["tapetum", "train", model, "photos/", "--out", "runs/photos"],
        ["tapetum", "predict", "runs/photos", "new.jpg", "--out", "answers"],
    )
    return "\n".join(["next: your own data", *(f"  {shlex.join(c)}" for c in commands)])
