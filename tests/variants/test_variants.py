"""Every variant of every model trains: each value of each argument that is a choice, one at a time.

As the command line would train it, `--set` and all, for two steps on four small scenes.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tapetum import api
from tapetum.backbones import BACKBONES
from tapetum.backbones.resnet import STEMS
from tapetum.cli.learning import parse_pairs
from tapetum.layers.norm import NORMS
from tapetum.models import CATALOG, arguments_of
from tapetum.models.classification.linear import LOSSES
from tapetum.models.classification.neighbors import METRICS
from tapetum.models.classification.preprocessing import CROP_MODES
from tapetum.models.classification.vit import POOLS
from tapetum.models.localization.localizer import BOX_LOSSES
from tapetum.models.segmentation.tta import AUGMENTATIONS
from tapetum.runs.history import read_history

DATA, PIXELS, STEPS = "scenes:count=4", 64, 2
FROM_DATA = ("num_classes", "classes", "keypoints", "image_size", "min_size", "max_size", "norm")
"""Arguments that a training derives, and the norm, whose default is what people get."""

EITHER = (False, True)
NORM = {"norm": NORMS}
RESNET = {"norm": NORMS, "stem": STEMS, "multilabel": EITHER, "crop_mode": CROP_MODES}
CHOICES: dict[str, dict[str, tuple[Any, ...]]] = {
    **{name: {"multilabel": (True,)} for name in BACKBONES},
    "resnet10": RESNET,
    "vit_b_16": {"pool": POOLS, "multilabel": EITHER, "crop_mode": CROP_MODES},
    "airbench": {"test_time_augmentation": EITHER},
    "linear": {"loss": LOSSES},
    "knn": {"metric": METRICS},
    "localizer": {
        **NORM,
        "stem": STEMS,
        "box_loss": BOX_LOSSES,
        "class_agnostic": EITHER,
        "objects": (1, 2),
    },
    "unet": {
        "encoder": ("paper", *BACKBONES),
        **NORM,
        "test_time_augmentation": tuple(AUGMENTATIONS),
        "finest": (1, 2, 4),
        "dice_weight": (1.0,),
        "focal_weight": (1.0,),
        "tile": (None, 64),
    },
    "retinanet": {**NORM, "head_norm": ("none", "group")},
    "faster_rcnn": NORM,
    "mask_rcnn": NORM,
    "keypoint_rcnn": NORM,
}
"""Model -> argument -> values. Those of the ResNet classifiers are of one function: resnet10's."""

TOGETHER: dict[tuple[str, str], dict[str, Any]] = {
    ("tile", "64"): {"overlap": 32},  # half a tile at most
}
"""What a value needs beside it."""

VARIANTS = [
    pytest.param(model, {argument: value}, id=f"{model}-{argument}-{value}")
    for model, choices in CHOICES.items()
    for argument, values in choices.items()
    for value in values
]
PAPER = pytest.param("unet", {"norm": "none", "encoder": "paper"}, id="unet-as-in-the-paper")


def tiny(model: str) -> dict[str, Any]:
    return {name: value for name, value in CATALOG[model].tiny.items() if name not in FROM_DATA}


@pytest.mark.parametrize(("model", "variant"), [*VARIANTS, PAPER])
def test_it_trains(tmp_path: Path, model: str, variant: dict[str, Any]) -> None:
    ((argument, value), *_) = variant.items()
    arguments = {**tiny(model), **TOGETHER.get((argument, str(value)), {}), **variant}
    run = api.train(
        model,
        DATA,
        out=tmp_path / "run",
        arguments=parse_pairs(tuple(f"{k}={json.dumps(v)}" for k, v in arguments.items())),
        weights="none",
        image_size=PIXELS,
        device="cpu",
        observers=(),
        **({} if model == "knn" else {"batch_size": 2, "max_steps": STEPS}),
    )
    losses = [row["loss"] for row in read_history(run) if row["event"] == "step"]
    assert all(map(math.isfinite, losses))
    assert len(losses) == (0 if model == "knn" else STEPS)
    assert any((run / "checkpoints").glob("step-*/model.safetensors"))


def test_every_model_and_every_choice_of_its_function_is_here() -> None:
    """An argument whose default is a word or a truth value is a choice."""
    assert set(CHOICES) == set(CATALOG)
    for model in CATALOG:
        known = CHOICES["resnet10" if model in BACKBONES else model]
        chosen = {
            name
            for name, default in arguments_of(model).items()
            if isinstance(default, str | bool) and name != "backbone"
        }
        assert chosen <= set(known), model
