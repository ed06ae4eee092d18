"""The phases of a training, each a range of steps: "descend" follows a loss, "fit" is one step.

So the number of steps that are done says which phase it is, and a checkpoint needs to say no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tapetum.base.errors import UsageError
from tapetum.base.ranks import ranks
from tapetum.data.reading.loading import Plan, split
from tapetum.structures.model import DESCEND, FIT, Model

if TYPE_CHECKING:
    from tapetum.training.loop import Job


@dataclass(frozen=True)
class Phase:
    """Steps `first` to `last` (exclusive) of a training.

    Attributes:
        kind: "descend" or "fit".
        first: number of steps before it.
        last: number of steps when it is over.
        fits: how many of the steps before it were fits, which take no batch.
    """

    kind: str
    first: int
    last: int
    fits: int


def phases_of(job: Job) -> list[Phase]:
    """The phases of a training in their order.

    The steps of the settings are divided evenly among the descents.

    Raises:
        UsageError: a phase is neither "descend" nor "fit".
    """
    kinds = phase_kinds(job.model)
    descents, steps = kinds.count(DESCEND), job.settings.total_steps(plan_of(job).steps_per_epoch)
    phases: list[Phase] = []
    descended = step = 0
    for kind in kinds:
        length = 1
        if kind == DESCEND:
            length = steps * (descended + 1) // descents - steps * descended // descents
            descended += 1
        phases.append(Phase(kind, step, step + length, fits=len(phases) - _descents(phases)))
        step += length
    return phases


def phase_kinds(model: Model[Any]) -> tuple[str, ...]:
    """The phases that a model declares."""
    for kind in model.phases:
        if kind not in (DESCEND, FIT):
            hint = f"{DESCEND} or {FIT}"
            raise UsageError(f"unknown phase {kind!r} of {type(model).__name__}", hint=hint)
    return model.phases


def _descents(phases: list[Phase]) -> int:
    return sum(phase.kind == DESCEND for phase in phases)


def total_steps(job: Job) -> int:
    """Steps of the whole training."""
    phases = phases_of(job)
    return phases[-1].last if phases else 0


def evaluation_steps(job: Job) -> list[int]:
    """The steps after which the model is evaluated: every few epochs, and the last of each phase;
    none if the job does not validate."""
    if job.validate is None:
        return []
    each = plan_of(job).steps_per_epoch
    between = job.settings.epochs_between_evaluations(each) * each
    steps: list[int] = []
    for phase in phases_of(job):
        inside = phase.first + between
        steps += [*range(inside, phase.last, between), phase.last]
    return steps


def plan_of(job: Job) -> Plan:
    """Which images each step sees.

    Raises:
        UsageError: there are more processes than images of a step.
    """
    settings, process = job.settings, ranks()
    plan = Plan(len(job.dataset), settings.batch_size, settings.seed, process, settings.accumulate)
    smallest = min(map(len, split(range(plan.images_per_step), settings.accumulate)))
    if smallest < process.world_size:
        why = f"{process.world_size} processes, but a micro-batch of {smallest} images"
        raise UsageError(why, hint="a larger batch size, fewer micro-batches or fewer processes")
    return plan
