"""A sound model in few lines, and one that breaks a single promise of the contract for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.models import CATALOG
from tapetum.models.detection.one_stage.retinanet import retinanet
from tapetum.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from tapetum.models.segmentation.dense import (
    PixelLosses,
    SegmentationOutput,
    make_preprocessing,
    map_logits,
    pad_targets,
    postprocess_maps,
)
from tapetum.structures import (
    DEFAULT_POSTPROCESS,
    Batch,
    Model,
    PostprocessOptions,
    Prediction,
    Target,
)


class Sound(Model[SegmentationOutput]):
    """A class for every pixel, at an eighth of the size."""

    task = "semantic_segmentation"

    def __init__(self, num_classes: int = 3) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=4, padding=2),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.head = nn.Conv2d(8, num_classes, 1)
        self.preprocessing = make_preprocessing(None, None, IMAGENET_MEAN, IMAGENET_STD, 8)

    def preprocess(self, images: Sequence[Tensor], targets: Any = None) -> Batch:
        batch = self.preprocessing(images, targets, like=self.head.weight)
        return pad_targets(batch, self.head.out_channels)

    def forward(
        self, pixels: Tensor, sizes: Tensor, targets: Any = None, generators: Any = None
    ) -> SegmentationOutput:
        logits = self.head(self.body(pixels))
        return SegmentationOutput(F.interpolate(logits, pixels.shape[-2:], mode="bilinear"))

    def losses(self, output: SegmentationOutput, targets: Sequence[Target]) -> dict[str, Tensor]:
        return PixelLosses()(output, targets, None)

    def postprocess(
        self,
        output: SegmentationOutput,
        batch: Batch,
        options: PostprocessOptions = DEFAULT_POSTPROCESS,
    ) -> list[Prediction]:
        return postprocess_maps(output, batch)

    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        batch = self.preprocess(images, targets)
        assert batch.targets is not None
        return map_logits(self(batch.pixels, batch.sizes), batch.targets, targets)

    def explain_layers(self) -> Mapping[str, Any]:
        return {"body": (self.body, lambda output: output)}


class HasAnUnknownPhase(Sound):
    phases = ("descend", "distill")


class TakesASet(Sound):
    def __init__(self, num_classes: int = 3, sizes: Any = frozenset({1})) -> None:
        super().__init__(num_classes)


class MarksEverything(Sound):
    def preprocess(self, images: Sequence[Tensor], targets: Any = None) -> Batch:
        batch = super().preprocess(images, targets)
        if batch.targets is None:
            return batch
        maps = [t.semantic for t in batch.targets]
        full = [m.where(m != 255, 0) if bool((m != 255).any()) else m for m in maps]
        return batch._replace(targets=tuple(Target(semantic=m) for m in full))


class SubtractsTheBatch(Sound):
    def forward(
        self, pixels: Tensor, sizes: Tensor, targets: Any = None, generators: Any = None
    ) -> SegmentationOutput:
        if not torch.is_grad_enabled():
            pixels = pixels - pixels.mean(0)
        return super().forward(pixels, sizes)


class FavoursTheFirst(Sound):
    """Of two images."""

    def forward(
        self, pixels: Tensor, sizes: Tensor, targets: Any = None, generators: Any = None
    ) -> SegmentationOutput:
        (logits,) = super().forward(pixels, sizes)
        if len(pixels) == 2:
            logits = torch.stack([logits[0], -logits[1]])
        return SegmentationOutput(logits)


class AnswersWithPadding(Sound):
    def postprocess(
        self,
        output: SegmentationOutput,
        batch: Batch,
        options: PostprocessOptions = DEFAULT_POSTPROCESS,
    ) -> list[Prediction]:
        return [Prediction(semantic=logits.argmax(0).to(torch.uint8)) for logits in output.logits]


class TakesBytesAsTheyAre(Sound):
    def preprocess(self, images: Sequence[Tensor], targets: Any = None) -> Batch:
        return super().preprocess(
            [p.float() for p in images] if _whole(images) else images, targets
        )


class Counts(Sound):
    def __init__(self, num_classes: int = 3) -> None:
        super().__init__(num_classes)
        self.register_buffer("seen", torch.zeros(()))

    def postprocess(
        self,
        output: SegmentationOutput,
        batch: Batch,
        options: PostprocessOptions = DEFAULT_POSTPROCESS,
    ) -> list[Prediction]:
        self.seen += 1
        return super().postprocess(output, batch)


class DrawsAtBirth(Sound):
    def __init__(self, num_classes: int = 3) -> None:
        super().__init__(num_classes)
        self.shift = torch.randn(num_classes, 1, 1)

    def forward(
        self, pixels: Tensor, sizes: Tensor, targets: Any = None, generators: Any = None
    ) -> SegmentationOutput:
        return SegmentationOutput(super().forward(pixels, sizes).logits + 3 * self.shift)


class HasASpare(Sound):
    def __init__(self, num_classes: int = 3) -> None:
        super().__init__(num_classes)
        self.spare = nn.Linear(4, 5)


class AsksForTheMode(Sound):
    def forward(
        self, pixels: Tensor, sizes: Tensor, targets: Any = None, generators: Any = None
    ) -> SegmentationOutput:
        scale = 1.01 if self.training else 1.0
        return SegmentationOutput(super().forward(pixels, sizes).logits * scale)


class DividesByNothing(Sound):
    def losses(self, output: SegmentationOutput, targets: Sequence[Target]) -> dict[str, Tensor]:
        target = torch.stack([t.semantic.long() for t in targets])
        logits = output.logits if output.logits.dtype == torch.float64 else output.logits.float()
        return {"loss": F.cross_entropy(logits, target, ignore_index=255)}


class WritesIntoItsOutputs(Sound):
    def losses(self, output: SegmentationOutput, targets: Sequence[Target]) -> dict[str, Tensor]:
        # A second time nothing is left to write: the losses are the same to the last bit.
        return super().losses(SegmentationOutput(output.logits.clamp_(min=-0.1)), targets)


class DrawsForItself(Sound):
    def losses(self, output: SegmentationOutput, targets: Sequence[Target]) -> dict[str, Tensor]:
        torch.rand(1)
        return super().losses(output, targets)


class Remembers(Sound):
    memory: Tensor | None = None

    def forward(
        self, pixels: Tensor, sizes: Tensor, targets: Any = None, generators: Any = None
    ) -> SegmentationOutput:
        if self.memory is None:
            self.memory = torch.full((1,), 2.0, dtype=pixels.dtype)
        return SegmentationOutput(super().forward(pixels, sizes).logits * self.memory)


class IsCoarse(Sound):
    def losses(self, output: SegmentationOutput, targets: Sequence[Target]) -> dict[str, Tensor]:
        return super().losses(SegmentationOutput(output.logits.float()), targets)


class LosesInHalfPrecision(Sound):
    def losses(self, output: SegmentationOutput, targets: Sequence[Target]) -> dict[str, Tensor]:
        return {**super().losses(output, targets), "size": 1e-3 * output.logits.square().mean()}


class ScoresBackwards(Sound):
    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        return super().target_logits(images, targets).flip(0)


class ScoresTheFirstClass(Sound):
    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        maps = [t.semantic for t in targets]
        first = [Target(semantic=torch.where(m == 255, m, 0)) for m in maps]
        return super().target_logits(images, first)


class ScoresNothing(Sound):
    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        scores = super().target_logits(images, targets)
        return scores if len(scores) else scores.new_zeros(1)


class ShowsNoLayer(Sound):
    def explain_layers(self) -> Mapping[str, Any]:
        return {}


SMALL = {"min_size": 64, "max_size": 96, "fpn_channels": 16}


def detector(**changes: Callable[..., Any]) -> Callable[..., nn.Module]:
    """A tiny RetinaNet with some of its verbs wrapped: each takes the model's own verb first."""

    def build(num_classes: int = 3) -> nn.Module:
        model: Any = retinanet(**{**CATALOG["retinanet"].tiny, **SMALL, "num_classes": num_classes})
        for verb, change in changes.items():
            own = getattr(model, verb)
            setattr(model, verb, lambda *a, own=own, change=change: change(own, *a))
        return model

    build.task = "detection"
    return build


def worst_first(own: Any, *given: Any) -> list[Prediction]:
    return [replace(p, objects=p.objects[range(len(p.objects))[::-1]]) for p in own(*given)]


def divides_by_width(own: Any, output: Any, targets: Sequence[Target]) -> dict[str, Tensor]:
    boxes = torch.cat([t.objects.boxes for t in targets])
    return {**own(output, targets), "width": 0 * (1 / (boxes[:, 2] - boxes[:, 0])).sum()}


def learns_crowds(own: Any, images: Sequence[Tensor], targets: Any = None) -> Batch:
    batch = own(images, targets)
    if batch.targets is None:
        return batch
    plain = [t.objects.with_(crowd=torch.zeros(len(t.objects), dtype=bool)) for t in batch.targets]
    return batch._replace(targets=tuple(Target(objects=o) for o in plain))


def likes_company(own: Any, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
    return own(images, targets) + max(0, max(len(t.objects) for t in targets) - 2)


BROKEN: dict[str, tuple[Callable[..., nn.Module], str]] = {
    "it is a model of its task": (HasAnUnknownPhase, "phases: expected descend, fit or both"),
    "its arguments are JSON values": (TakesASet, "argument sizes: expected a JSON value"),
    "preprocess moves targets along and keeps gradients": (MarksEverything, "expected 0.188"),
    "a batch is predicted as its images alone": (SubtractsTheBatch, "image 0 of a batch"),
    "the order of images does not matter": (FavoursTheFirst, "in another order"),
    "predictions are in the frame of images of any size": (AnswersWithPadding, "expected 32 x 500"),
    "images in bytes and in [0, 1] are the same": (TakesBytesAsTheyAre, "in bytes"),
    "predicting leaves the model as it was": (Counts, "weights changed: seen"),
    "saved and loaded it predicts the same": (DrawsAtBirth, "of the pixels differ"),
    "every parameter gets a gradient": (HasASpare, "spare.weight (5, 4) gets no gradient"),
    "forward means the same in training and evaluation": (AsksForTheMode, "output 0 (3, 3, 120"),
    "losses are finite where there is nothing to learn": (DividesByNothing, "the loss is nan"),
    "losses are pure": (WritesIntoItsOutputs, "changes the outputs"),
    "chance comes from the generators alone": (DrawsForItself, "global random state"),
    "predictions may be used in training": (Remembers, "Inference tensors cannot be saved"),
    "float64 stays float64": (IsCoarse, "expected float64, got torch.float32"),
    "it takes a step in bf16": (LosesInHalfPrecision, "loss size: got torch.bfloat16"),
    "target_logits gives one logit an object, of its own image": (
        ScoresBackwards,
        "lies in image 0",
    ),
    "target_logits follow the label": (ScoresTheFirstClass, "as 3 classes the scores are"),
    "no objects, no logits": (ScoresNothing, "expected (0,), got (1,)"),
    "explain_layers are maps that all logits depend on": (ShowsNoLayer, "no layer to explain"),
    "objects are inside the image, the best first": (
        detector(postprocess=worst_first),
        "scores do not fall",
    ),
    "losses are finite for unusual targets": (
        detector(losses=divides_by_width),
        "boxes without width: the loss is nan",
    ),
    "crowds are neither objects nor background": (
        detector(preprocess=learns_crowds),
        "with a crowd all over the image the loss is",
    ),
    "objects together have the logits of each alone": (
        detector(target_logits=likes_company),
        "together and",
    ),
}
"""Question -> a model that breaks it, and words that the answer must hold."""


def _whole(images: Sequence[Tensor]) -> bool:
    return images[0].dtype == torch.uint8
