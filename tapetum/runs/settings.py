"""How a training runs: all settings, their defaults and meanings, in one dataclass."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass, fields
from typing import Any

from tapetum.base.errors import UsageError

OPTIMIZERS = ("adamw", "adam", "sgd", "rmsprop", "adadelta", "muon", "muon-norms", "airbench")
SCHEDULES = ("cosine", "linear", "constant")
CHOICES = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES}
LENGTHS = ("epochs", "max_steps")
"""Settings that say how long to train."""
_POSITIVE = ("epochs", "batch_size", "accumulate", "lr")
_NATURAL = (
    *("weight_decay", "warmup_steps", "clip_norm", "freeze", "workers"),
    *("evaluate_every", "seed"),
)


@dataclass(frozen=True)
class Settings:
    """How a training follows its loss. The docstring of a field is also the help of its option.

    The task and the model may have other defaults. A run stores the values that were used.

    Raises:
        UsageError: an impossible value, with the name of its option.
    """

    epochs: int = 40
    """passes over the images (default: 40; 20 for classes and localization, 60 for maps)"""
    max_steps: int | None = None
    """stop after this many steps; the schedule then ends there, too"""
    batch_size: int = 4
    """images a step (default: 4; 64 for classes, 16 for localization, 8 for maps)"""
    accumulate: int = 1
    """split a step into micro-batches to save memory, their gradients summed (default: 1;
    doubles by itself where memory does not suffice); batch norms use the statistics of a
    micro-batch"""
    lr: float = 3e-4
    """peak learning rate, after the warm-up (default: 0.0003; 0.002 for linear)"""
    schedule: str = "cosine"
    """how it falls after the warm-up: cosine (default) or linear, both to zero, or constant"""
    optimizer: str = "adamw"
    """adamw (default), adam, sgd (momentum 0.9, default for linear), rmsprop, adadelta, muon (of
    convolutions), muon-norms (of convolutions that a norm follows; its rate is about 0.2), or
    airbench for the model of that name"""
    weight_decay: float = 0.05
    """decay of the weights, not of biases and norms (default: 0.05; 0 for linear, whose own
    argument is l2=0.04)"""
    warmup_steps: int = 100
    """steps of linear warm-up, at most a tenth of the training (default: 100)"""
    clip_norm: float = 1.0
    """largest norm of the gradient, 0 for none (default: 1)"""
    freeze: int = 0
    """stages of the backbone that keep their weights: 1 is its stem, 5 all of a ResNet"""
    layer_decay: float = 1.0
    """rate of each stage of the backbone as a fraction of the next one's (default: 1)"""
    ema_decay: float = 0.998
    """moving average of the weights, which is evaluated and saved; 0 for none (default: 0.998)"""
    seed: int = 0
    """start weights, order and augmentation follow from it (default: 0)"""
    workers: int = 0
    """processes that read images, to learn from and to measure on; the result does not depend on it
    (default: 0)"""
    evaluate_every: int = 0
    """epochs between evaluations (default: about eight in all)"""
    save_seconds: float = 120.0
    """save at least this often (default: 120)"""

    def __post_init__(self) -> None:
        for known in fields(self):
            value = checked_setting(known.name, getattr(self, known.name))
            object.__setattr__(self, known.name, value)
        if self.accumulate > self.batch_size:
            raise UsageError("must not exceed `batch_size`", option="accumulate")

    def total_steps(self, steps_per_epoch: int) -> int:
        """Steps of the whole training."""
        steps = self.epochs * steps_per_epoch
        return steps if self.max_steps is None else min(steps, self.max_steps)

    def epochs_between_evaluations(self, steps_per_epoch: int) -> int:
        """Whole epochs from one evaluation to the next."""
        if self.evaluate_every:
            return self.evaluate_every
        return max(1, round(self.total_steps(steps_per_epoch) / steps_per_epoch / 8))


def checked_setting(name: str, value: Any) -> Any:
    """A value of one field of Settings, of the field's own type.

    Args:
        name: of the field.
        value: for it; a number of NumPy, or a whole number for a field of floats, will do.

    Returns:
        The value as JSON can hold it.

    Raises:
        UsageError: it is impossible whatever the others are, or there is no such field.
    """
    if name not in _NAMES:
        raise UsageError(f"unknown setting {name!r}", hint=f"one of {', '.join(_NAMES)}")
    value = _plain(name, value)
    if name in CHOICES and value not in CHOICES[name]:
        raise UsageError(f"unknown {name} {value!r}", hint="one of " + ", ".join(CHOICES[name]))
    if name in _POSITIVE and not value > 0:
        raise UsageError(f"must be above 0, got {value}", option=name)
    if name in _NATURAL and not value >= 0:
        raise UsageError(f"must be 0 or more, got {value}", option=name)
    if name == "max_steps" and value is not None and value < 1:
        raise UsageError(f"must be above 0, got {value}", option=name)
    if name == "ema_decay" and not 0 <= value < 1:
        raise UsageError(f"must lie in [0, 1), got {value}", option=name)
    if name == "layer_decay" and not 0 < value <= 1:
        raise UsageError(f"must lie in (0, 1], got {value}", option=name)
    return value


def _plain(name: str, value: Any) -> Any:
    """The value as the type that the field's default has; None stays where the field allows it.

    Raises:
        UsageError: a value of another type, or a number that is not finite.
    """
    default = getattr(Settings, name)
    if value is None and default is None:
        return None
    if isinstance(default, str):
        return value  # one of CHOICES
    whole = not isinstance(default, float)
    number = isinstance(value, numbers.Integral if whole else numbers.Real)
    if isinstance(value, bool) or not number:
        wanted = "a whole number" if whole else "a number"
        raise UsageError(f"expected {wanted}, got {value!r}", option=name)
    if not math.isfinite(value):
        raise UsageError(f"must be finite, got {value}", option=name)
    return int(value) if whole else float(value)


_NAMES = tuple(known.name for known in fields(Settings))
