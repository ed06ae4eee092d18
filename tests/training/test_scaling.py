"""fp16: the loss is scaled as torch.amp.GradScaler does it, to the bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from tapetum.base.errors import TrainingError
from tapetum.base.runtime import Runtime
from tapetum.base.seeds import generator
from tapetum.runs.history import read_history
from tapetum.runs.settings import Settings
from tapetum.training.ema import MovingAverage
from tapetum.training.loop import fit
from tapetum.training.optim import make_optimizer
from tapetum.training.scaling import MOST_SKIPPED, LossScale, make_scale
from tapetum.training.signals import Stopped
from tapetum.training.state import TrainingState
from tapetum.training.step import StepBatch, train_step
from tapetum.weights.checkpoint import find_checkpoint
from tests.training.toy import StopAt, Toy, TrainingData, accuracy, history, make_job, same_state

CPU = torch.device("cpu")


class Overflows(torch.autograd.Function):
    """The identity, whose gradient is infinite."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * float("inf")


def test_it_is_torchs_scaler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapetum.training.scaling.INTERVAL", 3)
    scale, theirs = LossScale(), torch.amp.GradScaler("cpu", growth_interval=3)
    own, other = nn.Linear(3, 1), nn.Linear(3, 1)
    other.load_state_dict(own.state_dict())
    ours = torch.optim.SGD(own.parameters(), lr=0.1, momentum=0.9)
    reference = torch.optim.SGD(other.parameters(), lr=0.1, momentum=0.9)
    values = []
    for number, step in enumerate("......o....oo.......o."):
        x = torch.randn(4, 3, generator=generator(0, number)) * (1e38 if step == "o" else 1)
        for network, optimizer in ((own, ours), (other, reference)):
            optimizer.zero_grad()
            loss = network(x).sum()
            (theirs.scale(loss) if network is other else loss * scale.value).backward()
        theirs.unscale_(reference)
        nn.utils.clip_grad_norm_(other.parameters(), 1.0)
        theirs.step(reference)
        theirs.update()
        scale.unscale(own.parameters())
        if nn.utils.clip_grad_norm_(own.parameters(), 1.0).isfinite():
            ours.step()
            scale.keep()
        else:
            scale.shrink()
        values.append(scale.value)
        assert scale.value == theirs.get_scale()
        assert scale.kept == theirs.state_dict()["_growth_tracker"]
        assert torch.equal(own.weight, other.weight)
    assert len(set(values)) == 3


@pytest.mark.parametrize("power", [-3, 0, 5, 16])
@pytest.mark.parametrize("clip_norm", [0.0, 0.05])
def test_a_power_of_two_changes_no_bit(power: int, clip_norm: float) -> None:
    ended = []
    for scale in (None, LossScale(2.0**power)):
        torch.manual_seed(0)
        model = Toy()
        optimizer = make_optimizer(model, Settings(lr=0.01))
        state = TrainingState(model, optimizer, accumulate=2, scale=scale)
        norms = []
        for number in range(6):
            samples = [TrainingData()[(4 * number + i) % 12] for i in range(4)]
            step = train_step(state, StepBatch(samples), Runtime(CPU), clip_norm=clip_norm)
            state.after_step()
            norms.append(step.gradient_norm)
        ended.append((model.state_dict(), norms))
    (plain, norms), (scaled, others) = ended
    assert [name for name in plain if not torch.equal(plain[name], scaled[name])] == []
    assert norms == others


def test_fp16_learns_skips_and_resumes_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tapetum.training.beginning.make_scale", lambda _: LossScale(2.0**22))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    knobs = {"precision": "fp16", "validate": accuracy, "epochs": 12}
    for folder in (whole, parts):
        folder.mkdir()
    fit(make_job(whole, **knobs))
    with pytest.raises(Stopped):
        fit(make_job(parts, **knobs), [StopAt(4)])
    last, _ = find_checkpoint(parts, "last")
    fit(make_job(parts, **knobs), resume=last)
    same_state(whole, parts)
    assert history(whole) == history(parts)
    steps = [row for row in read_history(whole) if row["event"] == "step"]
    skipped = [row["step"] for row in steps if row.get("skipped")]
    assert 1 in skipped
    assert max(skipped) >= 5  # or a resume at 4 would not need the scale
    assert all((row["gradient_norm"] is None) == (row["step"] in skipped) for row in steps)
    assert sum(row["loss"] for row in steps[-5:]) < 0.7 * sum(row["loss"] for row in steps[:5])


def test_a_step_that_is_skipped_changes_no_weight_and_no_average(tmp_path: Path) -> None:
    class Once(Toy):
        seen = 0

        def losses(self, output, targets):
            self.seen += 1
            loss = super().losses(output, targets)["class"]
            return {"class": Overflows.apply(loss) if self.seen == 3 else loss}

    job = make_job(tmp_path, model=Once(), precision="fp16", epochs=1, ema_decay=0.5)
    weights: list[dict] = []

    class Watch(StopAt):
        def on_step(self, row, state):
            state = job.model.state_dict()
            weights.append({n: v.clone() for n, v in state.items() if "norm" not in n})

    state = fit(job, [Watch(0)])
    assert all(torch.equal(weights[2][name], weights[1][name]) for name in weights[1])
    assert not all(torch.equal(weights[1][name], weights[0][name]) for name in weights[1])
    assert isinstance(state.average, MovingAverage)
    assert (state.step, state.average.updates) == (3, 2)
    assert state.scale == LossScale(2.0**15, skipped=1)


def test_overflow_in_every_step_ends_the_training_in_words(tmp_path: Path) -> None:
    class Always(Toy):
        def losses(self, output, targets):
            return {"class": Overflows.apply(super().losses(output, targets)["class"])}

    with pytest.raises(TrainingError, match=f"{MOST_SKIPPED} steps in a row") as caught:
        fit(make_job(tmp_path, model=Always(), precision="fp16"))
    assert "bf16" in str(caught.value)
    assert len(read_history(tmp_path)) == MOST_SKIPPED - 1


def test_a_loss_that_is_not_finite_still_ends_it(tmp_path: Path) -> None:
    class Broken(Toy):
        def losses(self, output, targets):
            return {"class": super().losses(output, targets)["class"] * float("nan")}

    with pytest.raises(TrainingError, match="class is nan"):
        fit(make_job(tmp_path, model=Broken(), precision="fp16"))


def test_a_run_in_fp16_goes_on_in_fp32_and_back(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        fit(make_job(tmp_path, precision="fp16"), [StopAt(4)])
    with pytest.raises(Stopped):
        fit(make_job(tmp_path), [StopAt(8)], resume=find_checkpoint(tmp_path, "last")[0])
    resume = find_checkpoint(tmp_path, "last")[0]
    state = fit(make_job(tmp_path, precision="fp16"), resume=resume)
    assert state.scale is not None
    assert [row["step"] for row in read_history(tmp_path)] == list(range(1, 22))


def test_only_fp16_needs_a_scale() -> None:
    assert make_scale(Runtime(CPU, "fp16")) == LossScale()
    assert make_scale(Runtime(CPU, "bf16")) is None
    assert make_scale(Runtime(CPU)) is None
