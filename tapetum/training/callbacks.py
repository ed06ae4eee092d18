"""Functions of the user that are called during a training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapetum.training.observers import StepView

Call = Callable[[dict[str, Any]], Any]
"""Takes a row as a dict; `on_step` stops the training by returning True."""


class Calls:
    """An observer that calls functions. What they raise ends the training.

    Attributes:
        name: of the observer in messages.
    """

    name = "on_step"

    def __init__(self, on_step: Call | None = None, on_epoch: Call | None = None) -> None:
        """
        Args:
            on_step: is called with the row that is logged of a step: step, epoch, loss, losses, lr,
                seconds, ...; where it returns True, the training ends after this step.
            on_epoch: after each whole epoch {"epoch", "step", "loss"}, the loss averaged over it,
                together with the numbers of the last evaluation, if there was one.
        """
        self._step, self._epoch = on_step, on_epoch
        self._losses: list[float] = []
        self._measured: dict[str, Any] = {}

    def on_start(self, total_steps: int, first_step: int) -> None:
        self._losses.clear()

    def on_step(self, row: dict[str, Any], state: StepView) -> bool:
        stop = self._step is not None and self._step(dict(row)) is True
        self._losses.append(row["loss"])
        if self._epoch and float(row["epoch"]).is_integer():
            loss = sum(self._losses) / len(self._losses)
            numbers = {"epoch": int(row["epoch"]), "step": row["step"], "loss": loss}
            self._epoch({**self._measured, **numbers})
            self._losses.clear()
        return stop

    def on_evaluation(self, row: dict[str, Any]) -> None:
        self._measured = {key: value for key, value in row.items() if key != "event"}

    def on_end(self) -> None:
        """Nothing is called at the end."""
