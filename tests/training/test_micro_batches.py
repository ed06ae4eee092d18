"""A step that does not fit into memory is computed in parts, and nothing else is different."""

from __future__ import annotations

import json
import weakref
from pathlib import Path

import pytest
import torch

from tapetum.base.errors import TrainingError
from tapetum.base.runtime import Runtime
from tapetum.data.reading.loading import split
from tapetum.runs.history import read_history
from tapetum.runs.settings import Settings
from tapetum.training.loop import fit
from tapetum.training.optim import make_optimizer
from tapetum.training.signals import Stopped
from tapetum.training.state import TrainingState
from tapetum.training.step import StepBatch, train_step
from tapetum.weights.checkpoint import find_checkpoint
from tests.training.toy import StopAt, Toy, TrainingData, accuracy, history, make_job, same_state

CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
CPU = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to ...")


class Fails(torch.autograd.Function):
    """The identity, whose backward has no memory."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise RuntimeError(str(CPU))


class Hungry(Toy):
    """Runs out of memory from some step on with more than `most` images at once."""

    def __init__(self, step: int, most: int, where: str) -> None:
        super().__init__()
        self.step, self.most, self.where, self.calls = step, most, where, 0

    def forward(self, pixels, sizes, targets=None, generators=None):
        output = super().forward(pixels, sizes, targets, generators)
        self.calls += targets is not None
        if targets is None or self.calls < self.step or len(pixels) <= self.most:
            return output
        if self.where == "backward":
            return output._replace(logits=Fails.apply(output.logits))
        raise torch.OutOfMemoryError(str(CUDA))  # a fresh one: its traceback holds frames


def without_remarks(folder: Path) -> list[dict]:
    return [{k: v for k, v in row.items() if k != "out_of_memory"} for row in history(folder)]


def switched(folder: Path, step: int, parts: int, **knobs) -> Path:
    """A training that is computed in `parts` parts from `step` on, without any failure."""
    folder.mkdir()
    if step == 1:
        fit(make_job(folder, accumulate=parts, **knobs))
        return folder
    with pytest.raises(Stopped):
        fit(make_job(folder, **knobs), [StopAt(step - 1)])
    last, _ = find_checkpoint(folder, "last")
    progress = json.loads((last / "state.json").read_text())
    assert progress["accumulate"] == 1
    (last / "state.json").write_text(json.dumps(progress | {"accumulate": parts}))
    fit(make_job(folder, **knobs), resume=last)
    return folder


@pytest.mark.parametrize(
    ("step", "most", "where", "parts", "workers"),
    [(5, 2, "forward", 2, 0), (5, 2, "backward", 2, 0), (1, 3, "forward", 2, 0),
     (8, 1, "forward", 4, 2), (8, 1, "backward", 4, 0)],
)  # fmt: skip
def test_it_is_the_training_that_was_split_from_this_step_on(
    tmp_path: Path, step: int, most: int, where: str, parts: int, workers: int
) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    model = Hungry(step, most, where)
    torch.manual_seed(0)
    model.load_state_dict(Toy().state_dict())
    fit(make_job(whole, model=model, validate=accuracy, workers=workers, epochs=4))
    other = switched(tmp_path / "other", step, parts, validate=accuracy, epochs=4)
    same_state(whole, other)
    assert without_remarks(whole) == history(other)
    remarks = [row for row in read_history(whole) if "out_of_memory" in row]
    assert [row["step"] for row in remarks] == [step]
    assert remarks[0]["out_of_memory"] == {"micro_batches": parts, "images": 4 // parts}


def test_a_resume_goes_on_in_parts(tmp_path: Path) -> None:
    other = switched(tmp_path / "other", 5, 2)
    parts = tmp_path / "parts"
    parts.mkdir()
    model = Hungry(5, 2, "forward")
    torch.manual_seed(0)
    model.load_state_dict(Toy().state_dict())
    with pytest.raises(Stopped):
        fit(make_job(parts, model=model), [StopAt(7)])
    fit(make_job(parts), resume=find_checkpoint(parts, "last")[0])
    same_state(parts, other)


def test_a_checkpoint_of_an_earlier_version_is_resumed(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    fit(make_job(whole, accumulate=2))
    with pytest.raises(Stopped):
        fit(make_job(parts, accumulate=2), [StopAt(8)])
    last, _ = find_checkpoint(parts, "last")
    progress = json.loads((last / "state.json").read_text())
    del progress["accumulate"], progress["loss_scale"]
    (last / "state.json").write_text(json.dumps(progress))
    fit(make_job(parts, accumulate=2), resume=last)
    same_state(whole, parts)


def test_one_image_that_does_not_fit_ends_the_training_in_words(tmp_path: Path) -> None:
    job = make_job(tmp_path, model=Hungry(2, 0, "forward"), save_seconds=0.0)
    with pytest.raises(TrainingError, match="one image at a time") as caught:
        fit(job)
    assert "image_size" in str(caught.value)
    assert find_checkpoint(tmp_path, "last")[0].name == "step-00000001"


def test_other_errors_are_not_taken_for_it(tmp_path: Path) -> None:
    class Wrong(Toy):
        def losses(self, output, targets):
            raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        fit(make_job(tmp_path, model=Wrong()))


def test_the_optimizers_own_step_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def full(self, closure=None):
        calls.append(1)
        raise torch.OutOfMemoryError(str(CUDA))  # a fresh one: its traceback holds frames

    monkeypatch.setattr(torch.optim.AdamW, "step", full)
    with pytest.raises(TrainingError, match="what the optimizer remembers"):
        fit(make_job(tmp_path))
    assert calls == [1]


def test_an_evaluation_that_does_not_fit_is_saved_and_done_again(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()

    def full(model, flag):
        raise RuntimeError(str(CPU))

    fit(make_job(whole, validate=accuracy))
    with pytest.raises(TrainingError, match="evaluation of step 3"):
        fit(make_job(parts, validate=full))
    fit(make_job(parts, validate=accuracy), resume=find_checkpoint(parts, "last")[0])
    same_state(whole, parts)
    assert history(whole) == history(parts)


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_a_failed_attempt_holds_nothing_and_leaves_no_trace(where: str) -> None:
    class Watched(Hungry):
        def forward(self, pixels, sizes, targets=None, generators=None):
            if len(pixels) < self.last:
                assert all(ref() is None for ref in self.held)
                assert all(torch.equal(v, before[n]) for n, v in self.state_dict().items())
                assert all(p.grad is None for p in self.parameters())
            self.last = len(pixels)
            features = pixels * self.norm.weight.sum()
            self.held.append(weakref.ref(features))
            return super().forward(features, sizes, targets, generators)

    model = Watched(1, 1, where)
    model.held, model.last = [], 0
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = TrainingState(model, make_optimizer(model, Settings()))
    batch = StepBatch([TrainingData()[index] for index in range(5)])
    train_step(state, batch, Runtime(torch.device("cpu")))
    assert state.accumulate == 5
    assert len(model.held) == 3 + 5


@pytest.mark.parametrize(
    ("images", "count", "sizes"),
    [(8, 2, [4, 4]), (5, 2, [3, 2]), (5, 4, [2, 2, 1]), (3, 3, [1, 1, 1]), (4, 1, [4])],
)
def test_parts_hold_every_image_once(images: int, count: int, sizes: list[int]) -> None:
    parts = split(list(range(images)), count)
    assert [len(part) for part in parts] == sizes
    assert [item for part in parts for item in part] == list(range(images))
