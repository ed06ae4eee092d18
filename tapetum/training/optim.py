"""Optimizers with sensible groups, and the schedule as a function of the step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tapetum.runs.settings import Settings
from tapetum.structures import Model
from tapetum.training.airbench import AirbenchOptimizer, airbench_groups
from tapetum.training.layer_groups import lr_scales
from tapetum.training.muon import Muon

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": lambda groups, lr: torch.optim.AdamW(groups, lr=lr),
    "adam": lambda groups, lr: torch.optim.Adam(groups, lr=lr),
    "sgd": lambda groups, lr: torch.optim.SGD(groups, lr=lr, momentum=0.9),
    "rmsprop": lambda groups, lr: torch.optim.RMSprop(groups, lr=lr, momentum=0.9),
    "adadelta": lambda groups, lr: torch.optim.Adadelta(groups, lr=lr),
    "muon": lambda groups, lr: Muon(groups, lr=lr),
    "muon-norms": lambda groups, lr: Muon(groups, lr=lr, momentum=0.6, keep_norms=True),
    "airbench": lambda groups, lr: AirbenchOptimizer(groups, lr=lr),
}


def make_optimizer(model: Model[Any], settings: Settings) -> torch.optim.Optimizer:
    """The optimizer of `settings` over the trainable parameters of `model`.

    Weight decay holds for matrices and kernels; biases and the scales of norms, which have one
    dimension, are left free. Muon makes the updates of kernels orthogonal and leaves all else to
    AdamW; "muon-norms" is its way for short trainings, see `Muon`'s keep_norms; "airbench" is for
    the model of that name, see `tapetum.training.airbench`.
    """
    groups = []
    for lr_scale, trainable in _by_lr_scale(model, settings.layer_decay).items():
        groups += _groups(trainable, settings, lr_scale)
    return OPTIMIZERS[settings.optimizer](groups, settings.lr)


def _by_lr_scale(model: Model[Any], layer_decay: float) -> dict[float, list[nn.Parameter]]:
    """Trainable parameters by the factor of their learning rate."""
    scales = lr_scales(model, layer_decay)
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(scales[name], []).append(parameter)
    return groups


def _groups(
    trainable: list[nn.Parameter], settings: Settings, lr_scale: float
) -> list[dict[str, Any]]:
    decay = settings.weight_decay
    if settings.optimizer == "airbench":
        return _with_lr_scale(airbench_groups(trainable, decay, settings.batch_size), lr_scale)
    if settings.optimizer.startswith("muon"):
        groups: list[dict[str, Any]] = [
            {"params": [p for p in trainable if p.ndim > 2], "orthogonal": True},
            {"params": [p for p in trainable if p.ndim == 2]},
        ]
    else:
        groups = [{"params": [p for p in trainable if p.ndim > 1]}]
    groups = [{"weight_decay": decay, **group} for group in groups]
    groups.append({"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0})
    return _with_lr_scale(groups, lr_scale)


def _with_lr_scale(groups: list[dict[str, Any]], lr_scale: float) -> list[dict[str, Any]]:
    return [{**group, "share": lr_scale} for group in groups if group["params"]]


def learning_rate(step: int, total: int, settings: Settings) -> float:
    """The rate of step 0 ... total - 1: linear warm-up (Goyal et al. 2017), times the schedule's
    factor: half a cosine down to zero (Loshchilov and Hutter 2017, SGDR, one cycle), a line down to
    zero, or 1."""
    warmup = min(settings.warmup_steps, max(1, total // 10))
    rise = min(1.0, (step + 1) / (warmup + 1))
    done = step / max(1, total)
    scales = {"cosine": 0.5 * (1 + math.cos(math.pi * done)), "linear": 1 - done, "constant": 1.0}
    return settings.lr * rise * scales[settings.schedule]


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group of `optimizer` the rate times its own factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]
