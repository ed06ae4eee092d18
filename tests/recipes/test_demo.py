"""The demo from its beginning to its end, in a few seconds."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from tapetum.base.errors import UsageError
from tapetum.base.files import read_json
from tapetum.cli.main import main
from tapetum.data import scenes
from tapetum.recipes.demo import DEMOS, FAULTS, FAULTY, few_of, own_data, run_demo
from tapetum.recipes.demo_progress import FILE, SCENES


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few scenes to measure, and small steps."""
    monkeypatch.setitem(scenes.LENGTHS, "test", max(SCENES) + 1)
    for task, own in DEMOS.items():
        size = 64 if own.image_size else None
        tiny = replace(own, image_size=size, settings={**own.settings, "batch_size": 2})
        monkeypatch.setitem(DEMOS, task, tiny)


@pytest.mark.usefixtures("small")
def test_the_whole_story(tmp_path: Path) -> None:
    run, lines = tmp_path / "run", list[str]()
    page = run_demo(run, seconds=0.5, log=lines.append)
    assert page == run / "report.html"
    for name in (FAULTY, FAULTS, FILE, "evaluation.json", "run.json"):
        assert (run / name).exists(), name
    chapters = [line for line in lines if line.startswith("-- ")]
    assert [re.sub(r"\W+", " ", line).split()[-1] for line in chapters] == [
        "faults",
        "way",
        "scenes",
        "maps",
    ]
    text = page.read_text("utf-8")
    assert "During training" in text
    assert "untrained" in text
    assert "box-outside" in (run / FAULTS).read_text("utf-8")
    assert "AP50" in read_json(run / "evaluation.json")
    assert lines[-1] == own_data("retinanet", "detection")
    misses = [line for line in lines if "was missed" in line]
    hidden = [int(match[1]) for line in lines if (match := re.match(r"and (\d+) more in", line))]
    assert len(misses) + sum(hidden) == text.count("was missed")


@pytest.mark.usefixtures("small")
def test_other_tasks_show_the_scenes_and_what_is_next(tmp_path: Path) -> None:
    run, lines = tmp_path / "run", list[str]()
    page = run_demo(run, "semantic_segmentation", seconds=0.5, log=lines.append)
    assert "During training" in page.read_text("utf-8")
    assert (run / FILE).is_file()
    assert not (run / FAULTY).exists()
    assert not any("was missed" in line for line in lines)
    assert "--task semantic_segmentation" in lines[-1]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("mine")
    said: list[str] = []
    with pytest.raises(UsageError, match="not empty"):
        run_demo(tmp_path, log=said.append)
    assert said == []
    with pytest.raises(UsageError, match="unknown task 'x'"):
        run_demo(tmp_path / "run", "x")


def test_many_misses_are_counted() -> None:
    assert few_of(["a"] * 10) == ["a"] * 10
    assert few_of(["a"] * 13) == ["a"] * 10 + ["and 3 more in the report"]


@pytest.mark.parametrize("task", DEMOS)
def test_the_commands_for_own_data_are_understood(
    task: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They fail for want of images, not for what they say."""
    monkeypatch.chdir(tmp_path)
    commands = [shlex.split(line) for line in own_data(DEMOS[task].model, task).splitlines()[1:]]
    assert [description[1] for description in commands] == ["check", "train", "predict"]
    for description in commands:
        assert description[0] == "tapetum"
        assert main(description[1:]) != 0
        assert "photos" in capsys.readouterr().err
