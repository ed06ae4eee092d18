"""A training of some minutes: a step is timed on a copy, the length follows from it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from tapetum import api
from tapetum.base.errors import UsageError
from tapetum.runs.settings import Settings
from tapetum.training.step_time import seconds_per_step, settings_for
from tests.training.toy import make_job


def test_measuring_changes_nothing(tmp_path: Path) -> None:
    job = make_job(tmp_path, epochs=3)
    before = {name: value.clone() for name, value in job.model.state_dict().items()}
    state = torch.random.get_rng_state()
    assert 0 < seconds_per_step(job) < 5
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(v, before[n]) for n, v in job.model.state_dict().items())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("minutes", "seconds", "steps"), [(2.0, 0.5, 240), (0.5, 1.0, 30), (0.01, 2.0, 10)]
)
def test_steps_and_epochs_fit_the_minutes(minutes: float, seconds: float, steps: int) -> None:
    settings = settings_for(Settings(batch_size=4), minutes, seconds, images=26)
    assert settings.max_steps == steps
    assert settings.epochs == math.ceil(steps / 6)
    assert settings.total_steps(6) == steps


def test_evaluations_have_their_share_of_the_minutes() -> None:
    """Ten minutes: eight evaluations of 6 s leave 552 s; of 60 s there are three, 180 of 600."""
    quick = settings_for(Settings(batch_size=4), 10.0, 1.0, 40, evaluation=6.0)
    assert (quick.max_steps, quick.evaluate_every) == (552, math.ceil(56 / 8))
    slow = settings_for(Settings(batch_size=4), 10.0, 1.0, 40, evaluation=60.0)
    assert (slow.max_steps, slow.evaluate_every) == (420, 14)
    endless = settings_for(Settings(batch_size=4, evaluate_every=2), 1.0, 1.0, 40, evaluation=600.0)
    assert (endless.max_steps, endless.evaluate_every) == (10, 2)


def test_a_training_of_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapetum.training.planning.seconds_per_step", lambda job: 3.0)
    said: list[str] = []
    run = api.train(
        "resnet10",
        "scenes:count=4",
        out=tmp_path / "run",
        arguments={"backbone_width": 8},
        image_size=32,
        batch_size=2,
        minutes=0.5,
        validate=False,
        observers=(),
        log=said.append,
    )
    assert "3000 ms a step: 10 steps in about 0.5 minutes" in said
    assert (run / "checkpoints" / "step-00000010").is_dir()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"minutes": 0}, "minutes: must be above 0"),
        ({"minutes": 1, "epochs": 3}, "minutes and epochs both say how long"),
        ({"minutes": 1, "max_steps": 3}, "minutes and max_steps both say how long"),
    ],
)
def test_two_lengths_are_one_too_many(tmp_path: Path, options: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        api.train("resnet10", "scenes", out=tmp_path / "run", **options)


def test_what_is_fitted_has_no_minutes(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="knn is fitted in one step"):
        api.train("knn", "scenes:count=4", out=tmp_path / "run", minutes=1, image_size=16)
