"""Takes a new thing through every verb by the public doors, as small as can be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import tapetum
from tapetum.cli.main import main

DATA, PIXELS = "scenes:count=4", 64
EXPORT_SIZES = ((64, 80), (80, 64))


def train(model: str, out: Path, data: str | Path = DATA, **options: Any) -> Path:
    """Two steps on four images."""
    small = {"weights": "none", "batch_size": 2, "max_steps": 2, "image_size": PIXELS}
    quiet = {"device": "cpu", "observers": ()}
    return tapetum.train(model, data, out=out, **{**small, **quiet, **options})


def look(run: Path, photo: Path, method: str = "auto") -> Mapping[str, float]:
    """Evaluate, predict, explain and report, all but the first by the command line."""
    answers = run.parent / "answers"
    on = ("--device", "cpu")
    assert main(["predict", str(run), str(photo), "--out", str(answers), *on]) == 0
    heat = str(run.parent / "heat.png")
    words = ["explain", str(run), str(photo), "--out", heat, "--method", method, *on]
    assert main(words) == 0
    assert main(["report", str(run), *on]) == 0
    assert any(answers.iterdir())
    assert Path(heat).is_file()
    assert (run / "report.html").is_file()
    return dict(tapetum.evaluate(run, device="cpu").stats)


def export(run: Path) -> Path:
    """The folder of an export; made only if its client answers as the model does.

    The last step of a test: where the packages for it are not installed, the test ends here.
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name, reason=f"{name} is not installed: pip install 'tapetum[onnx]'")
    folder = tapetum.export(run, sizes=EXPORT_SIZES)
    assert (folder / "client.py").is_file()
    return folder
