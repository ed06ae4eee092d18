"""The loop learns, resumes to the same bits, and stops in words."""

import json
import multiprocessing
import os
import signal

import pytest
import torch

from tapetum.base.errors import CheckpointError, ImageError, TrainingError, UsageError
from tapetum.runs.history import read_history
from tapetum.runs.settings import OPTIMIZERS, Settings
from tapetum.training.loop import fit
from tapetum.training.optim import learning_rate
from tapetum.training.signals import Stopped
from tapetum.weights.checkpoint import find_checkpoint, ranked_checkpoints
from tapetum.weights.tensors_file import read_tensors
from tests.training.toy import (
    StopAt,
    Toy,
    TrainingData,
    accuracy,
    history,
    make_job,
    same_state,
)


def test_it_learns_and_keeps_the_best(tmp_path):
    fit(make_job(tmp_path, validate=accuracy, epochs=20))
    rows = history(tmp_path)
    steps = [row for row in rows if row["event"] == "step"]
    assert len(steps) == 60
    assert sum(r["loss"] for r in steps[-5:]) < 0.5 * sum(r["loss"] for r in steps[:5])
    best, _ = find_checkpoint(tmp_path, "best")
    facts = dict(ranked_checkpoints(tmp_path, "best"))[best]
    assert facts["metric"] == max(r["accuracy"] for r in rows if r["event"] == "evaluation") == 1.0
    assert len(list((tmp_path / "checkpoints").iterdir())) <= 3


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_resumes_to_the_same_bits(tmp_path, optimizer):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    fit(make_job(whole, optimizer=optimizer, validate=accuracy))
    with pytest.raises(Stopped):
        fit(make_job(parts, optimizer=optimizer, validate=accuracy), [StopAt(8)])
    fit(
        make_job(parts, optimizer=optimizer, validate=accuracy),
        resume=find_checkpoint(parts, "last")[0],
    )
    same_state(whole, parts)
    assert history(whole) == history(parts)


@pytest.mark.parametrize("stop", [1, 2, 3, 6, 11, 20])
@pytest.mark.parametrize("workers", [0, 2])
def test_any_step_and_any_number_of_workers_resume_to_the_same_bits(tmp_path, stop, workers):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    knobs = {"accumulate": 2, "validate": accuracy}
    fit(make_job(whole, **knobs))
    with pytest.raises(Stopped) as caught:
        fit(make_job(parts, workers=workers, **knobs), [StopAt(stop)])
    assert caught.value.exit_code == 143
    last, _ = find_checkpoint(parts, "last")
    assert last.name == f"step-{stop:08d}"
    fit(make_job(parts, workers=2 - workers, **knobs), resume=last)
    same_state(whole, parts)
    assert history(whole) == history(parts)


def test_without_the_saved_state_the_bits_differ(tmp_path):
    """The control: a resume that forgets the optimizer must be seen by the comparison above."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    fit(make_job(whole))
    with pytest.raises(Stopped):
        fit(make_job(parts), [StopAt(8)])
    job = make_job(parts)
    last, _ = find_checkpoint(parts, "last")
    tensors = read_tensors(last / "state.safetensors")
    job.model.load_state_dict(
        {k.removeprefix("weights."): v for k, v in tensors.items() if k.startswith("weights.")}
    )
    fit(job)
    with pytest.raises(AssertionError):
        same_state(whole, parts)


def test_a_signal_during_evaluation_saves_and_the_resumed_run_evaluates(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()

    def interrupted(model, flag):
        os.kill(os.getpid(), signal.SIGINT)
        return accuracy(model, flag)

    fit(make_job(whole, validate=accuracy))
    with pytest.raises(Stopped) as caught:
        fit(make_job(parts, validate=interrupted))
    assert caught.value.exit_code == 130
    fit(make_job(parts, validate=accuracy), resume=find_checkpoint(parts, "last")[0])
    same_state(whole, parts)
    assert history(whole) == history(parts)


def test_rows_after_the_checkpoint_are_cut(tmp_path):
    with pytest.raises(Stopped):
        fit(make_job(tmp_path), [StopAt(5)])
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"event": "step", "step": 6, "loss": 99.0}) + '\n{"event": "st')
    fit(make_job(tmp_path), resume=find_checkpoint(tmp_path, "last")[0])
    steps = [row["step"] for row in read_history(tmp_path)]
    assert steps == list(range(1, 22))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_with_the_images_names(tmp_path, value):
    class Broken(Toy):
        seen = 0

        def losses(self, output, targets):
            self.seen += 1
            return {
                "class": super().losses(output, targets)["class"] * (value if self.seen == 4 else 1)
            }

    with pytest.raises(TrainingError) as caught:
        fit(make_job(tmp_path, model=Broken(), save_seconds=0.0))
    names = caught.value.where.removeprefix("images ").split(", ")
    assert len(names) == 4
    assert all(name.endswith(".png") for name in names)
    assert [row["step"] for row in read_history(tmp_path)] == [1, 2, 3]
    last, _ = find_checkpoint(tmp_path, "last")
    assert last.name == "step-00000003"


def test_weights_that_are_not_finite_are_never_published(tmp_path):
    job = make_job(tmp_path, ema_decay=0.5, save_seconds=0.0)

    class Poison(StopAt):
        def on_step(self, row, state):
            if row["step"] == 2:
                job.model.norm.running_var.fill_(float("nan"))

    with pytest.raises((CheckpointError, TrainingError)):
        fit(job, [Poison(0)])
    for folder, _ in ranked_checkpoints(tmp_path, "last"):
        read_tensors(folder / "model.safetensors")


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_cannot_be_read_is_named(tmp_path, workers):
    job = make_job(tmp_path, dataset=TrainingData(broken=7), workers=workers)
    with pytest.raises(ImageError, match=r"7\.png: truncated"):
        fit(job)


def test_a_damaged_checkpoint_is_passed_over_and_named(tmp_path):
    fit(make_job(tmp_path, save_seconds=0.0))
    last, _ = find_checkpoint(tmp_path, "last")
    path = last / "state.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    other, words = find_checkpoint(tmp_path, "last")
    assert other.name == "step-00000020"
    assert "damaged" in words[0]
    assert "step-00000020" in words[1]
    fit(make_job(tmp_path), resume=other)
    assert find_checkpoint(tmp_path, "last")[0] == last


def test_a_run_without_an_intact_checkpoint_says_so_with_one_way_out(tmp_path):
    fit(make_job(tmp_path, save_seconds=0.0))
    for path in (tmp_path / "checkpoints").glob("*/state.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"no intact checkpoint: .*damaged") as error:
        find_checkpoint(tmp_path, "last")
    assert str(error.value).count("(hint: ") == 1


def test_the_rate_rises_then_falls_to_zero():
    settings = Settings(lr=0.1, warmup_steps=10)
    rates = [learning_rate(step, 100, settings) for step in range(100)]
    assert rates[0] == pytest.approx(0.1 / 11, rel=1e-3)
    assert max(rates) == pytest.approx(0.1, rel=0.05)
    assert rates[50] == pytest.approx(0.05)
    assert rates[99] < 0.0001
    assert rates.index(max(rates)) == 10


def test_other_schedules_fall_in_a_line_or_not_at_all():
    linear, constant = (
        [
            learning_rate(step, 100, Settings(lr=0.1, warmup_steps=10, schedule=name))
            for step in range(100)
        ]
        for name in ("linear", "constant")
    )
    assert linear[0] == pytest.approx(constant[0])
    assert [linear[step] for step in (25, 50, 99)] == pytest.approx([0.075, 0.05, 0.001])
    assert constant[10:] == [0.1] * 90


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 0}, {"lr": -1.0}, {"optimizer": "lion"}, {"schedule": "steps"},
     {"ema_decay": 1.0}, {"max_steps": 0},
     {"batch_size": 2, "accumulate": 3}, {"lr": float("nan")}],
)  # fmt: skip
def test_settings_that_cannot_be_name_their_option(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Settings(**wrong)


def test_the_average_is_the_mean_of_constant_weights_and_lags_behind_moving_ones(tmp_path):
    from tapetum.training.ema import MovingAverage

    model = Toy()
    average = MovingAverage(model, 0.9)
    start = model.head.weight.detach().clone()
    for _ in range(5):
        average.update(model)
    assert torch.equal(average.average["head.weight"], start)
    with torch.no_grad():
        model.head.weight += 1
    average.update(model)
    moved = average.average["head.weight"] - start
    assert 0 < float(moved.mean()) < 1
    with average.applied(model):
        assert torch.equal(model.head.weight, average.average["head.weight"])
    assert torch.equal(model.head.weight, start + 1)


def test_accumulating_gives_the_same_gradient(tmp_path):
    from tapetum.base.runtime import Runtime
    from tapetum.training.state import TrainingState
    from tapetum.training.step import StepBatch, train_step

    gradients = []
    for parts in (1, 2):
        torch.manual_seed(0)
        model = Toy().double()
        model.norm = torch.nn.Identity()
        model.forward = lambda p, s, t=None, g=None, m=model: Toy.forward(m, p.double(), s)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        samples = [TrainingData()[i] for i in range(4)]
        state = TrainingState(model, optimizer, accumulate=parts)
        train_step(state, StepBatch(samples), Runtime(torch.device("cpu")))
        gradients.append(model.head.weight.grad.clone())
    assert torch.allclose(*gradients, atol=1e-12)


@pytest.mark.parametrize("where", ["observer", "step", "image"])
def test_an_error_leaves_no_worker_behind(tmp_path, where, monkeypatch):
    """Whoever keeps the error keeps the frames it went through; the processes must end anyway, or
    the program would wait for them at its end."""
    dataset = TrainingData()
    if where == "step":
        monkeypatch.setattr("tapetum.training.loop.train_step", lambda *_, **__: 1 / 0)
    if where == "image":
        dataset = TrainingData(broken=3)

    class Fails(StopAt):
        def on_step(self, row, state):
            raise ZeroDivisionError

    job = make_job(tmp_path, dataset=dataset, workers=2)
    before = set(multiprocessing.active_children())
    with pytest.raises((ZeroDivisionError, ImageError)) as kept:
        fit(job, [Fails(3)] if where == "observer" else [])
    assert kept.tb is not None
    assert not set(multiprocessing.active_children()) - before
