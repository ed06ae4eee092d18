"""A moving average of the weights: smoother than the last step, and what gets evaluated."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn


class MovingAverage:
    """Exponential moving average of parameters and floating buffers (Polyak and Juditsky 1992).

    Early on the average follows fast: the decay at update t is min(decay, (1 + t) / (10 + t)).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.average = {name: value.detach().clone() for name, value in _state(model).items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the weights of `model`."""
        self.updates += 1
        weight = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        floating = [(self.average[n], v) for n, v in _state(model).items() if v.is_floating_point()]
        torch._foreach_lerp_([mean for mean, _ in floating], [v for _, v in floating], weight)
        for name, value in _state(model).items():
            if not value.is_floating_point():
                self.average[name].copy_(value)

    def restore(self, average: dict[str, Tensor], updates: int) -> None:
        """Take over a saved average. What a fit has learnt may be longer or shorter than here."""
        for name, value in self.average.items():
            saved = average[name]
            if saved.shape == value.shape:
                value.copy_(saved)
            else:
                self.average[name] = saved.to(value.device)
        self.updates = updates

    def take_over(self, model: nn.Module) -> None:
        """Give `model` the averaged weights for good."""
        _copy(self.average, model)

    @contextlib.contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Inside, `model` has the averaged weights; afterwards its own again."""
        trained = {name: value.detach().clone() for name, value in _state(model).items()}
        _copy(self.average, model)
        try:
            yield
        finally:
            _copy(trained, model)


def _state(model: nn.Module) -> dict[str, Tensor]:
    return model.state_dict()


@torch.no_grad()
def _copy(source: dict[str, Tensor], model: nn.Module) -> None:
    for name, value in _state(model).items():
        value.copy_(source[name])
