"""Every question catches a model that breaks its promise, and no other question does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import tapetum
from tapetum.testing import QUESTIONS, ContractError, check_model
from tapetum.testing.__main__ import main
from tapetum.testing.report import FAILED, OK, SKIPPED, UNASKED
from tests.testing.broken import BROKEN, HasASpare, Sound

ROOT = Path(__file__).resolve().parents[2]


def test_a_sound_model_keeps_the_contract() -> None:
    report = check_model(Sound)
    assert report.ok
    skipped = [a.question for a in report.answers if a.verdict == SKIPPED]
    assert skipped == list(BROKEN)[-4:]
    assert f"{len(QUESTIONS) - 4} ok, 0 failed" in report.summary()


def test_there_is_a_broken_model_for_every_question() -> None:
    assert list(BROKEN) == [question.name for question in QUESTIONS]


@pytest.mark.parametrize("words", BROKEN)
def test_a_broken_promise_is_named_and_no_other(words: str) -> None:
    make, says = BROKEN[words]
    report = check_model(make, raises=False)
    assert [answer.question for answer in report.failed] == [words], str(report)
    assert says in report.failed[0].why
    assert not report.ok


def test_the_error_is_one_line_that_names_the_fault() -> None:
    with pytest.raises(ContractError) as caught:
        check_model(HasASpare)
    assert isinstance(caught.value, tapetum.TapetumError)
    assert str(caught.value).startswith("HasASpare: every parameter gets a gradient: spare.weight")
    assert "\n" not in str(caught.value)
    assert caught.value.report.failed[0].verdict == FAILED


def test_the_report_is_a_list_with_hints() -> None:
    lines = str(check_model(HasASpare, raises=False)).splitlines()
    (place,) = (i for i, line in enumerate(lines) if "FAILED" in line)
    assert lines[place].split() == ["FAILED", "every", "parameter", "gets", "a", "gradient"]
    assert lines[place + 1].strip().startswith("spare.weight (5, 4) gets no gradient")
    assert lines[place + 2].strip().startswith("fix: use it in forward")
    assert sum(line.strip().startswith("ok ") for line in lines) == len(QUESTIONS) - 5


def test_what_is_no_model_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    text = 'import torch\n\n\nclass Duck(torch.nn.Module):\n    task = "classification"\n'
    (tmp_path / "duck.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert main(["duck.py:Duck"]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    running, refused = error.splitlines()
    assert running.startswith("running ")
    why = "duck.py:Duck: builds a Duck, not a Model (hint: inherit tapetum.Model"
    assert refused.startswith(f"tapetum.testing: {why}")
    with pytest.raises(tapetum.TapetumError, match="builds a Linear, not a Model"):
        check_model(lambda: torch.nn.Linear(1, 1))


def test_no_question_is_begun_when_time_is_up() -> None:
    report = check_model(Sound, seconds=0.0, raises=False)
    assert {a.verdict for a in report.answers} == {UNASKED}
    with pytest.raises(ContractError, match="25 checks were not run"):
        check_model(Sound, seconds=0.0)


def test_an_exception_of_the_model_is_an_answer_with_its_place() -> None:
    class Falls(Sound):
        def target_logits(self, images, targets):
            raise KeyError("no such object")

    report = check_model(Falls, raises=False)
    first = report.failed[0]
    assert first.why == "KeyError: 'no such object'"
    assert first.hint.startswith(f"raised in {__file__}, line ")
    assert len(report.failed) == 4  # whatever needs score


def test_images_of_ones_own_are_asked_with() -> None:
    seen = []

    class Sees(Sound):
        def preprocess(self, images, targets=None):
            seen.extend(tuple(p.shape) for p in images)
            return super().preprocess(images, targets)

    images = [torch.zeros(3, 40, 72, dtype=torch.uint8), torch.rand(3, 64, 48)]
    images[0][:, ::2] = 200
    report = check_model(Sees, images=images, raises=False)
    assert (3, 64, 48) in seen
    assert (3, 40, 72) in seen
    assert report.ok, str(report)


def test_what_cannot_be_built_is_a_line() -> None:
    with pytest.raises(tapetum.TapetumError, match="unexpected keyword argument 'wide'"):
        check_model(Sound, arguments={"wide": 3})
    with pytest.raises(tapetum.TapetumError, match="unknown model 'retinanett'"):
        check_model("retinanett")


def test_a_model_by_its_name_and_arguments() -> None:
    report = check_model("linear", arguments={"image_size": 16})
    assert report.ok
    assert {a.verdict for a in report.answers} == {OK, SKIPPED}


def test_from_the_command_line(tmp_path: Path) -> None:
    text = "from tests.testing.broken import HasASpare\n\n\nclass Mine(HasASpare): ...\n"
    (tmp_path / "mine.py").write_text(text)
    result = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tapetum.testing", "mine.py:Mine", "num_classes=4"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1, result.stderr
    assert "FAILED  every parameter gets a gradient" in result.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "expected MODEL [KEY=VALUE ...]"),
        (["linear", "num_classes"], "expected KEY=VALUE, got 'num_classes'"),
        (["nothing.py:build"], "no such file"),
        (["linear", "wide=3"], "unexpected keyword argument 'wide'"),
    ],
)
def test_wrong_usage_is_a_line(words: list[str], says: str, capsys: pytest.CaptureFixture) -> None:
    assert main(words) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert says in error
    assert error.count("\n") == 1
