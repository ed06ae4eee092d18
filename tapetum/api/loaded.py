"""A trained model that is ready to answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import torch
from torch import Tensor, nn

from tapetum.api.common import Say, silent
from tapetum.base.errors import UsageError
from tapetum.base.runtime import Runtime, choose_runtime
from tapetum.data.image import read_image
from tapetum.explain import explain
from tapetum.models import MODELS
from tapetum.models.checkpoint import Card, find_checkpoint, load_model
from tapetum.models.predict import predict
from tapetum.structures import Prediction, Target

Image = Any
"""A path, bytes, a PIL image, an array (H, W, 3) uint8 RGB, or a tensor (3, H, W), uint8 or float
in [0, 1]."""


@dataclass(frozen=True)
class Loaded:
    """A model with its class names. `model` is a plain nn.Module in evaluation mode."""

    model: nn.Module
    card: Card
    folder: Path
    runtime: Runtime

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; a label is an index into them."""
        return self.card.classes

    @overload
    def predict(self, images: list[Image] | tuple[Image, ...]) -> list[Prediction]: ...
    @overload
    def predict(self, images: Image) -> Prediction: ...
    def predict(self, images: Any) -> Any:
        """What the model finds in one image, or in each of a list of them."""
        if isinstance(images, list | tuple):
            return self.predict_pictures([as_picture(image) for image in images])
        return self.predict_pictures([as_picture(images)])[0]

    def predict_pictures(self, pictures: Sequence[Tensor]) -> list[Prediction]:
        """The same of tensors (3, H, W)."""
        return predict(self.model, pictures, runtime=self.runtime)  # type: ignore[arg-type]

    def explain(
        self,
        image: Image,
        target: Target,
        object: int = 0,
        method: str = "grad-cam",
        layer: str | None = None,
    ) -> Tensor:
        """A heat map (H, W) in [0, 1]: which pixels speak for one object of `target`.

        target: a prediction of this model, or anything with objects whose labels it knows.

        Raises:
            UsageError: no such object, method or layer.
        """
        objects = target.objects
        if objects is None or not 0 <= object < len(objects):
            count = 0 if objects is None else len(objects)
            raise UsageError(f"no object {object}: there are {count}", hint="they count from 0")
        chosen = Target(objects=objects[[object]])
        picture = as_picture(image).to(self.runtime.device)
        return explain(self.model, picture, chosen, method=method, layer=layer).cpu()  # type: ignore[arg-type]


def load(
    run: str | Path,
    *,
    checkpoint: str = "best",
    device: str = "auto",
    precision: str = "auto",
    say: Say = silent,
) -> Loaded:
    """The model of a run folder, or of one checkpoint folder.

    checkpoint: "best" (highest metric) or "last". precision: "auto" is fp32 here.

    Raises:
        CheckpointError: nothing intact there.
    """
    if checkpoint not in ("best", "last"):
        raise UsageError(f"unknown checkpoint {checkpoint!r}", hint="best or last")
    runtime = choose_runtime(device, precision)
    folder, complaints = find_checkpoint(Path(run), checkpoint)
    for complaint in complaints:
        say(complaint)
    model, card = load_model(folder, MODELS)
    model = model.to(runtime.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    return Loaded(model, card, folder, runtime)


def as_picture(image: Image) -> Tensor:
    """Any image that a user may hold as a tensor (3, H, W) RGB."""
    return image if isinstance(image, Tensor) else read_image(image).pixels
