"""The budgets of `tests/conftest.py`, with a test suite of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLANTED = """
import subprocess, sys, time
import pytest

BURN = "import time\\nwhile time.process_time() < {}: pass"

def burn(seconds):
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass

def test_greedy():
    burn(0.5)

def test_greedy_by_a_child():
    subprocess.run([sys.executable, "-c", BURN.format(0.5)], check=True)

@pytest.mark.slow
def test_greedy_and_marked():
    burn(0.5)

def test_patient():
    time.sleep(0.6)

def test_wrong():
    burn(0.5)
    assert "its own" == "reason"
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says of the planted tests, in a folder with 0.2 seconds and in one with 10."""
    tests = tmp_path_factory.mktemp("budgets") / "tests"
    for folder in ("explanations", "elsewhere"):
        (tests / folder).mkdir(parents=True)
        (tests / folder / f"test_{folder}.py").write_text(PLANTED)
    shutil.copy(Path(__file__).with_name("conftest.py"), tests)
    (tests.parent / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(
        command,
        cwd=tests.parent,
        env=os.environ | {"COLUMNS": "300"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout


@pytest.mark.parametrize("name", ["test_greedy", "test_greedy_by_a_child"])
def test_over_twice_its_budget_a_test_is_red(said: str, name: str) -> None:
    line = f"FAILED tests/explanations/test_explanations.py::{name} - Failed: took "
    ending = " CPU seconds, over 2 times its budget of 0.2: make it smaller, or mark it slow"
    assert any(text.startswith(line) and text.endswith(ending) for text in said.splitlines())


@pytest.mark.parametrize("name", ["test_greedy_and_marked", "test_patient"])
def test_what_is_marked_slow_or_only_waits_is_green(said: str, name: str) -> None:
    assert f"PASSED tests/explanations/test_explanations.py::{name}\n" in said


def test_elsewhere_there_is_more_time(said: str) -> None:
    assert "PASSED tests/elsewhere/test_elsewhere.py::test_greedy\n" in said


def test_a_test_that_fails_keeps_its_own_reason(said: str) -> None:
    assert "test_explanations.py::test_wrong - AssertionError: assert 'its own'" in said
