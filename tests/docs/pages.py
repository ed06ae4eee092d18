"""Pages of the documentation as code: their blocks, run as somebody would who reads them."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from unittest import mock

import matplotlib
import numpy as np
import torch
from PIL import Image

from tapetum.base.bundle import write_bundle
from tapetum.cli.main import main
from tapetum.data.formats.coco import coco_dict
from tapetum.data.scenes import Scenes
from tapetum.models import CATALOG
from tapetum.runs.model_info import ModelInfo
from tapetum.weights.checkpoint import model_parts
from tests.runs.records import write_record

DOCS = Path(__file__).resolve().parents[2] / "docs"
matplotlib.get_cachedir()  # remembers its place: commands would give it an empty one to fill
_BLOCK = re.compile(r"^```(\w*) ?([\w.]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

TINY = (
    *("--backbone", "resnet10", "--batch-size", "4"),
    *("--set", "backbone_width=8", "fpn_channels=16", "head_convs=1"),
    *("prior=0.45", "detections_per_img=20"),
)
"""What makes a detector so small that a test can train it, and lets it find objects before it knows
anything; no page says it."""


class Page:
    """A page by its name. Blocks are `bash` (run here), `sh` (installing: not run), `python` (run
    here) and `text` (what a command says)."""

    def __init__(self, name: str) -> None:
        self.text = (DOCS / name).read_text("utf-8")
        self.blocks = [(kind, text) for kind, _, text in _BLOCK.findall(self.text)]

    def of(self, kind: str) -> list[str]:
        return [text for own, text in self.blocks if own == kind]

    @cached_property
    def commands(self) -> list[list[str]]:
        """The words of each command to run, in the order of the page."""
        lines = [line for text in self.of("bash") for line in text.splitlines() if line.strip()]
        return [shlex.split(line, comments=True) for line in lines]

    def prose(self) -> str:
        """The page without its blocks."""
        return _BLOCK.sub("", self.text)


def run(words: Sequence[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a `tapetum` command, without a process of its own."""
    assert words[0] == "tapetum"
    out, error = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(error), mock.patch.dict(os.environ):
        try:
            code = main(words[1:])
        except SystemExit as leaving:  # how help and wrong options end
            code = int(leaving.code or 0)
    return code, out.getvalue(), error.getvalue()


def shortened(words: Sequence[str], *more: str, drop: Sequence[str] = ()) -> list[str]:
    """A training's words with `more` behind them, and without the options `drop` and their one
    value. What is given twice counts as it is given last, so `more` replaces."""
    kept, skip = [], False
    for word in words:
        if skip or word in drop:
            skip = not skip
            continue
        kept.append(word)
    return [*kept, *more]


@cache
def scenes(count: int) -> tuple[tuple[np.ndarray, Any], ...]:
    """Small scenes as arrays (H, W, 3) with their records."""
    made = Scenes("train", size=(96, 128), length=count)
    return tuple((made[i].image.permute(1, 2, 0).numpy(), made.record(i)) for i in range(count))


def make_photos(folder: Path, count: int = 24) -> Path:
    """Images as a camera names them: clips of four, hall_0_0.jpg to hall_5_3.jpg."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, (pixels, _) in enumerate(scenes(count)):
        Image.fromarray(pixels).save(folder / clip_name(index), quality=92)
    return folder


def clip_name(index: int) -> str:
    return f"hall_{index // 4}_{index % 4}.jpg"


def truth(count: int = 24) -> dict[str, Any]:
    """The labels of `make_photos` as COCO's dict."""
    content = coco_dict([pixels for _, pixels in scenes(count)], Scenes().classes)
    for index, image in enumerate(content["images"]):
        image["file_name"] = clip_name(index)
    return content


def make_export(file: Path, content: Mapping[str, Any], photos: Path) -> Path:
    """What CVAT calls "COCO 1.0": a .zip of images/ and annotations/instances_default.json."""
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("annotations/instances_default.json", json.dumps(content))
        for path in sorted(photos.iterdir()):
            zipped.write(path, f"images/{path.name}")
    return file


def make_run(folder: Path, name: str, **arguments: Any) -> Path:
    """A run with one checkpoint of a small model with random weights, as if it had been trained."""
    classes = Scenes().classes
    small: dict[str, Any] = {"num_classes": len(classes), **arguments}
    if name == "retinanet":
        small |= {"backbone": "resnet10", "backbone_width": 8, "fpn_channels": 16, "head_convs": 1}
        small |= {"min_size": 64}
    torch.manual_seed(0)
    model = CATALOG[name].build(**small)
    model_info = ModelInfo(name, small, classes)
    write_record(folder, model_info)
    parts = model_parts(model.state_dict(), model_info)
    write_bundle(folder / "checkpoints" / "step-00000001", parts, {"step": 1, "metric": None})
    return folder
