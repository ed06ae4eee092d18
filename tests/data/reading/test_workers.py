"""Worker processes: how they begin, and what they can be sent."""

from __future__ import annotations

import multiprocessing
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapetum.base.custom_code import CustomFunction
from tapetum.base.errors import UsageError
from tapetum.base.runtime import allow_many_files, worker_start
from tapetum.data.reading.files import open_dataset
from tapetum.data.reading.loading import Plan, training_batches
from tapetum.data.transforms import detection_transforms

OWN = """
import torch
from tapetum import Objects, Sample, Target


class Few:
    classes = ["object"]

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return Sample(torch.zeros(3, 8, 8), Target(objects=Objects.empty()))


def few():
    return Few()
"""


@pytest.fixture
def limit() -> Iterator[int]:
    """A soft limit of open files as many systems have it; afterwards it is as before."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    yield 256
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def first_batch(data: str, workers: int) -> list:
    plan, augment = Plan(count=4, batch_size=2, seed=0), detection_transforms(32)
    dataset = open_dataset(data, "train", hold_out=False)
    return next(training_batches(dataset, plan, augment, 0, 1, workers=workers))


def test_samples_of_ones_own_file_stay_where_workers_begin_afresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.py").write_text(OWN)
    CustomFunction(tmp_path / "own.py", "few").name()
    data = f"{tmp_path / 'own.py'}:few"
    if sys.platform == "linux":
        assert len(first_batch(data, 1)) == 2
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda allow_none: "spawn")
    with pytest.raises(UsageError, match="workers 0"):
        first_batch(data, 1)
    assert len(first_batch(data, 0)) == 2


def test_linux_forks_whatever_python_does_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda allow_none: None)
    for platform, method in (("linux", "fork"), ("darwin", "spawn"), ("win32", "spawn")):
        monkeypatch.setattr(sys, "platform", platform)
        assert worker_start() == method


def test_the_limit_of_open_files_is_raised(limit: int) -> None:
    allow_many_files()
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert now == (65536 if most in (-1, resource.RLIM_INFINITY) else min(most, 65536)) > limit


def test_no_limit_stays_none(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    set_to: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: endless)
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: set_to.append(both))
    allow_many_files()
    assert set_to == []
