"""Observers look at all of a step, change nothing of it, and may end a training."""

import traceback

import pytest
import torch

from tapetum.runs.history import read_history
from tapetum.training.callbacks import Calls
from tapetum.training.loop import fit
from tapetum.weights.checkpoint import find_checkpoint
from tests.training.toy import StopAt, Toy, accuracy, history, make_job, same_state


class Meddles(StopAt):
    """Reads all there is to see, and overwrites what it was given."""

    def __init__(self):
        super().__init__(0)
        self.seen = []

    def on_step(self, row, state):
        gradients = dict(state.gradients)
        self.seen.append((gradients, dict(state.weights), state.batch, state.output))
        for tensors in (gradients, state.weights):
            for name in tensors:
                tensors[name].fill_(float("nan"))
        state.batch.pixels.zero_()
        state.output.logits.zero_()
        torch.rand(3)
        state.model().requires_grad_(False).head.weight.zero_()


@pytest.mark.parametrize("accumulate", [1, 2])
def test_with_and_without_observers_a_training_has_the_same_bits(tmp_path, accumulate):
    watched, alone = tmp_path / "watched", tmp_path / "alone"
    for folder in (watched, alone):
        folder.mkdir()
    knobs = {"validate": accuracy, "accumulate": accumulate, "epochs": 3}
    fit(make_job(watched, **knobs), [Meddles()])
    fit(make_job(alone, **knobs))
    same_state(watched, alone)
    assert history(watched) == history(alone)


def test_an_observer_sees_the_gradients_that_made_the_step(tmp_path):
    observer = Meddles()
    job = make_job(tmp_path, optimizer="sgd", weight_decay=0.0, schedule="constant", warmup_steps=0)
    before = {name: p.detach().clone() for name, p in job.model.named_parameters()}
    fit(job, [_Copying(observer)])
    gradients, weights, batch, output = observer.seen[0]
    assert gradients.keys() == before.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(weights[name], before[name] - 0.01 * gradient)
    assert batch.pixels.shape == (4, 3, 8, 8)
    assert output.logits.shape == (4, 2)
    assert not output.logits.requires_grad


class _Copying(StopAt):
    """Shows its observer copies that survive what the observer does to them."""

    def __init__(self, inner):
        super().__init__(0)
        self.inner = inner

    def on_step(self, row, state):
        copies = {name: g.clone() for name, g in state.gradients.items()}
        weights = {name: w.clone() for name, w in state.weights.items()}
        self.inner.seen.append((copies, weights, state.batch, state.output))


class Patience(StopAt):
    def on_step(self, row, state):
        return row["step"] == self.step


def test_an_observer_may_ask_to_stop_and_the_run_says_who_did(tmp_path):
    lines = []
    state = fit(make_job(tmp_path, validate=accuracy), [Patience(5)], log=lines.append)
    rows = history(tmp_path)
    assert state.step == 5
    assert lines == ["step 5: Patience stops the training"]
    assert {"event": "stop", "step": 5, "asked_by": "Patience"} in rows
    assert rows[-1]["event"] == "evaluation"
    assert rows[-1]["step"] == 5
    assert find_checkpoint(tmp_path, "last")[0].name == "step-00000005"


def test_a_training_that_an_observer_ended_can_be_resumed(tmp_path):
    fit(make_job(tmp_path), [Patience(5)])
    fit(make_job(tmp_path), resume=find_checkpoint(tmp_path, "last")[0])
    steps = [row["step"] for row in read_history(tmp_path) if row["event"] == "step"]
    assert steps == list(range(1, 22))


def test_a_function_stops_by_returning_true_and_by_nothing_else(tmp_path):
    for name, value, steps in (("a", True, 1), ("b", 1, 21), ("c", None, 21)):
        (tmp_path / name).mkdir()
        state = fit(make_job(tmp_path / name), [Calls(on_step=lambda row, v=value: v)])
        assert state.step == steps


def test_from_fit_to_the_losses_there_are_four_frames(tmp_path):
    names = []

    class Looks(Toy):
        def losses(self, output, targets):
            names[:] = [frame.name for frame in traceback.extract_stack()]
            return super().losses(output, targets)

    fit(make_job(tmp_path, model=Looks(), epochs=1))
    assert names[names.index("fit") :] == ["fit", "train_step", "compute_losses", "losses"]
