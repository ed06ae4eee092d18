"""docs/lectures.md: every command of its tables, in their order; trainings for two steps."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tapetum.models.catalog import CATALOG
from tests.docs.pages import Page, make_photos, run, shortened, truth

PAGE = Page("lectures.md")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.text.splitlines()
    if line.startswith("| ") and not line.startswith("| slide |")
]
COMMANDS = [shlex.split(row[1].strip("`")) for row in ROWS]
TWO_STEPS = ("--max-steps", "2", "--batch-size", "4")
PLANNED = {"num_classes", "image_size", "min_size", "max_size", "keypoints", "norm", "k"}
"""Arguments that follow from the data, or that the page sets itself."""


def make_digits(folder: Path) -> None:
    """A folder of ten classes with six handwritten digits each."""
    digits = load_digits()
    for label in range(10):
        (folder / str(label)).mkdir(parents=True)
        for place in np.flatnonzero(digits.target == label)[:6]:
            pixels = (digits.images[place] * 15.9).astype(np.uint8).repeat(4, 0).repeat(4, 1)
            Image.fromarray(pixels).convert("RGB").save(folder / str(label) / f"{place}.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the reader works; the scenes are few."""
    here = tmp_path_factory.mktemp("lectures")
    make_digits(here / "digits")
    (here / "digit.png").write_bytes(next((here / "digits" / "3").iterdir()).read_bytes())
    make_photos(here / "photos", 4)
    (here / "photo.jpg").write_bytes((here / "photos" / "hall_0_0.jpg").read_bytes())
    labels = truth(4)
    (here / "ground_truth.json").write_text(json.dumps(labels))
    found = [
        {k: obj[k] for k in ("image_id", "category_id", "bbox")} | {"score": 0.5}
        for obj in labels["annotations"]
    ]
    (here / "detections.json").write_text(json.dumps(found))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        patch.setattr("tapetum.data.scenes.LENGTHS", dict.fromkeys(("train", "val", "test"), 4))
        yield here


def small(words: list[str]) -> list[str]:
    """A training of the page with the arguments of the model's smallest version, for two steps."""
    model, own = words[2], [word for word in words if re.fullmatch(r"\w+=\S+", word)]
    named = {word.split("=")[0] for word in own} | PLANNED
    tiny = {name: value for name, value in CATALOG[model].tiny.items() if name not in named}
    if "encoder=paper" in own:
        tiny.pop("decoder_channels")
        tiny["width"] = 2
    if model == "retinanet":
        tiny["prior"] = 0.45  # so that it detects objects before it has learnt to
    backbone = ("--backbone", tiny.pop("backbone")) if "backbone" in tiny else ()
    arguments = [*own, *(f"{name}={json.dumps(value)}" for name, value in tiny.items())]
    steps = () if model == "knn" else ("--max-steps", "2", "--batch-size", "4")
    size = ("--image-size", "32" if words[3] == "digits/" else "64")
    words = [word for word in words if word not in ("--set", *own)]
    return shortened(words, *size, *steps, *backbone, *(["--set", *arguments] if arguments else ()))


def test_every_row_has_a_command() -> None:
    assert len(COMMANDS) > 30
    assert {words[0] for words in COMMANDS} == {"tapetum"}
    assert len({" ".join(words) for words in COMMANDS}) == len(COMMANDS)


@pytest.mark.parametrize("words", COMMANDS, ids=[" ".join(words[1:3]) for words in COMMANDS])
def test_the_command_runs(words: list[str], folder: Path) -> None:
    code, _, error = run(small(words) if words[1] == "train" else words)
    assert code == 0, (words, error)
    if words[1] == "train":
        assert (folder / words[words.index("--out") + 1] / "report.html").is_file()


def test_what_does_not_work_yet_has_no_command() -> None:
    later = PAGE.text.split("## Not yet")[1]
    assert re.findall(r"tapetum \w+", later) == []
