"""What models of semantic maps share: preprocessing, padded targets, losses, postprocessing.

A semantic map gives every pixel a class, or 255: neither learnt nor measured there. Padding is 255.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from tapetum.base.errors import UsageError
from tapetum.base.ranks import normalizer, ranks, sum_over_ranks
from tapetum.models.preprocessing import Preprocessing, resize
from tapetum.ops._arithmetic import wide
from tapetum.ops.losses import cross_entropy, dice_loss, softmax_focal_loss
from tapetum.structures import (
    DEFAULT_POSTPROCESS,
    IGNORE_INDEX,
    Batch,
    PostprocessOptions,
    Prediction,
    Target,
)


class SegmentationOutput(NamedTuple):
    """B images, C classes."""

    logits: Tensor  # (B, C, H, W), of every pixel of the preprocessed images, padding too


@dataclass(frozen=True)
class NativeSize(Preprocessing):
    """As `Preprocessing`, but only images whose longer side passes `max_size` are resized."""

    min_size: int = sys.maxsize
    max_size: int = sys.maxsize

    def size(self, height: int, width: int) -> tuple[int, int]:
        if max(height, width) <= self.max_size:
            return height, width
        return super().size(height, width)


def make_preprocessing(
    min_size: int | None,
    max_size: int | None,
    mean: Sequence[float],
    std: Sequence[float],
    multiple: int,
) -> Preprocessing:
    """Preprocessing for models of semantic maps.

    Args:
        min_size: pixels of the short side; None: images keep their size.
        max_size: largest length of the long side; None for any.
        mean: of each channel.
        std: of each channel.
        multiple: of which the padded sizes are multiples.

    Returns:
        The preprocessing.
    """
    longest = sys.maxsize if max_size is None else max_size
    if min_size is None:
        return NativeSize(max_size=longest, mean=tuple(mean), std=tuple(std), multiple=multiple)
    return Preprocessing(min_size, longest, tuple(mean), tuple(std), multiple)


def pad_targets(batch: Batch, num_classes: int) -> Batch:
    """The batch with semantic maps in the frame of `pixels`: 255 where these are padding.

    Args:
        batch: whose maps have the sizes of the images without padding.
        num_classes: the classes are 0 to num_classes - 1.

    Returns:
        The batch; the same where it has no targets.

    Raises:
        ValueError: a map holds something that is neither a class nor 255.
    """
    if batch.targets is None:
        return batch
    size = (batch.pixels.shape[-2], batch.pixels.shape[-1])
    targets = (
        target
        if target.semantic is None
        else replace(target, semantic=_padded(target.semantic, size, num_classes))
        for target in batch.targets
    )
    return batch._replace(targets=tuple(targets))


def _padded(semantic: Tensor, size: tuple[int, int], num_classes: int) -> Tensor:
    wrong = (semantic != IGNORE_INDEX) & ((semantic >= num_classes) | (semantic < 0))
    if wrong.any():
        odd = int(semantic[wrong][0])
        raise ValueError(f"semantic: expected 0 to {num_classes - 1}, or {IGNORE_INDEX}, got {odd}")
    height, width = semantic.shape
    return F.pad(semantic, (0, size[1] - width, 0, size[0] - height), value=IGNORE_INDEX)


@dataclass(frozen=True)
class PixelLosses:
    """Weights of the losses of a semantic map; those of weight 0 are not computed.

    Raises:
        UsageError: a negative weight, or none above 0.
    """

    cross_entropy: float = 1.0
    dice: float = 0.0
    focal: float = 0.0

    def __post_init__(self) -> None:
        weights = (self.cross_entropy, self.dice, self.focal)
        if min(weights) < 0 or max(weights) == 0:
            raise UsageError(
                f"weights of losses must be 0 or more, and one above 0, got {weights}",
                hint="cross_entropy_weight, dice_weight, focal_weight",
            )

    def __call__(
        self, output: SegmentationOutput, targets: Sequence[Target], class_weights: Tensor | None
    ) -> dict[str, Tensor]:
        """The weighted losses of logits (B, C, H, W), means over all pixels that are not 255.

        class_weights: (C,) what a pixel of each class counts in cross entropy and focal loss.
        """
        logits, target = output.logits, stack_targets(output.logits, targets)
        losses, count = {}, _count(logits, target, class_weights)
        if self.cross_entropy:
            loss = cross_entropy(logits, target, "sum", IGNORE_INDEX, class_weights)
            losses["cross_entropy"] = self.cross_entropy * (loss / count)
        if self.dice:
            loss = dice_loss(logits, target, IGNORE_INDEX, over_ranks=sum_over_ranks)
            losses["dice"] = self.dice * loss
        if self.focal:
            loss = softmax_focal_loss(logits, target, 2.0, "sum", IGNORE_INDEX, class_weights)
            losses["focal"] = self.focal * (loss / count)
        return losses


def _count(logits: Tensor, target: Tensor, class_weights: Tensor | None) -> Tensor | float:
    """What the sum of the losses of pixels is divided by: how many count, by their weights."""
    valid = target != IGNORE_INDEX
    if class_weights is None:
        return normalizer(valid.sum())
    weights = class_weights.to(wide(logits).dtype)[torch.where(valid, target, 0)] * valid
    total = sum_over_ranks(weights.sum()) / ranks().world_size
    return torch.where(total > 0, total, 1)


def stack_targets(logits: Tensor, targets: Sequence[Target]) -> Tensor:
    """Semantic maps as one tensor; 255 all over where a target has none.

    Args:
        logits: (B, C, H, W).
        targets: one an image, with maps (H, W).

    Returns:
        (B, H, W) int64.
    """
    size = logits.shape[-2:]
    nothing = torch.full(size, IGNORE_INDEX, device=logits.device)
    maps = [nothing if t.semantic is None else t.semantic.long() for t in targets]
    return torch.stack(maps)


def postprocess_maps(
    output: SegmentationOutput, batch: Batch, options: PostprocessOptions = DEFAULT_POSTPROCESS
) -> list[Prediction]:
    """The class of the highest logit at every pixel of the original images, uint8.

    Logits are cut to the content and resized bilinearly to the original before they are compared.

    Args:
        output: of the model.
        batch: what it was computed from.
        options: `pixel_scores` asks for the softmax of the resized logits, too.

    Returns:
        A prediction an image with `semantic` (H, W), and `pixel_scores` (C, H, W) where asked for.
    """
    predictions = []
    rows = zip(output.logits, batch.sizes.tolist(), batch.originals.tolist(), strict=True)
    for logits, (height, width), original in rows:
        logits = resize(_wide(logits[:, :height, :width]), tuple(original))  # (C, H, W)
        scores = logits.softmax(dim=0) if options.pixel_scores else None
        labels = logits.argmax(dim=0).to(torch.uint8)
        predictions.append(Prediction(semantic=labels, pixel_scores=scores))
    return predictions


def map_logits(
    output: SegmentationOutput, ground_truth: Sequence[Target], targets: Sequence[Target]
) -> Tensor:
    """The mean logit of the classes of marked pixels.

    Args:
        output: of the model.
        ground_truth: targets as `preprocess` moved them.
        targets: the same as they came, which decide whether there is a logit. Marks too few to
            outlive being made smaller have the logit 0.

    Returns:
        (N,), one for each target that marks pixels.
    """
    mean_logits = []
    for logits, target, original in zip(output.logits, ground_truth, targets, strict=True):
        if target.semantic is None or original.semantic is None:
            continue
        if not bool((original.semantic != IGNORE_INDEX).any()):
            continue
        marked = target.semantic != IGNORE_INDEX  # (H, W)
        wanted = torch.where(marked, target.semantic.long(), 0)
        chosen = _wide(logits).gather(0, wanted[None])[0] * marked  # (H, W)
        mean_logits.append(chosen.sum() / marked.sum().clamp(min=1))
    return torch.stack(mean_logits) if mean_logits else output.logits.new_zeros(0)


def _wide(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()
