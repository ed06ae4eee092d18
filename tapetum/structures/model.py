"""Model: what training, prediction, explanation and export may call, whatever the method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from tapetum.structures.batch import Batch
from tapetum.structures.export import ExportGraph, ExportRule
from tapetum.structures.prediction import Prediction
from tapetum.structures.renames import Renames
from tapetum.structures.sample import Sample
from tapetum.structures.target import Target

OutputT = TypeVar("OutputT")
"""The NamedTuple of tensors that a model's `forward` returns, named for its model."""

ExplainLayer = tuple[nn.Module, Callable[[Any], Tensor]]
"""A module, and the function that makes a map (B, C, h, w) of its output."""

DESCEND, FIT = "descend", "fit"


@dataclass(frozen=True)
class PostprocessOptions:
    """What `postprocess` may be asked for in place of the model's own values; None keeps those.

    Attributes:
        score_thresh: smallest score of an object (of a class, with several labels an image), in
            [0, 1].
        nms_thresh: IoU above which the weaker of two boxes of a class goes, in [0, 1].
        detections_per_img: largest number of objects of an image.
        pixel_scores: also give the probabilities of all classes at every pixel, where the model
            labels pixels. They take 4 bytes a class and pixel of the original image.
    """

    score_thresh: float | None = None
    nms_thresh: float | None = None
    detections_per_img: int | None = None
    pixel_scores: bool = False


DEFAULT_POSTPROCESS = PostprocessOptions()


class Model(nn.Module, ABC, Generic[OutputT]):
    """Every model, whatever its task. A subclass implements all verbs; no verb is implemented here.

    The attributes below have neutral values; a model that has more to say overrides them.
    """

    task: ClassVar[str]
    """One of `tapetum.structures.TASKS`: what it answers, so how it is trained and measured."""
    differentiable: ClassVar[bool] = True
    """Can `target_logits` be differentiated with respect to the images?"""
    has_nms: ClassVar[bool] = False
    """Does `postprocess` suppress overlapping boxes, so that `nms_thresh` of its options counts?"""
    phases: ClassVar[tuple[str, ...]] = (DESCEND,)
    """How it is trained, in order: "descend" (a loss), "fit" (`fit`, one look at all samples)."""
    references: Mapping[str, Renames] = MappingProxyType({})
    """Names of its weights in other code bases, by the name of the code base."""
    preferred_settings: Mapping[str, Any] = MappingProxyType({})
    """Training settings that suit it better than the task's; what the user says wins."""

    max_objects: int | None = None
    """Objects of an image that it can find at most, where their number is fixed; it is judged by as
    many of the largest."""

    if TYPE_CHECKING:  # nn.Module types its call as Any, which would hide every wrong one

        def __call__(
            self,
            pixels: Tensor,
            sizes: Tensor,
            targets: Sequence[Target] | None = None,
            generators: Sequence[torch.Generator] | None = None,
        ) -> OutputT: ...

    @abstractmethod
    def preprocess(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> Batch:
        """Resize, normalise and pad images; targets are moved along.

        Differentiable with respect to float images, and the only place for this work.

        Args:
            images: (3, H, W) each, uint8 or float in [0, 1].
            targets: one an image, in its frame.
        """

    @abstractmethod
    def forward(
        self,
        pixels: Tensor,
        sizes: Tensor,
        targets: Sequence[Target] | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> OutputT:
        """Compute the raw outputs of a batch.

        What training does more (auxiliary heads, sampling) depends on `targets` being given, never
        on `self.training`; ragged outputs are flat, with the index of the image.

        Args:
            pixels: (B, 3, H, W) normalised, padded.
            sizes: (B, 2) int64, height and width without padding.
            targets: one an image in the frame of `pixels`, in training.
            generators: one an image, on the device of `pixels`; each decides every random choice
                for its image, so that it depends on no other image.
        """

    @abstractmethod
    def losses(self, output: OutputT, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Weighted losses by name; their sum is the objective. Pure; finite without objects."""

    @abstractmethod
    def postprocess(
        self, output: OutputT, batch: Batch, options: PostprocessOptions = DEFAULT_POSTPROCESS
    ) -> list[Prediction]:
        """Raw outputs to predictions in the frame of the original images, one an image.

        Nothing of the model changes, so that threads with different options can share it.
        """

    @abstractmethod
    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        """(N,) one logit per object of `targets`, in order: how strongly does the model believe it?

        An object has a box, mask or keypoints; a label of the image (classification);
        or the marked pixels of a label map, those that are not 255, taken together (segmentation:
        the mean logit of their classes). Explanations differentiate it.
        """

    @abstractmethod
    def explain_layers(self) -> dict[str, ExplainLayer]:
        """Layers that explanations may look into, by name; the best one first."""

    def fit(self, samples: Iterable[Sample], generator: torch.Generator) -> None:
        """Learn from samples in one call: the phase "fit". Learnt buffers may change length."""
        raise NotImplementedError(f"{type(self).__name__} has no phase {FIT!r}")

    def initialize_from_data(self, samples: Iterable[Sample], generator: torch.Generator) -> None:
        """Set what is computed from training images before the first step; by default nothing."""

    def resizable_weights(self) -> Mapping[str, Callable[[Tensor, Tensor], Tensor | None]]:
        """Weights that a checkpoint may hold in another shape, by name.

        The function takes the file's tensor and ours, and returns the file's in our shape, or None
        where that cannot be. First convolutions and position embeddings, for example.
        """
        return {}

    def side_before_crop(self) -> int | None:
        """Pixels of the short side of the images that it crops its part from, more than it sees, so
        that training images are made as large; None: it sees the whole image."""
        return None

    def layer_groups(self) -> list[tuple[str, ...]]:
        """Prefixes of the weights of each stage of the backbone, from the image on; [] without.

        They are what `freeze` and `layer_decay` count.
        """
        return []

    def class_templates(self) -> Tensor | None:
        """(C, 3, S, S) in [0, 1], the weights of each class as an image, for reports; None unless
        the scores are linear in the pixels."""
        return None

    def export_graphs(self) -> list[ExportGraph]:
        """The parts that are the same arithmetic for every image; the first one takes images."""
        return []

    def export_rule(self) -> ExportRule | None:
        """How a client without PyTorch prepares images and reads the outputs; None: not at all."""
        return None
