"""A model may descend, be fitted, and descend again; a resume goes on in the right phase."""

import pytest
import torch

from tapetum.base.errors import UsageError
from tapetum.training.loop import fit
from tapetum.training.phases import evaluation_steps, total_steps
from tapetum.training.signals import Stopped
from tapetum.weights.checkpoint import find_checkpoint
from tests.training.toy import (
    Output,
    StopAt,
    Toy,
    accuracy,
    history,
    make_job,
    same_state,
)


class Thrice(Toy):
    """Descends with its head, is fitted to the means of the classes, then descends on a bias."""

    phases = ("descend", "fit", "descend")

    def __init__(self):
        super().__init__()
        self.register_buffer("means", torch.zeros(0, 8))
        self.bias = torch.nn.Parameter(torch.zeros(2))

    def fit(self, samples, generator):
        samples = list(samples)
        with torch.no_grad():
            columns = torch.stack([s.image.float().mean(dim=(0, 1)) / 255 for s in samples])
            labels = torch.cat([s.target.labels for s in samples])
            self.means = torch.stack([columns[labels == k].mean(0) for k in (0, 1)])
            self.means += 0.001 * torch.rand(self.means.shape, generator=generator)
            self.means += 0.01 * self.head.weight.mean()  # what it descended to matters

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        self.means = self.means.new_zeros(state_dict[f"{prefix}means"].shape)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def forward(self, pixels, sizes, targets=None, generators=None):
        output = super().forward(pixels, sizes, targets, generators)
        if len(self.means) == 0:
            return output
        distance = torch.cdist(pixels.mean(dim=(1, 2)), self.means)
        return Output(output.logits.detach() + self.bias - distance)


def folders(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    return whole, parts


def test_each_phase_is_run_in_its_order_logged_and_saved(tmp_path):
    lines = []
    job = make_job(tmp_path, model=Thrice(), validate=accuracy, epochs=2)
    state = fit(job, log=lines.append)
    rows = history(tmp_path)
    assert total_steps(job) == 7
    phases = [(row["phase"], row["step"]) for row in rows if row["event"] == "phase"]
    assert phases == [("descend", 0), ("fit", 3), ("descend", 4)]
    assert [r["step"] for r in rows if r["event"] == "step"] == [1, 2, 3, 5, 6, 7]
    assert [r["epoch"] for r in rows if r["event"] == "step"][2::3] == [1.0, 2.0]
    assert evaluation_steps(job) == [3, 4, 7]
    assert [r["step"] for r in rows if r["event"] == "evaluation"] == [3, 4, 7]
    assert lines[0] == "phase 1 of 3: descend, steps 1 to 3"
    assert lines[1] == "phase 2 of 3: fit, steps 4 to 4"
    assert lines[2].startswith("fitted on 12 images in ")
    assert lines[3] == "phase 3 of 3: descend, steps 5 to 7"
    assert state.model.means.shape == (2, 8)
    assert state.model.bias.abs().sum() > 0


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
@pytest.mark.parametrize("stop", [2, 3, 5, 6])
def test_a_resume_goes_on_in_the_right_phase_to_the_same_bits(tmp_path, stop, ema_decay):
    whole, parts = folders(tmp_path)
    knobs = {"validate": accuracy, "epochs": 2, "ema_decay": ema_decay}
    fit(make_job(whole, model=_new(), **knobs))
    with pytest.raises(Stopped):
        fit(make_job(parts, model=_new(), **knobs), [StopAt(stop)])
    last = find_checkpoint(parts, "last")[0]
    assert last.name == f"step-{stop:08d}"
    fit(make_job(parts, model=_new(), **knobs), resume=last)
    same_state(whole, parts)
    again = [row for row in history(parts) if row["event"] != "phase"]
    assert again == [row for row in history(whole) if row["event"] != "phase"]


def test_a_resume_right_after_the_fit_does_not_fit_again(tmp_path):
    whole, parts = folders(tmp_path)
    fit(make_job(whole, model=_new(), epochs=2))

    class Interrupted(Thrice):
        def losses(self, output, targets):
            if len(self.means):
                raise ZeroDivisionError
            return super().losses(output, targets)

    with pytest.raises(ZeroDivisionError):
        fit(make_job(parts, model=_new(Interrupted), epochs=2))
    last = find_checkpoint(parts, "last")[0]
    assert last.name == "step-00000004"

    class Refuses(Thrice):
        def fit(self, samples, generator):
            raise AssertionError("it was fitted before")

    fit(make_job(parts, model=_new(Refuses), epochs=2), resume=last)
    same_state(whole, parts)


def test_the_fit_sees_the_weights_that_are_published(tmp_path):
    seen = {}

    class Notes(Thrice):
        def fit(self, samples, generator):
            seen["head"] = self.head.weight.detach().clone()
            super().fit(samples, generator)

    published = {}

    def note(model, flag):
        published.setdefault("head", model.head.weight.detach().clone())
        return accuracy(model, flag)

    fit(make_job(tmp_path, model=_new(Notes), epochs=2, ema_decay=0.9, validate=note))
    assert torch.equal(seen["head"], published["head"])


def test_a_phase_that_is_none_is_one_line(tmp_path):
    model = Toy()
    model.phases = ("descend", "ascend")
    with pytest.raises(UsageError, match=r"unknown phase 'ascend' of Toy .*descend or fit"):
        fit(make_job(tmp_path, model=model))


def _new(kind=Thrice):
    torch.manual_seed(0)
    return kind()
