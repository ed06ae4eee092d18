"""How a run was trained, as far as advice depends on it, and the usual changes to that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tapetum.diagnosis.finding import Remedy


@dataclass(frozen=True)
class Setup:
    """What a run was trained with.

    Attributes:
        image_size: short side of the training images in pixels.
        epochs: as planned. max_steps: in their place, or None. minutes: in place of both, or None.
        workers: processes that read images.
        augment: name of the augmentation.
        arguments: all arguments of the model with their values, defaults included.
        classes: names. class_counts: objects (or images) of each class in training; may be empty.
        untrained: names of classes that no training image has.
    """

    image_size: int
    epochs: int
    max_steps: int | None = None
    minutes: float | None = None
    workers: int = 0
    augment: str = "default"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    classes: Sequence[str] = ()
    class_counts: Sequence[int] = ()
    untrained: Sequence[str] = ()


def train_longer(setup: Setup, text: str, times: float = 2) -> Remedy:
    """Train for a multiple of the time, by the option that decided how long.

    Args:
        setup: of the run.
        text: the sentence to show.
        times: how many times as long.

    Returns:
        The remedy.
    """
    if setup.minutes is not None:
        return Remedy(text, "train", {"minutes": f"{times * setup.minutes:.3g}"})
    if setup.max_steps is not None:
        return Remedy(text, "train", {"max_steps": round(times * setup.max_steps)})
    return Remedy(text, "train", {"epochs": round(max(times, 2) * setup.epochs)})


def train_on_larger_images(setup: Setup, text: str) -> Remedy:
    """Train on images half as large again, in whole multiples of 32 pixels.

    Args:
        setup: of the run.
        text: the sentence to show.

    Returns:
        The remedy.
    """
    return Remedy(text, "train", {"image_size": -(-3 * setup.image_size // 64) * 32})
