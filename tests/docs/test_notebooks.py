"""The notebooks: valid, without outputs, and every code cell runs in order at a small size."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from tests.docs.pages import DOCS

NOTEBOOKS = DOCS / "notebooks"
SMALLER = {
    "detector.ipynb": {"MINUTES": 0.001, "SIZE": 96, "BATCH": 2, "SCENES": 6},
    "lesson_training.ipynb": {"STEPS": 60, "BATCH": 32},
}
"""The values that replace those of the cell with the tag "parameters"."""


@pytest.fixture(autouse=True)
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder to work in, few scenes, figures that nobody sees."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tapetum.data.scenes.LENGTHS", dict.fromkeys(("train", "val", "test"), 16))
    matplotlib.use("Agg")
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def read(name: str) -> dict[str, Any]:
    return json.loads((NOTEBOOKS / name).read_text("utf-8"))


def code(name: str) -> list[str]:
    """The code cells, the parameters replaced by smaller ones of the same names."""
    cells = [cell for cell in read(name)["cells"] if cell["cell_type"] == "code"]
    texts = ["".join(cell["source"]) for cell in cells]
    (place,) = (
        i for i, cell in enumerate(cells) if "parameters" in cell["metadata"].get("tags", ())
    )
    own = re.findall(r"^(\w+) = ", texts[place], re.MULTILINE)
    assert own == list(SMALLER[name])
    texts[place] = "\n".join(f"{key} = {value}" for key, value in SMALLER[name].items())
    return texts


def run(name: str) -> dict[str, Any]:
    """What all cells leave behind, in one namespace."""
    space: dict[str, Any] = {}
    for number, text in enumerate(code(name), start=1):
        exec(compile(text, f"{name}, code cell {number}", "exec"), space)
    return space


def test_there_are_no_others() -> None:
    assert sorted(path.name for path in NOTEBOOKS.iterdir()) == sorted(SMALLER)


@pytest.mark.parametrize("name", SMALLER)
def test_it_is_a_notebook_without_outputs(name: str) -> None:
    """nbformat 4.5: what a cell of each kind must and may have."""
    whole = read(name)
    assert (whole["nbformat"], whole["nbformat_minor"]) == (4, 5)
    assert whole["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell["id"] for cell in whole["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in whole["cells"]:
        keys = {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            keys |= {"execution_count", "outputs"}
            assert (cell["execution_count"], cell["outputs"]) == (None, [])
        assert set(cell) == keys
        assert re.fullmatch(r"[\w-]{1,64}", cell["id"])
        assert all(line.endswith("\n") for line in cell["source"][:-1])


def test_the_detector(capsys: pytest.CaptureFixture) -> None:
    space = run("detector.ipynb")
    assert space["found"]._repr_png_().startswith(b"\x89PNG")
    assert space["found"]._repr_html_().startswith("<img")
    assert space["heat"].shape == space["sample"].image.shape[1:]
    assert len(space["rows"]) == 10  # the fewest that --minutes makes
    assert "of the heat lies inside the box" in capsys.readouterr().out


def test_the_lesson_shows_what_it_says(capsys: pytest.CaptureFixture) -> None:
    """Too small is slow, too large is wild, between them it learns: also in 60 steps."""
    space = run("lesson_training.ipynb")
    for kind, (small, right, large) in space["RATES"].items():
        first, good, wild = (space["learnt"][kind, lr][1] for lr in (small, right, large))
        assert 1.8 < first[-1] < 2.31, kind
        assert sum(good[-10:]) / 10 < 0.6, kind
        assert max(wild) > 4, kind
        assert space["accuracy"](space["learnt"][kind, right][0]) > 0.85
    assert "right on new digits" in capsys.readouterr().out
