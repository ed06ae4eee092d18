"""Everything that a training must remember to go on with the same bits, as tensors and JSON."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tapetum.base.bundle import Writer, sweep_bundles, write_bundle
from tapetum.base.errors import CheckpointError
from tapetum.runs.aliases import current_state
from tapetum.runs.model_info import ModelInfo
from tapetum.structures import Model
from tapetum.training.ema import MovingAverage
from tapetum.training.saved_progress import read_progress
from tapetum.training.scaling import LossScale
from tapetum.weights.checkpoint import (
    FOLDER,
    fill,
    model_parts,
    ranked_checkpoints,
    read_model_info,
    step_folder,
    text_writer,
)
from tapetum.weights.tensors_file import read_tensors, tensors_writer

STATE, PROGRESS = "state.safetensors", "state.json"


@dataclass
class TrainingState:
    """The moving parts of a training.

    Attributes:
        optimizer: None where the model is only fitted.
        average: of the weights, where the settings ask for it.
        step: how many steps are done.
        evaluated: whether the weights of this step were measured.
        frozen: modules that do not learn.
        accumulate: micro-batches that a step is computed in: those of the settings, or more where
            memory did not suffice.
        scale: of the loss, in fp16.
    """

    model: Model[Any]
    optimizer: torch.optim.Optimizer | None
    average: MovingAverage | None = None
    step: int = 0
    evaluated: bool = False
    frozen: Sequence[nn.Module] = ()
    accumulate: int = 1
    scale: LossScale | None = None

    def published(self) -> dict[str, Tensor]:
        """The weights that are evaluated and kept: the moving average where there is one."""
        return self.average.average if self.average else self.model.state_dict()

    def after_step(self, skipped: bool = False) -> None:
        """A descent is done; a skipped one leaves the average as it is."""
        if self.average and not skipped:
            self.average.update(self.model)
        self.step += 1
        self.evaluated = False

    def after_fit(self) -> None:
        """A fit is done: what was fitted is not averaged with what was there before."""
        if self.average:
            self.average = MovingAverage(self.model, self.average.decay)
        self.step += 1
        self.evaluated = False

    def take_average(self) -> None:
        """The model goes on with the weights that are published."""
        if self.average:
            self.average.take_over(self.model)

    def save(self, run: Path, model_info: ModelInfo, metric: float | None, log_bytes: int) -> Path:
        """Write RUN/checkpoints/step-N; afterwards only the best and the two newest remain."""
        folder = step_folder(run, self.step)
        parts = model_parts(self.published(), model_info)
        if self.optimizer is not None:
            parts |= self._state_parts(log_bytes)
        write_bundle(folder, parts, {"step": self.step, "metric": metric})
        _retire(run)
        return folder

    def _state_parts(self, log_bytes: int) -> dict[str, Writer]:
        progress = {
            "step": self.step,
            "evaluated": self.evaluated,
            "log_bytes": log_bytes,
            "ema_updates": self.average.updates if self.average else 0,
            "accumulate": self.accumulate,
            "loss_scale": asdict(self.scale) if self.scale else None,
            "groups": self._groups(),
            "scalars": self._optimizer_values(tensors=False),
        }
        text = json.dumps(progress, allow_nan=False)
        return {STATE: tensors_writer(self._tensors()), PROGRESS: text_writer(text)}

    def restore(self, folder: Path) -> int:
        """Take over the state saved in `folder`; returns the length of the log at that time.

        Raises:
            TapetumError: it is none, or of another model or optimizer.
        """
        progress = read_progress(folder / PROGRESS, self._optimizer().param_groups)
        try:
            model = read_model_info(folder).model
            progress["scalars"] = current_state(progress["scalars"], model)
            tensors = _current_names(read_tensors(folder / STATE), model)
            self._take_over(tensors, progress, folder)
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise CheckpointError(f"holds no training state: {error!r}", file=folder) from error
        return progress["log_bytes"]

    def _take_over(
        self, tensors: dict[str, Tensor], progress: dict[str, Any], folder: Path
    ) -> None:
        fill(self.model, _under("weights.", tensors), folder / STATE)
        if self.average:
            self.average.restore(_under("average.", tensors), progress["ema_updates"])
        for group, saved in zip(self._optimizer().param_groups, progress["groups"], strict=True):
            group.update(saved)
        self._restore_optimizer(_under("optimizer.", tensors), progress["scalars"])
        self.step, self.evaluated = progress["step"], progress["evaluated"]
        # Older checkpoints have neither, and one of another precision has no scale.
        self.accumulate = progress.get("accumulate", self.accumulate)
        if self.scale and progress.get("loss_scale"):
            self.scale = LossScale(**progress["loss_scale"])

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"weights.{name}": v for name, v in self.model.state_dict().items()}
        if self.average:
            tensors |= {f"average.{name}": v for name, v in self.average.average.items()}
        values = self._optimizer_values(tensors=True)
        return tensors | {f"optimizer.{name}": value for name, value in values.items()}

    def _optimizer(self) -> torch.optim.Optimizer:
        """The optimizer, where there is a descent to go on with."""
        if self.optimizer is None:
            raise CheckpointError("the model is only fitted: there is no training to go on with")
        return self.optimizer

    def _parameters(self) -> dict[str, nn.Parameter]:
        """Parameters by name, those that the optimizer may have a state for."""
        return dict(self.model.named_parameters())

    def _optimizer_values(self, *, tensors: bool) -> dict[str, Any]:
        """What the optimizer remembers, flat, as "parameter-key"."""
        values = {}
        for name, parameter in self._parameters().items():
            for key, value in self._optimizer().state.get(parameter, {}).items():
                if isinstance(value, Tensor) == tensors:
                    values[f"{name}-{key}"] = value
        return values

    def _restore_optimizer(self, tensors: dict[str, Tensor], scalars: dict[str, Any]) -> None:
        by_name = self._parameters()
        for flat, saved in {**tensors, **scalars}.items():
            name, key = flat.rsplit("-", 1)
            parameter, value = by_name[name], saved
            if isinstance(saved, Tensor) and saved.shape == parameter.shape:
                # The layout of the parameter, so that the arithmetic takes the same path.
                value = torch.empty_like(parameter, requires_grad=False).copy_(saved)
            self._optimizer().state[parameter][key] = value

    def _groups(self) -> list[dict[str, Any]]:
        plain = (bool, int, float, str, type(None))
        groups = self._optimizer().param_groups
        return [{k: v for k, v in group.items() if isinstance(v, plain)} for group in groups]


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}


def _current_names(tensors: dict[str, Tensor], model: str) -> dict[str, Tensor]:
    """A state of training by today's names of the weights, whichever version wrote it."""
    current: dict[str, Tensor] = {}
    for part in ("weights.", "average.", "optimizer."):
        named = current_state(_under(part, tensors), model)
        current |= {part + name: value for name, value in named.items()}
    return current


def _retire(run: Path) -> None:
    """Delete checkpoints that are neither the best nor among the two newest."""
    newest = [folder for folder, _ in ranked_checkpoints(run, "last")]
    best = [folder for folder, _ in ranked_checkpoints(run, "best")]
    for folder in set(newest[2:]) - set(best[:1]):
        shutil.rmtree(folder, ignore_errors=True)
    sweep_bundles(run / FOLDER)
