"""The verbs of a model, as protocols: what training, prediction and explanation may call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from tapetum.structures.batch import Batch
from tapetum.structures.prediction import Prediction
from tapetum.structures.sample import Sample
from tapetum.structures.target import Target


@runtime_checkable
class Model(Protocol):
    """What every model can do, whatever its task. All of them are `nn.Module`s."""

    task: str
    """One of `TASKS`: what it answers, and with it how it is trained, measured and shown."""
    differentiable: bool
    """Can `score` be differentiated with respect to the images?"""

    def preprocess(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> Batch:
        """Resize, normalise and pad images (3, H, W), uint8 or float in [0, 1]; targets follow.

        Differentiable with respect to float images, and the only place for this work.
        """
        ...

    def postprocess(self, output: Any, batch: Batch) -> list[Prediction]:
        """Raw outputs to predictions in the frame of the original images."""
        ...

    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        """(N,) one logit per object in `targets`, in order: how strongly the model believes it.

        An object is an object (detection, localization, masks, keypoints), a label of the image
        (classification), or the marked pixels of a semantic map, those that are not 255, taken
        together (segmentation: the mean logit of their classes).
        Differentiable with respect to float images; explanations differentiate it.
        """
        ...

    def explain_layers(self) -> dict[str, tuple[nn.Module, Callable[[Any], Tensor]]]:
        """Name -> (module, function from its output to a map (B, C, h, w)); best layer first."""
        ...


@runtime_checkable
class Trainable(Model, Protocol):
    """A model that descends a loss."""

    def forward(
        self,
        pixels: Tensor,
        sizes: Tensor,
        targets: Sequence[Target] | None = None,
        generator: torch.Generator | None = None,
    ) -> Any:
        """Raw outputs, a NamedTuple of tensors. What depends on truth depends on it being given,
        never on `self.training`; ragged objects are flat, with an image index."""
        ...

    def losses(self, output: Any, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Weighted losses by name; their sum is the objective. Pure; finite without objects."""
        ...


@runtime_checkable
class DataDependentInit(Protocol):
    """A model that looks at training images before it descends (to whiten them, say)."""

    def initialize_from_data(self, samples: Iterable[Sample], generator: torch.Generator) -> None:
        """Set what is computed rather than learnt; takes as many samples as it needs."""
        ...


@runtime_checkable
class Fittable(Model, Protocol):
    """A model that is fitted rather than descended (k-NN, SVM heads).

    What it learns lies in buffers, whose shapes a checkpoint may change.
    """

    def fit(self, samples: Iterable[Sample], generator: torch.Generator) -> None:
        """Learn from samples in one call."""
        ...
