"""How a training runs: every knob, its default and its meaning, in one dataclass."""

from __future__ import annotations

from dataclasses import dataclass

from tapetum.base.errors import UsageError

OPTIMIZERS = ("adamw", "adam", "sgd", "rmsprop", "adadelta", "muon", "muon-norms", "airbench")
SCHEDULES = ("cosine", "linear", "constant")


@dataclass(frozen=True)
class Settings:
    """Knobs of one training; a run stores them as JSON and resuming reads them back.

    Raises:
        UsageError: a value that cannot be, with the name of its option.
    """

    epochs: int = 40
    """Passes over the training images."""
    max_steps: int | None = None
    """Stop after this many steps; the schedule then ends there too."""
    batch_size: int = 4
    """Images a step."""
    accumulate: int = 1
    """Split a step into this many parts, to save memory; the gradients are summed. It doubles by
    itself where memory does not suffice. Batch norms see the statistics of a part."""
    lr: float = 3e-4
    """Peak learning rate, after warm-up and before the descent."""
    schedule: str = "cosine"
    """How the rate falls after the warm-up: cosine, linear (both to zero) or constant."""
    optimizer: str = "adamw"
    """One of adamw, adam, sgd (momentum 0.9), rmsprop, adadelta, muon (of convolutions),
    muon-norms (of convolutions that a norm follows; the rate is about 0.2) and airbench (the record
    code's, for the model of that name alone; about 0.2, too)."""
    weight_decay: float = 0.05
    """Decay of weights, not of biases and norms."""
    warmup_steps: int = 100
    """Steps of linear warm-up (at most a tenth of the training)."""
    clip_norm: float = 1.0
    """Largest gradient norm; 0 switches clipping off."""
    freeze: int = 0
    """Stages of the backbone that keep their weights: 1 is its stem, 5 is all of a ResNet."""
    layer_decay: float = 1.0
    """The rate of each stage of the backbone, as a share of the rate of the next; 1: all alike."""
    ema_decay: float = 0.998
    """Decay of the moving average of the weights that is evaluated and kept; 0 switches it off."""
    seed: int = 0
    """Start weights, order, augmentation and sampling are functions of it."""
    workers: int = 0
    """Processes that read and augment images; the result does not depend on it."""
    evaluate_every: int = 0
    """Epochs between evaluations; 0 makes about eight in the whole training."""
    save_seconds: float = 120.0
    """Save at least this often."""

    def __post_init__(self) -> None:
        positive = ("epochs", "batch_size", "accumulate", "lr")
        natural = (
            *("weight_decay", "warmup_steps", "clip_norm", "freeze", "workers"),
            *("evaluate_every", "seed"),
        )
        for name in positive:
            if not getattr(self, name) > 0:
                raise UsageError(f"must be above 0, got {getattr(self, name)}", option=name)
        for name in natural:
            if not getattr(self, name) >= 0:
                raise UsageError(f"must be 0 or more, got {getattr(self, name)}", option=name)
        if self.max_steps is not None and self.max_steps < 1:
            raise UsageError(f"must be above 0, got {self.max_steps}", option="max_steps")
        if not 0 <= self.ema_decay < 1:
            raise UsageError(f"must lie in [0, 1), got {self.ema_decay}", option="ema_decay")
        if self.optimizer not in OPTIMIZERS:
            hint = "one of " + ", ".join(OPTIMIZERS)
            raise UsageError(f"unknown optimizer {self.optimizer!r}", hint=hint)
        if self.schedule not in SCHEDULES:
            hint = "one of " + ", ".join(SCHEDULES)
            raise UsageError(f"unknown schedule {self.schedule!r}", hint=hint)
        if self.accumulate > self.batch_size:
            raise UsageError("must not exceed `batch_size`", option="accumulate")

        if not 0 < self.layer_decay <= 1:
            raise UsageError(f"must lie in (0, 1], got {self.layer_decay}", option="layer_decay")

    def total_steps(self, steps_per_epoch: int) -> int:
        """Steps of the whole training."""
        steps = self.epochs * steps_per_epoch
        return steps if self.max_steps is None else min(steps, self.max_steps)

    def epochs_between_evaluations(self, steps_per_epoch: int) -> int:
        """Whole epochs from one evaluation to the next."""
        if self.evaluate_every:
            return self.evaluate_every
        return max(1, round(self.total_steps(steps_per_epoch) / steps_per_epoch / 8))
