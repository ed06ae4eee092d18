"""How a training begins, and each of its phases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from tapetum.base.ranks import ranks, share_weights
from tapetum.base.runtime import placed
from tapetum.base.seeds import generator
from tapetum.structures import Model
from tapetum.structures.model import DESCEND
from tapetum.training.ema import MovingAverage
from tapetum.training.layer_groups import freeze
from tapetum.training.optim import make_optimizer
from tapetum.training.phases import Phase, phase_kinds, phases_of
from tapetum.training.scaling import make_scale
from tapetum.training.state import TrainingState

if TYPE_CHECKING:
    from tapetum.training.loop import Job


def begin_training(job: Job) -> TrainingState:
    """The moving parts of a training before its first step; a model that is only fitted has
    neither optimizer nor average."""
    model = placed(job.model, job.runtime.device)
    if job.runtime.device.type == "cuda" and ranks().world_size > 1:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    share_weights(model)
    frozen = freeze(model, job.settings.freeze)
    descends = DESCEND in phase_kinds(model)
    return TrainingState(
        model,
        make_optimizer(model, job.settings) if descends else None,
        make_average(job, model) if descends else None,
        frozen=frozen,
        accumulate=job.settings.accumulate,
        scale=make_scale(job.runtime),
    )


def begin_phase(job: Job, state: TrainingState, phase: Phase) -> None:
    """Make ready for a phase whose first step is next.

    It begins with the weights that the phase before has published, and a descent with an optimizer
    of its own. Before the first descent the model may look at the images.
    """
    if phase.first > 0:
        state.take_average()
    if phase.kind != DESCEND:
        return
    if phase == next(p for p in phases_of(job) if p.kind == DESCEND):
        _look_at_data(job, state.model)
    if phase.first > 0:
        state.optimizer = make_optimizer(state.model, job.settings)
    state.average = make_average(job, state.model)


def make_average(job: Job, model: nn.Module) -> MovingAverage | None:
    """The moving average that the settings ask for."""
    decay = job.settings.ema_decay
    return MovingAverage(model, decay) if decay else None


def _look_at_data(job: Job, model: Model[Any]) -> None:
    """Let a model set what is computed from training images."""
    samples = (job.dataset[index] for index in range(len(job.dataset)))
    model.initialize_from_data(samples, generator(job.settings.seed, "begin"))
