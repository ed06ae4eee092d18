"""docs/own_model.md, run from top to bottom."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from tapetum.cli.main import main
from tapetum.models.custom import declared_settings
from tapetum.testing import check_model
from tapetum.testing.__main__ import main as ask

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "own_model.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+) ?([\w.]*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FILES = {name: text for kind, name, text in BLOCKS if kind == "python" and name}
SCRIPTS = [text for kind, name, text in BLOCKS if kind == "python" and not name]
COMMANDS = [line for kind, _, text in BLOCKS if kind == "bash" for line in text.splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of the page, as it is for somebody who works there."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in FILES:
        sys.modules.pop(Path(name).stem, None)


def script(words: str) -> str:
    """The script of the page that holds these words."""
    (found,) = (text for text in SCRIPTS if words in text)
    return found


def command(*words: str) -> list[str]:
    """The first command of the page that begins with these words, without the program's name."""
    line = next(line for line in COMMANDS if line.startswith(" ".join(words)))
    return shlex.split(line)[len(words) :]


def test_the_page_has_what_is_run_here() -> None:
    assert sorted(FILES) == ["my_data.py", "my_model.py"]
    assert (len(SCRIPTS), len(COMMANDS)) == (3, 4)
    code = [line for line in FILES["my_model.py"].splitlines() if line.strip()]
    assert len(code) <= 40


def test_the_model_keeps_the_contract(folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert ask(command("python", "-m", "tapetum.testing")) == 0
    assert "21 ok, 0 failed" in capsys.readouterr().out
    exec(script("check_model"), {})


def test_a_mistake_in_it_is_found(folder: Path) -> None:
    sound = FILES["my_model.py"]
    for right, wrong, question in (
        (".clamp(min=1)", "", "losses are finite where there is nothing to learn"),
        ("maps(output, batch, options)", "maps(output, batch)[::-1]", "a batch is predicted"),
    ):
        assert right in sound
        (folder / "my_model.py").write_text(sound.replace(right, wrong))
        report = check_model("my_model.py:TinyFCN", arguments={"width": 8}, raises=False)
        assert any(a.question.startswith(question) for a in report.failed), str(report)


def test_its_own_defaults_of_training_are_known_before_it_is_built(folder: Path) -> None:
    line = '    preferred_settings = {"lr": 0.01, "optimizer": "sgd"}\n'
    assert line.strip() in PAGE
    space: dict = {}
    exec(FILES["my_model.py"].replace("    def __init__", f"{line}\n    def __init__", 1), space)
    assert declared_settings(space["TinyFCN"]) == {"lr": 0.01, "optimizer": "sgd"}


def test_it_learns_in_a_loop_of_ones_own(folder: Path) -> None:
    exec(script("optimizer.step()"), {})


def test_it_trains_and_is_measured_by_the_command_line(
    folder: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["train", *command("tapetum", "train")]) == 0
    assert (folder / "runs" / "discs" / "report.html").is_file()
    capsys.readouterr()
    assert main(["evaluate", *command("tapetum", "evaluate"), "--json"]) == 0
    numbers = capsys.readouterr().out
    (value,) = re.findall(r'"mIoU": ([\d.]+)', numbers)
    assert float(value) > 0.6
    (folder / "my_data.py").write_text(FILES["my_data.py"] + "# changed\n")
    assert main(["evaluate", "runs/discs"]) == 1
    assert "not run, because it has changed" in capsys.readouterr().err
    (again,) = (line for line in COMMANDS if "--data" in line)
    assert main([*shlex.split(again)[1:], "--json"]) == 0
    assert value in capsys.readouterr().out


def test_it_trains_on_samples_in_python(folder: Path) -> None:
    exec(script("tapetum.load(run)"), {})
