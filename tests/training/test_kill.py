"""Twenty SIGKILLs at random moments change nothing: not a bit of weights, state or log."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tapetum.runs.history import read_history
from tapetum.weights.checkpoint import find_checkpoint
from tapetum.weights.tensors_file import read_tensors

TIMES = ("seconds", "data_wait", "evaluation_seconds")


def write_dataset(folder: Path) -> Path:
    """Ten images with colored rectangles, as COCO, eight to train and two to validate."""
    draw = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 2)):
        images, annotations = [], []
        (folder / split).mkdir(parents=True)
        for i in range(1, count + 1):
            pixels = draw.integers(90, 110, (64, 80, 3), dtype=np.uint8)
            for k in range(2):
                x, y, side = draw.integers(0, 40), draw.integers(0, 30), draw.integers(10, 30)
                pixels[y : y + side, x : x + side, k] = 250
                box = [float(x), float(y), float(side), float(side)]
                annotations.append(
                    {"id": len(annotations) + 1, "image_id": i, "category_id": k + 1,
                     "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
                )  # fmt: skip
            Image.fromarray(pixels).save(folder / split / f"{i}.png")
            images.append({"id": i, "file_name": f"{i}.png", "width": 80, "height": 64})
        categories = [{"id": 1, "name": "red"}, {"id": 2, "name": "green"}]
        (folder / "annotations").mkdir(exist_ok=True)
        (folder / "annotations" / f"instances_{split}.json").write_text(
            json.dumps({"images": images, "annotations": annotations, "categories": categories})
        )
    return folder


def all_tensors(run: Path) -> dict[str, torch.Tensor]:
    last, _ = find_checkpoint(run, "last")
    state, model = (read_tensors(last / f"{n}.safetensors") for n in ("state", "model"))
    return {**{f"s.{k}": v for k, v in state.items()}, **{f"m.{k}": v for k, v in model.items()}}


def log(run: Path) -> list[dict]:
    return [{k: v for k, v in row.items() if k not in TIMES} for row in read_history(run)]


@pytest.mark.slow
def test_twenty_kills_change_no_bit(tmp_path):
    data = write_dataset(tmp_path / "data")
    script = Path(__file__).with_name("kill.py")
    result = subprocess.run(
        [sys.executable, script, data, tmp_path / "runs", "20"],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    kills, runs = map(int, result.stdout.split())
    assert kills >= 20
    whole = tmp_path / "runs" / "whole"
    expected = all_tensors(whole)
    assert len(log(whole)) == 32 + 4
    for number in range(runs):
        killed = tmp_path / "runs" / f"killed-{number}"
        found = all_tensors(killed)
        assert found.keys() == expected.keys()
        assert [name for name in found if not torch.equal(found[name], expected[name])] == []
        assert log(killed) == log(whole)
        assert not list(killed.rglob(".tapetum-*"))
