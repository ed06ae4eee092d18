"""docs/formats.md: its formats are all there are, its codes exist, its commands do what it says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import get_args

import pytest

from tapetum.cli.options import Format
from tapetum.data.formats import AUTO, FORMATS, read_annotations
from tapetum.data.records.findings import CODES
from tapetum.data.splits.hold_out import HELD_OUT
from tapetum.inference.saving import saves
from tests.docs.pages import Page, make_photos, make_run, run, truth

PAGE = Page("formats.md")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """photos/ with labels, and a run."""
    monkeypatch.chdir(tmp_path)
    make_photos(tmp_path / "photos", 4)
    (tmp_path / "photos" / "labels.json").write_text(json.dumps(truth(4)))
    make_run(tmp_path / "RUN", "retinanet", prior=0.6, detections_per_img=5)
    return tmp_path


def command(verb: str) -> list[str]:
    """The page's `tapetum VERB ...`, with photos/ for DATA."""
    (words,) = re.findall(rf"`(tapetum {verb} [^`]+)`", PAGE.text)
    return ["photos/" if word == "DATA" else word for word in shlex.split(words)]


def test_it_names_every_format_and_no_other() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \|", PAGE.text, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(FORMATS)
    assert set(get_args(Format)) == {AUTO, *FORMATS}


def test_its_codes_exist() -> None:
    codes = re.findall(r"\(`([a-z-]+)`\)", PAGE.text)
    assert {"class-root", "crowd-by-tool", "shape-no-object"} <= set(codes) <= set(CODES)


def test_its_tenth_is_a_tenth() -> None:
    assert "one image in ten" in PAGE.text
    assert HELD_OUT == 0.1


def test_check_changes_nothing(folder: Path) -> None:
    before = {path: path.read_bytes() for path in (folder / "photos").iterdir()}
    code, _, error = run(command("check"))
    assert code == 0, error
    assert {path: path.read_bytes() for path in (folder / "photos").iterdir()} == before
    assert run([*command("check"), "--format", "coco"])[0] == 0


def test_answers_go_back_as_labels(folder: Path) -> None:
    words = command("predict")
    kinds = words[words.index("--save") + 1 :]
    code, _, error = run([*words, "csv", "crops"])
    assert code == 0, error
    assert {*kinds, "csv", "crops", "images"} == set(saves())
    labels = folder / "labels"
    counts = [len(list(labels.rglob(f"*{end}"))) for end in (".json", ".xml", ".txt", ".csv")]
    assert counts == [2, 4, 5, 1]  # the list of what predict wrote; YOLO's fifth lists the others
    assert not [path for path in labels.rglob("*.jpg") if "crops" not in path.parts]
    assert list((labels / "crops").rglob("*.jpg"))


def test_convert_copies_images_byte_for_byte(folder: Path) -> None:
    code, _, error = run(command("convert"))
    assert code == 0, error
    assert len(read_annotations(folder / "OUT").classes) == len(truth(4)["categories"])
    copies = {path.name: path.read_bytes() for path in (folder / "OUT").rglob("*.jpg")}
    assert copies == {p.name: p.read_bytes() for p in (folder / "photos").glob("*.jpg")}
