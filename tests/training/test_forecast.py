"""The end of a training is foretold once, put right once, and watching changes nothing."""

from __future__ import annotations

import datetime
import io
from pathlib import Path

import pytest
from rich.console import Console

from tapetum.base import memory
from tapetum.base.memory import Memory, peak_memory
from tapetum.training.console import ConsoleObserver
from tapetum.training.forecast import Forecast, duration
from tapetum.training.loop import fit
from tapetum.training.phases import evaluation_steps
from tests.training.toy import StopAt, accuracy, history, make_job, same_state

NOW = datetime.datetime(2026, 3, 1, 19, 30)


def forecast(total: int, evaluations) -> Forecast:
    there = Memory(1_900_000_000, 7_600_000_000)
    return Forecast(total, evaluations, memory=lambda: there, clock=lambda: NOW)


def steps(told: Forecast, first: int, last: int, seconds: float = 0.5) -> list[str]:
    """What is said of steps first ... last; the two that warm up take very long."""
    said = []
    for step in range(first, last + 1):
        slow = step < first + 2 and not told._seen > 2
        said.append(told.step({"step": step, "seconds": 100.0 if slow else seconds}))
    return [words for words in said if words]


def evaluated(told: Forecast, step: int, seconds: float) -> str | None:
    return told.evaluated({"step": step, "evaluation_seconds": seconds})


def test_it_says_what_is_known_and_puts_it_right_once() -> None:
    told = forecast(1220, [100, 500, 1220])
    assert steps(told, 1, 100) == [
        "step 20: 0.50 s a step, 10.0 min to the end (about 19:40) and 3 evaluations that have not "
        "been timed yet; peak memory 1.9 of 7.6 GB"
    ]
    words = "step 100: 9.7 min to the end (about 19:39) with 2 evaluations of 12 s"
    assert evaluated(told, 100, 12.0) == words
    assert steps(told, 101, 500) == []
    assert evaluated(told, 500, 12.0) is None


def test_an_evaluation_before_the_twentieth_step_is_counted_in_at_once() -> None:
    told = forecast(140, [10, 140])
    assert steps(told, 1, 10) == []
    assert evaluated(told, 10, 30.0) is None
    assert steps(told, 11, 139) == [
        "step 20: 0.50 s a step, 90 s to the end (about 19:31) with 1 evaluation of 30 s; "
        "peak memory 1.9 of 7.6 GB"
    ]


def test_a_session_that_goes_on_counts_its_own_steps_and_what_is_left() -> None:
    told = forecast(8000, None)
    (words,) = steps(told, 101, 150, 4.0)
    assert words.startswith("step 120: 4.00 s a step, 8.8 h to the end (about 02 Mar 04:15)")
    assert "evaluations not counted" in words


def test_nothing_is_foretold_at_the_end() -> None:
    assert steps(forecast(20, [20]), 1, 20) == []
    told = forecast(40, [40])
    assert len(steps(told, 1, 40)) == 1
    assert evaluated(told, 40, 5.0) is None
    assert "evaluation" not in steps(forecast(40, []), 1, 40)[0]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0352, "35 ms"), (0.413, "0.41 s"), (12.3, "12 s"), (492, "8.2 min"), (12240, "3.4 h")],
)
def test_durations_read_well(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize("terminal", [False, True])
def test_the_lines_are_printed_once_in_logs_and_on_terminals(
    tmp_path: Path, terminal: bool
) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=200, no_color=True)
    job = make_job(tmp_path, validate=accuracy, epochs=20, evaluate_every=8)
    assert evaluation_steps(job) == [24, 48, 60]
    fit(job, [ConsoleObserver(console, "accuracy", evaluation_steps(job))])
    text = out.getvalue()
    assert text.count("step 20: ") == 1
    assert text.count("and 3 evaluations that have not been timed yet; peak memory") == 1
    assert text.count("with 2 evaluations of") == 1
    assert text.count("to the end") == 2
    if not terminal:
        assert all(len(line) < 300 and line.strip() for line in text.splitlines())


@pytest.mark.parametrize("workers", [0, 2])
def test_watching_changes_nothing(tmp_path: Path, workers: int) -> None:
    seen, no_progress = tmp_path / "seen", tmp_path / "unseen"
    for folder in (seen, no_progress):
        folder.mkdir()
    knobs = {"validate": accuracy, "epochs": 8}
    fit(make_job(no_progress, **knobs))
    job = make_job(seen, workers=workers, **knobs)
    console = Console(file=io.StringIO())
    fit(job, [ConsoleObserver(console, evaluations=evaluation_steps(job))])
    same_state(seen, no_progress)
    assert history(seen) == history(no_progress)


def test_what_went_wrong_in_a_step_is_said() -> None:
    out = io.StringIO()
    observer = ConsoleObserver(Console(file=out))
    row = {"step": 3, "loss": 1.0, "losses": {}, "seconds": 1.0, "data_wait": 0.0}
    observer.on_step(row | {"out_of_memory": {"micro_batches": 2, "images": 4}}, None)
    observer.on_step(row | {"out_of_memory": {"micro_batches": 8, "images": 1}}, None)
    observer.on_step(row | {"skipped": True}, None)
    words = "out of memory at step 3: each step is now computed in"
    assert f"{words} 2 micro-batches of 4 images\n" in out.getvalue()
    assert f"{words} 8 micro-batches of 1 image\n" in out.getvalue()
    assert "step 3: the gradient overflowed fp16, the step is skipped\n" in out.getvalue()


def test_workers_count(tmp_path: Path) -> None:
    taken = []

    class Watch(StopAt):
        def on_step(self, row, state):
            there = peak_memory()
            taken.append((memory._of_workers(), there.peak - memory._own_peak()))

    fit(make_job(tmp_path, workers=2, epochs=1), [Watch(0)])
    assert memory._of_workers() == 0
    assert all(workers > 1_000_000 and counted > 1_000_000 for workers, counted in taken)


def test_memory_in_words() -> None:
    assert str(Memory(1_900_000_000, 7_600_000_000)) == "peak memory 1.9 of 7.6 GB"
    assert str(Memory(1_900_000_000, 0)) == "peak memory 1.9 GB"
    on_gpu = Memory(5_100_000_000, 24_000_000_000, " on the GPU")
    assert str(on_gpu) == "peak memory 5.1 of 24.0 GB on the GPU"
