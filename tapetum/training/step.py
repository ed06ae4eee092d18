"""One step of a training: preprocess, forward, losses, backward, clip, descend."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tapetum.base.errors import TrainingError
from tapetum.base.ranks import ranks
from tapetum.base.runtime import Runtime
from tapetum.base.seeds import ImageGenerators
from tapetum.data.reading.loading import split
from tapetum.structures import Batch, Model, Sample
from tapetum.training.gradients import average_gradients
from tapetum.training.micro_batches import attempts_that_fit, out_of_memory_ends
from tapetum.training.observers import without_graph
from tapetum.training.scaling import LossScale
from tapetum.training.state import TrainingState


@dataclass(frozen=True)
class StepBatch:
    """This process's images of one step.

    Attributes:
        samples: in the order of the micro-batches.
        keys: epoch and index of each, which with `seed` decide the random choices for it.
        seed: of the training.
        total: images of the step in all processes; None: there are no others.
    """

    samples: Sequence[Sample]
    keys: Sequence[tuple[int, int]] = ()
    seed: int = 0
    total: int | None = None

    def micro_batches(self, accumulate: int, device: torch.device) -> Iterator[MicroBatch]:
        """This process's images of each micro-batch, with fresh generators for them."""
        total = self.total or len(self.samples)
        keys = self.keys or [(0, index) for index in range(len(self.samples))]
        process, start = ranks(), 0
        for images in split(range(total), accumulate):
            stop = start + len(images[process.rank :: process.world_size])
            named = [("step", *key) for key in keys[start:stop]]
            generators = ImageGenerators(self.seed, named, device)
            yield MicroBatch(self.samples[start:stop], generators, len(images) / total)
            start = stop


class MicroBatch(NamedTuple):
    """Images that are computed at once, their generators, and which fraction of the step they and
    those of the other processes are."""

    samples: Sequence[Sample]
    generators: ImageGenerators
    fraction: float


class Computed(NamedTuple):
    """A preprocessed batch, what the model's forward gave for it, and its losses by name."""

    batch: Batch
    output: Any
    losses: dict[str, Tensor]


class Step(NamedTuple):
    """What one step did.

    Attributes:
        losses: weighted losses by name, over all micro-batches.
        total: their sum.
        gradient_norm: before clipping.
        computed: of the last micro-batch, without a graph; None if it was not asked for.
        skipped: the gradient overflowed, and nothing was changed by it.
    """

    losses: dict[str, float]
    total: float
    gradient_norm: float
    computed: Computed | None = None
    skipped: bool = False


def train_step(
    state: TrainingState,
    batch: StepBatch,
    runtime: Runtime,
    *,
    clip_norm: float = 0.0,
    keep: bool = False,
) -> Step:
    """One descent on a batch, in as many micro-batches as memory asks for, now and from now on.

    Nothing is changed in the weights if a loss or the gradient is not finite. The objective is that
    of the whole batch, but batch norms see the statistics of a micro-batch. In fp16 a gradient that
    overflows skips the step.

    Args:
        state: its model, optimizer and loss scale move by one step.
        batch: images of any sizes, with their targets.
        runtime: where it is computed, and in which precision.
        clip_norm: largest norm of the gradient; 0 does not clip.
        keep: return what was computed on the last micro-batch, too.

    Raises:
        TrainingError: a loss or the gradient is not finite, or memory does not suffice for a
            single image.
    """
    prepare_modes(state)
    for attempt in attempts_that_fit(state, len(batch.samples)):
        with attempt:
            sums: dict[str, float] = {}
            for micro_batch in batch.micro_batches(state.accumulate, runtime.device):
                # In one expression: a name would hold the graph while another attempt is made.
                kept = _backward(
                    compute_losses(state.model, micro_batch, runtime),
                    micro_batch, state.scale, sums, keep,
                )  # fmt: skip
    sums = average_gradients(state.model, sums)
    return _descend(state, batch.samples, sums, clip_norm)._replace(computed=kept)


def prepare_modes(state: TrainingState) -> None:
    """The model learns, but for what is frozen; the gradients of the last step are gone."""
    state.model.train()
    for module in state.frozen:
        module.eval()
    assert state.optimizer is not None  # there is one wherever there is a descent
    state.optimizer.zero_grad(set_to_none=True)


def compute_losses(model: Model[Any], micro_batch: MicroBatch, runtime: Runtime) -> Computed:
    """Prepare a batch, and compute the model's weighted losses on it."""
    images = [runtime.receive(sample.image) for sample in micro_batch.samples]
    targets = [sample.target.to(runtime.device) for sample in micro_batch.samples]
    batch = model.preprocess(images, targets)
    with runtime.autocast():
        assert batch.targets is not None
        output = model(batch.pixels, batch.sizes, batch.targets, micro_batch.generators)
        return Computed(batch, output, model.losses(output, batch.targets))


def _backward(
    computed: Computed,
    micro_batch: MicroBatch,
    scale: LossScale | None,
    sums: dict[str, float],
    keep: bool,
) -> Computed | None:
    """Add the gradients of a micro-batch to those of the step, and its losses to `sums`; what was
    computed, without its graph, if it is to be kept."""
    losses, fraction = computed.losses, micro_batch.fraction
    _check_losses(losses)
    total = torch.stack([loss.float() for loss in losses.values()]).sum()
    for name, loss in losses.items():
        sums[name] = sums.get(name, 0.0) + float(loss.detach()) * fraction
    _refuse_non_finite(sums, micro_batch.samples)
    (total * fraction * (scale.value if scale else 1.0)).backward()
    return Computed(*(without_graph(part) for part in computed)) if keep else None


def _check_losses(losses: Any) -> None:
    """Refuse what a custom model must not give as its losses.

    Raises:
        TrainingError: no dict of scalar tensors with a gradient.
    """
    if not isinstance(losses, dict) or not losses:
        raise TrainingError(f"losses: expected a dict of scalar tensors, got {losses!r:.60}")
    for name, loss in losses.items():
        if not isinstance(loss, Tensor) or loss.ndim > 0:
            shape = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
            raise TrainingError(f"losses: {name}: expected a scalar tensor, got {shape}")
    if not any(loss.requires_grad for loss in losses.values()):
        why = "losses: none depends on a parameter that learns"
        raise TrainingError(why, hint="python -m tapetum.testing MODEL")


def _descend(
    state: TrainingState, samples: Sequence[Sample], sums: dict[str, float], clip_norm: float
) -> Step:
    """Follow the gradients that are there, unless they are not finite."""
    optimizer, scale = state.optimizer, state.scale
    assert optimizer is not None
    if scale:
        scale.unscale(state.model.parameters())
    norm = clip_gradient(state.model, clip_norm)
    if scale and not math.isfinite(norm):
        optimizer.zero_grad(set_to_none=True)
        scale.shrink()
        return Step(sums, sum(sums.values()), norm, skipped=True)
    _refuse_non_finite({"gradient": norm}, samples)
    # Not to be tried again: some of the weights may have moved already.
    with out_of_memory_ends("out of memory for what the optimizer remembers"):
        optimizer.step()
    if scale:
        scale.keep()
    return Step(sums, sum(sums.values()), norm)


def clip_gradient(model: nn.Module, limit: float) -> float:
    """Scale the gradient down to norm `limit` (0: leave it); returns the norm it had."""
    with_gradient = [p for p in model.parameters() if p.grad is not None]
    bound = limit if limit > 0 else float("inf")
    return float(nn.utils.clip_grad_norm_(with_gradient, bound))


def _refuse_non_finite(values: dict[str, float], samples: Sequence[Sample]) -> None:
    for name, value in values.items():
        if not abs(value) < float("inf"):
            names = ", ".join(sample.name for sample in samples)
            raise TrainingError(
                f"the {name} is {value}",
                where=f"images {names}",
                hint="a lower `lr`, or `precision` fp32; tapetum check shows odd annotations",
            )
