"""Optimizers with sensible groups, and the schedule as a function of the step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tapetum.training.muon import Muon
from tapetum.training.settings import Settings

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": lambda groups, lr: torch.optim.AdamW(groups, lr=lr),
    "adam": lambda groups, lr: torch.optim.Adam(groups, lr=lr),
    "sgd": lambda groups, lr: torch.optim.SGD(groups, lr=lr, momentum=0.9),
    "rmsprop": lambda groups, lr: torch.optim.RMSprop(groups, lr=lr, momentum=0.9),
    "adadelta": lambda groups, lr: torch.optim.Adadelta(groups, lr=lr),
    "muon": lambda groups, lr: Muon(groups, lr=lr),
    "muon-norms": lambda groups, lr: Muon(groups, lr=lr, momentum=0.6, keep_norms=True),
}


def make_optimizer(model: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """The optimizer of `settings` over the trainable parameters of `model`.

    Weight decay holds for matrices and kernels; biases and the scales of norms, which have one
    dimension, are left free. Muon makes the updates of kernels orthogonal and leaves all else to
    AdamW; "muon-norms" is its way for short trainings, see `Muon`'s keep_norms.
    """
    trainable = [p for p in model.parameters() if p.requires_grad]
    decay = settings.weight_decay
    if settings.optimizer.startswith("muon"):
        groups: list[dict[str, Any]] = [
            {"params": [p for p in trainable if p.ndim > 2], "orthogonal": True},
            {"params": [p for p in trainable if p.ndim == 2]},
        ]
    else:
        groups = [{"params": [p for p in trainable if p.ndim > 1]}]
    groups = [{"weight_decay": decay, **group} for group in groups]
    groups.append({"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0})
    groups = [group for group in groups if group["params"]]
    return OPTIMIZERS[settings.optimizer](groups, settings.lr)


def learning_rate(step: int, total: int, settings: Settings) -> float:
    """The rate of step 0 ... total - 1: linear warm-up, then half a cosine down to zero.

    Loshchilov and Hutter 2017 (SGDR), one cycle, after the warm-up of Goyal et al. 2017.
    """
    warmup = min(settings.warmup_steps, max(1, total // 10))
    rise = min(1.0, (step + 1) / (warmup + 1))
    return settings.lr * rise * 0.5 * (1 + math.cos(math.pi * step / max(1, total)))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group of `optimizer` the same rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate
