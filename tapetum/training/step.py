"""One step of a training: prepare, forward, losses, backward, clip, descend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tapetum.base.errors import TrainingError
from tapetum.base.runtime import Runtime
from tapetum.structures import Sample
from tapetum.training.micro_batches import out_of_memory_ends, split
from tapetum.training.scaling import LossScale


class Step(NamedTuple):
    """What one step did: weighted losses by name, their sum, and the norm of the gradient
    before clipping. skipped: the gradient overflowed, and nothing was changed by it."""

    losses: dict[str, float]
    total: float
    gradient_norm: float
    skipped: bool = False


def train_step(
    model: nn.Module,
    samples: Sequence[Sample],
    optimizer: torch.optim.Optimizer,
    runtime: Runtime,
    random: torch.Generator,
    *,
    clip_norm: float = 0.0,
    accumulate: int = 1,
    frozen: Sequence[nn.Module] = (),
    scale: LossScale | None = None,
) -> Step:
    """One descent on `samples`: prepare, forward, losses, backward, clip, step.

    The generator decides every random choice inside the step. Nothing is changed in the weights
    if a loss or the gradient is not finite. frozen: modules that stay in evaluation mode.
    accumulate: parts that are computed one after the other; the objective is that of the whole, but
        batch norms see the statistics of a part. scale: what the loss is multiplied by in fp16; a
        gradient that overflows then skips the step.
    """
    model.train()
    for module in frozen:
        module.eval()
    optimizer.zero_grad(set_to_none=True)
    sums: dict[str, float] = {}
    factor = scale.value if scale else 1.0
    for part in split(samples, accumulate):
        share = len(part) / len(samples)
        losses = compute_losses(model, part, runtime, random)
        total = torch.stack([loss.float() for loss in losses.values()]).sum()
        for name, loss in losses.items():
            sums[name] = sums.get(name, 0.0) + float(loss.detach()) * share
        _refuse_non_finite(sums, part)
        (total * share * factor).backward()
    if scale:
        scale.unscale(model.parameters())
    norm = clip_gradient(model, clip_norm)
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


def compute_losses(
    model: nn.Module, samples: Sequence[Sample], runtime: Runtime, random: torch.Generator
) -> dict[str, Tensor]:
    """The weighted losses of `model` on `samples`."""
    images = [sample.image.to(runtime.device) for sample in samples]
    targets = [sample.target.to(runtime.device) for sample in samples]
    batch = model.preprocess(images, targets)  # type: ignore[operator]
    with runtime.autocast():
        output = model(batch.pixels, batch.sizes, batch.targets, random)
        return model.losses(output, batch.targets)  # type: ignore[operator]


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
