"""docs/export.md: its commands and its script, its tolerances, its files and its models."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapetum.exporting.parity import BEST, BOX, MASKS, OUTPUT, PIXELS, POINTS, SCORE
from tapetum.models import CATALOG
from tests.docs.pages import Page, make_photos, make_run, run

PAGE = Page("export.md")


def rows(title: str) -> list[list[str]]:
    """The cells of the table below a heading, without its first two lines."""
    (part,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE.text, re.MULTILINE | re.DOTALL)
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where runs/first and photo.jpg are, after the first command of the page."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package}: pip install 'tapetum[onnx]'")
    here = tmp_path_factory.mktemp("export")
    (make_photos(here / "photos", 1) / "hall_0_0.jpg").rename(here / "photo.jpg")
    make_run(here / "runs" / "first", "linear")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        (words, _) = PAGE.commands
        code, _, error = run(words)
        assert code == 0, error
        assert "outputs of the graphs differ by" in error
        yield here


def test_the_client_answers(folder: Path) -> None:
    (_, words) = PAGE.commands
    result = subprocess.run(
        [sys.executable, "-W", "error", *words[1:]], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["file"] == "photo.jpg"


def test_the_script(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """As it is for somebody who has the folder on the path, as the command above has."""
    monkeypatch.syspath_prepend(folder / "runs" / "first" / "onnx")
    (script,) = PAGE.of("python")
    exec(script, {})
    sys.modules.pop("client")
    assert capsys.readouterr().out


def test_a_folder_that_exists_is_refused(folder: Path) -> None:
    code, _, error = run(PAGE.commands[0])
    assert (code, error.count("\n")) == (2, 1)


def test_the_files_of_the_page_are_those_of_the_folder(folder: Path) -> None:
    named = set(re.findall(r"`(\w+\.(?:onnx|json|py))`", PAGE.text))
    inside = (folder / "runs" / "first" / "onnx").iterdir()
    found = {path.name for path in inside if path.is_file()}  # importing the client leaves a folder
    assert found <= named
    assert named - found == {"regions.onnx", "branch.onnx"}  # of detectors with two stages


def test_the_tolerances_are_those_of_the_proof() -> None:
    told = [cell for _, cell in rows("The comparison")]
    numbers = [[float(n) for n in re.findall(r"\d+(?:\.\d+)?(?:e-\d)?", cell)] for cell in told]
    assert numbers[:4] == [[OUTPUT], [SCORE], [BOX, 100 * POINTS], [100 * MASKS, 100 * PIXELS]]
    assert f"{BEST} best" in told[4]


def test_every_model_has_its_line() -> None:
    named = {name for cell, *_ in rows("Sizes") for name in re.findall(r"[\w*]+", cell)}
    said = {m for m in CATALOG if m in named or (m.startswith("resnet") and "resnet*" in named)}
    assert set(CATALOG) - said == set(re.findall(r"Not exported: `(\w+)`", PAGE.text))
    assert named - set(CATALOG) == {"resnet*"}
