"""Fine-tuning by stages: the first stages of a backbone stay as they are, or learn more slowly.

A model says for each stage of its backbone, from the image on, how the names of its weights begin
(`Model.layer_groups`).
"""

from __future__ import annotations

from typing import Any

from torch import nn

from tapetum.backbones import Backbone
from tapetum.base.errors import UsageError
from tapetum.structures import Model


def freeze(model: Model[Any], count: int) -> list[nn.Module]:
    """Take the first `count` stages out of the training; returns their modules, which are to stay
    in evaluation mode, so that their norms keep the statistics that they have.

    Raises:
        UsageError: the model has no stages, or fewer.
    """
    if count == 0:
        return []
    stages = stages_of(model)
    if count > len(stages):
        why = f"the model has {len(stages)} stages" if stages else "the model has no stages"
        raise UsageError(f"{why}, not {count} to freeze", option="freeze")
    names = [name for stage in stages[:count] for name in stage]
    for name, parameter in model.named_parameters():
        if _starts(name, names):
            parameter.requires_grad_(False)
    return [module for name, module in model.named_modules() if name in names]


def lr_scales(model: Model[Any], decay: float) -> dict[str, float]:
    """For each parameter the factor of its learning rate: 1 behind the backbone, and
    `decay` times less with each stage towards the image (Clark et al. 2020, "ELECTRA", section
    3.1, for layers).

    Raises:
        UsageError: the model has no stages.
    """
    stages = stages_of(model)
    if not stages and decay != 1:
        raise UsageError("the model has no stages", option="layer_decay")
    scales = {}
    for name, _ in model.named_parameters():
        depth = next((i for i, names in enumerate(stages) if _starts(name, names)), len(stages))
        scales[name] = decay ** (len(stages) - depth)
    return scales


def stages_of(model: Model[Any]) -> list[list[str]]:
    """The beginnings of the names of each stage's weights, in the model's own terms."""
    if model.layer_groups():
        return [list(group) for group in model.layer_groups()]
    for name, module in model.named_modules():
        if isinstance(module, Backbone):
            prefix = f"{name}." if name else ""
            return [[prefix + inner for inner in stage] for stage in module.layer_groups()]
    return []


def _starts(name: str, beginnings: list[str]) -> bool:
    return any(name == beginning or name.startswith(f"{beginning}.") for beginning in beginnings)
