"""Two processes train as one does, and end together."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tapetum.base.errors import UsageError
from tapetum.base.ranks import ALONE, Ranks, normalizer, ranks
from tapetum.data.reading.loading import Plan
from tapetum.training import phases
from tapetum.training.loop import fit
from tests.training.rank_worker import MODELS, NoNorm, model_job
from tests.training.toy import accuracy, history, make_job, same_state

WORKER = Path(__file__).with_name("rank_worker.py")
ROOT = Path(__file__).parents[2]


ENDING_WELL = [*MODELS, "micro-batches", "whole", "asks", "batch norm"]
"""Cases that one pair of processes can go through, as most of the time goes into starting them."""


def start(folder: Path, *cases: str) -> list[subprocess.CompletedProcess]:
    """Run the processes to their ends; each case trains in a folder of its name."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = os.environ | {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2",
        "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    processes = [
        subprocess.Popen(
            [sys.executable, WORKER, folder, *cases],
            env=shared | {"RANK": str(rank)}, text=True, stderr=subprocess.PIPE,
        )
        for rank in range(2)
    ]  # fmt: skip
    ended = []
    for process in processes:
        _, text = process.communicate(timeout=120)
        ended.append(subprocess.CompletedProcess((), process.returncode, "", text))
    return ended


def run(folder: Path, *cases: str) -> None:
    for ended in start(folder, *cases):
        assert ended.returncode == 0, ended.stderr


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of two processes, by case; all processes evaluated the same weights."""
    folder = tmp_path_factory.mktemp("two")
    run(folder, *ENDING_WELL)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", [*MODELS, "micro-batches"])
def test_two_processes_have_the_losses_of_one_with_the_same_batch(tmp_path, two, name):
    alone = tmp_path / "alone"
    alone.mkdir()
    split = name == "micro-batches"
    fit(model_job("faster_rcnn" if split else name, alone, accumulate=2 if split else 1))
    expected, found = history(alone), history(two / name)
    assert len(expected) == len(found) == 3
    for one, two in zip(expected, found, strict=True):
        assert two["losses"] == pytest.approx(one["losses"], rel=2e-4, abs=1e-6)
        assert two["gradient_norm"] == pytest.approx(one["gradient_norm"], rel=2e-3)


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all_and_a_resume_has_the_same_bits(tmp_path, two):
    whole, parts = two / "whole", tmp_path / "resume"
    assert [ended.returncode for ended in start(tmp_path, "signal")] == [143, 143]
    (tmp_path / "signal").rename(parts)
    assert (parts / "checkpoints" / "step-00000008").is_dir()
    run(tmp_path, "resume")
    same_state(whole, parts)
    assert history(whole) == history(parts)
    alone = tmp_path / "alone"
    alone.mkdir()
    torch.manual_seed(0)
    fit(make_job(alone, model=NoNorm(), validate=accuracy))
    losses = [[row["loss"] for row in history(f) if "loss" in row] for f in (alone, whole)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


@pytest.mark.slow
def test_an_observer_of_the_first_process_stops_all(two):
    steps = [row["step"] for row in history(two / "asks") if row["event"] == "step"]
    assert steps == [1, 2, 3, 4, 5]


@pytest.mark.slow
def test_statistics_of_norms_are_those_of_the_first_process_when_all_evaluate(two):
    assert any(row["event"] == "evaluation" for row in history(two / "batch norm"))


@pytest.mark.slow
def test_an_error_in_one_process_ends_the_other_too(tmp_path):
    first, second = start(tmp_path, "one fails")
    assert second.returncode == first.returncode == 1
    assert second.stderr.splitlines()[-1] == "this process has had enough"
    assert "rank 0 has lost the other processes" in first.stderr.splitlines()[-1]
    assert "Traceback" not in first.stderr + second.stderr


def test_fewer_images_than_processes_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(phases, "ranks", lambda: Ranks(1, 2))
    with pytest.raises(UsageError, match=r"^2 processes, but a micro-batch of 1 images"):
        phases.plan_of(make_job(tmp_path, batch_size=1))


def test_the_processes_share_each_micro_batch_and_miss_no_image():
    for count, batch_size, accumulate in ((12, 5, 2), (8, 8, 1), (9, 4, 1)):
        whole = Plan(count, batch_size, 0, accumulate=accumulate)
        parts = [
            Plan(count, batch_size, 0, Ranks(rank, 2), accumulate=accumulate) for rank in (0, 1)
        ]
        steps = zip(*(list(plan.steps(0, 4)) for plan in (whole, *parts)), strict=True)
        for all_keys, first, second in steps:
            assert sorted(all_keys) == sorted(first + second)
            assert len(first) - len(second) in (0, 1, 2)


def test_alone_nothing_is_exchanged():
    assert ranks() == ALONE
    assert normalizer(0) == 1
    assert normalizer(7) == 7
    assert torch.equal(normalizer(torch.tensor(3)), torch.tensor(3))


@pytest.mark.slow
def test_torchrun_starts_the_command_on_two_processes(tmp_path):
    out = tmp_path / "run"
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
        "-m", "tapetum", "train", "linear", "scenes", "--out", str(out), "--max-steps", "3",
        "--batch-size", "5", "--image-size", "16", "--device", "cpu",
    ]  # fmt: skip
    ended = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, text=True,
        capture_output=True, timeout=180, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == str(out)
    assert (out / "report.html").is_file()
    assert len([row for row in history(out) if row["event"] == "step"]) == 3
