"""Questions that consumers ask of a model until they ask `Model.phases` itself."""

from __future__ import annotations

from abc import ABCMeta
from typing import Any

from torch import nn

from tapetum.structures.model import DESCEND, FIT, Model


class _Answer(ABCMeta):
    """`isinstance` by what a model declares, or of a class that is no `Model` by what it has."""

    phase: str
    verbs: tuple[str, ...]

    def __instancecheck__(cls, model: Any) -> bool:
        if isinstance(model, nn.Module) and Model in type(model).__mro__:
            return cls.phase in model.phases if cls.phase else True  # type: ignore[operator]
        return all(callable(getattr(model, verb, None)) for verb in (*cls.verbs, "postprocess"))


class Trainable(Model[Any], metaclass=_Answer):
    """A model that descends a loss."""

    phase, verbs = DESCEND, ("losses",)


class Fittable(Model[Any], metaclass=_Answer):
    """A model that is fitted in one look at the samples."""

    phase, verbs = FIT, ("fit",)


class DataDependentInit(Model[Any], metaclass=_Answer):
    """A model that looks at training images before it descends."""

    phase, verbs = "", ("initialize_from_data",)
