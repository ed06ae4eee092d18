"""Built-in scenes, three tasks, from scratch on a processor.

Command: python -m tapetum.recipes.scenes localizer|mask_rcnn|keypoint_rcnn RUN [STEPS]

| model         | pixels | steps | minutes        | on 200 test scenes             |
|---------------|--------|-------|----------------|--------------------------------|
| localizer     | 160    | 1500  | 5.1, one core  | class and box right 0.945      |
| mask_rcnn     | 256    | 1200  | 16.6, one core | mask AP 0.775, AP50 0.994      |
| keypoint_rcnn | 256    | 1200  | 19.4, one core | keypoint AP 0.896, AP50 0.979  |

2026-11-20, AMD EPYC at 2.6 GHz, bf16, OMP_NUM_THREADS=1, seed 0, n = 1 each. Narrow branches make
more steps in the same time: with the published widths a step of keypoint_rcnn takes seven times
as long.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tapetum import api
from tapetum.base.progress import Log, no_log
from tapetum.data.reading.files import SCENES


@dataclass(frozen=True)
class _Plan:
    """How one of the models is trained."""

    steps: int
    image_size: int
    arguments: dict[str, Any]
    settings: dict[str, Any]


_REGIONS = {
    "backbone": "resnet10",
    "backbone_width": 32,
    "fpn_channels": 64,
    "anchor_sizes": [24, 48, 96, 192, 384],
    "head_width": 256,
    "rpn_pre_nms_top_n_train": 200,
    "rpn_post_nms_top_n_train": 200,
    "rpn_pre_nms_top_n_test": 100,
    "rpn_post_nms_top_n_test": 100,
    "box_batch_size_per_image": 48,
}
_SETTINGS = {"batch_size": 8, "lr": 2e-3, "ema_decay": 0.995, "warmup_steps": 100, "seed": 0}

PLANS = {
    "localizer": _Plan(
        steps=1500,
        image_size=160,
        arguments={"backbone": "resnet10", "backbone_width": 32},
        settings={**_SETTINGS, "batch_size": 16},
    ),
    "mask_rcnn": _Plan(
        steps=1200,
        image_size=256,
        arguments={**_REGIONS, "mask_width": 96, "mask_convs": 3},
        settings=_SETTINGS,
    ),
    "keypoint_rcnn": _Plan(
        steps=1200,
        image_size=256,
        arguments={**_REGIONS, "keypoint_width": 128, "keypoint_convs": 4},
        settings=_SETTINGS,
    ),
}


def scenes(model: str, out: str | Path, steps: int | None = None, log: Log = no_log) -> Path:
    """Train `model`, one of PLANS, on generated scenes; the report evaluates it on 200 others."""
    plan = PLANS[model]
    run = api.train(
        model,
        SCENES,
        out=out,
        weights="none",
        image_size=plan.image_size,
        arguments=dict(plan.arguments),
        augment="flip",
        epochs=10_000,
        max_steps=steps or plan.steps,
        validate=False,
        log=log,
        **plan.settings,
    )
    return api.report(run, split="test", log=log)


if __name__ == "__main__":
    from tapetum.base.memory import tune_allocator

    tune_allocator()
    model, out, *steps = sys.argv[1:]
    print(scenes(model, out, int(steps[0]) if steps else None, print))
