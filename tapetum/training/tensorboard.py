"""What TensorBoard shows of a training: losses, rate, gradient, seconds and the evaluations.

    tensorboard --logdir runs

It is an extra, imported only when asked for: pip install 'tapetum[tensorboard]'.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tapetum.base.errors import UsageError
from tapetum.base.files import refuse_link
from tapetum.training.observers import StepView

FOLDER = "tensorboard"
_BOOKKEEPING = ("event", "step", "evaluation_seconds")


class TensorBoardObserver:
    """Writes every row's numbers to RUN/tensorboard.

    A training that goes on from a checkpoint writes on: what an earlier session had written of
    later steps is withdrawn, so that no step is shown twice.
    """

    def __init__(self, run: str | Path) -> None:
        """
        Raises:
            UsageError: tensorboard is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            hint = "pip install 'tapetum[tensorboard]'"
            raise UsageError("tensorboard is not installed", hint=hint) from error
        self._open = SummaryWriter
        self._folder = Path(run) / FOLDER
        self._writer: Any = None

    def on_start(self, total_steps: int, first_step: int) -> None:
        refuse_link(self._folder)
        self._writer = self._open(str(self._folder), purge_step=first_step + 1)

    def on_step(self, row: dict[str, Any], state: StepView) -> None:
        numbers = {f"loss/{name}": value for name, value in row["losses"].items()}
        numbers["loss"] = row["loss"]
        for name in ("lr", "gradient_norm", "seconds", "data_wait"):
            numbers[name] = row[name]
        self._write(numbers, row["step"])

    def on_evaluation(self, row: dict[str, Any]) -> None:
        numbers = {f"evaluation/{k}": v for k, v in row.items() if k not in _BOOKKEEPING}
        numbers["evaluation_seconds"] = row["evaluation_seconds"]
        self._write(numbers, row["step"])
        self._writer.flush()

    def on_end(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _write(self, numbers: Mapping[str, float | None], step: int) -> None:
        for name, value in numbers.items():
            if value is not None:
                self._writer.add_scalar(name, value, step)
