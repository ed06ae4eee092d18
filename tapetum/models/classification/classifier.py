"""What classifiers share: logits to predictions, labels to a loss, labels to scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.base.ranks import normalizer
from tapetum.models.classification.preprocessing import SquarePreprocessing
from tapetum.structures import Batch, Prediction, Target

SURE = 0.5
"""The probability from which a multilabel model names a class."""


class Output(NamedTuple):
    """B images, C classes."""

    logits: Tensor  # (B, C)


class Classifier(nn.Module):
    """Every verb of a classifier but `forward`, which gives `Output`.

    preprocessing: how images are brought to one size.
    multilabel: any number of classes may be true of an image (a sigmoid each), not one (softmax).
    label_smoothing: the share of the truth that is spread evenly over all classes (Szegedy et al.
        2016, section 7), in [0, 1).

    Raises:
        ValueError: `label_smoothing` is not in [0, 1).
    """

    task = "classification"
    differentiable = True

    def __init__(
        self,
        preprocessing: SquarePreprocessing,
        multilabel: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing: expected a value in [0, 1), got {label_smoothing}")
        self.preprocessing = preprocessing
        self.multilabel = multilabel
        self.label_smoothing = label_smoothing

    def preprocess(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> Batch:
        """Images (3, H, W), uint8 or float in [0, 1], to a batch; see `SquarePreprocessing`."""
        return self.preprocessing(images, targets, like=next(self.parameters()))

    def losses(self, output: Output, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Cross entropy of the labels, or with `multilabel` the mean binary one of all classes."""
        if self.multilabel:
            loss = multilabel_loss(output.logits, targets, self.label_smoothing)
        else:
            loss = label_loss(output.logits, targets, self._cross_entropy)
        return {"classification": loss}

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(
            logits, labels, reduction="none", label_smoothing=self.label_smoothing
        )

    def postprocess(self, output: Output, batch: Batch) -> list[Prediction]:
        """The likeliest class of each image (with `multilabel` all from SURE on, by falling
        probability), and in `class_scores` the probabilities of all."""
        logits = wide(output.logits)
        scores = logits.sigmoid() if self.multilabel else logits.softmax(dim=1)  # (B, C)
        return [Prediction(labels=self._labels(row), class_scores=row) for row in scores]

    def _labels(self, scores: Tensor) -> Tensor:
        if not self.multilabel:
            return scores.argmax(dim=0, keepdim=True)
        order = scores.argsort(descending=True, stable=True)
        return order[scores[order] >= SURE]

    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        """(N,) the logit of each label of each image, in order."""
        batch = self.preprocess(images)
        # With the truth: one view as it is, and not the mean of several, whose maps lie otherwise.
        logits = self(batch.pixels, batch.sizes, targets).logits
        return logits[named(targets, logits.device)]


def label_loss(
    logits: Tensor, targets: Sequence[Target], loss: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """The mean of loss(logits (L, C), labels (L,)) -> (L,) over the images that have a label.

    Several labels of one image count by their `label_weights`, or else all the same (Mahajan et
    al. 2018, section 2.4). Images without a label are left out; a batch of such gives 0, still
    connected to the logits.
    """
    logits = wide(logits)
    image, label = named(targets, logits.device)  # (L,) each
    each = loss(logits[image], label)
    labels_of = torch.bincount(image, minlength=len(targets))  # (B,)
    weights = _weights(targets, each.new_ones(()) / labels_of[image])
    return (each * weights).sum() / normalizer((labels_of > 0).sum()) + 0 * logits.sum()


def multilabel_loss(logits: Tensor, targets: Sequence[Target], smoothing: float = 0.0) -> Tensor:
    """Mean binary cross entropy over the classes and the images whose labels are known.

    `labels` of length 0 say that no class is true; None says that nobody looked: teaches nothing.
    """
    logits = wide(logits)
    wanted = torch.zeros_like(logits)  # (B, C)
    places = named(targets, logits.device)
    wanted[places] = _weights(targets, wanted.new_ones(len(places[0])))
    wanted = wanted * (1 - smoothing) + smoothing / 2
    known = torch.tensor([target.labels is not None for target in targets], device=logits.device)
    each = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean(dim=1)
    return (each * known).sum() / normalizer(known.sum())


def _weights(targets: Sequence[Target], default: Tensor) -> Tensor:
    """(L,) the weight of every label of every image: its own, or that of `default` (L,)."""
    if all(target.label_weights is None for target in targets):
        return default
    rows = default.split([0 if t.labels is None else len(t.labels) for t in targets])
    pairs = zip(rows, targets, strict=True)
    return torch.cat([r if t.label_weights is None else t.label_weights.to(r) for r, t in pairs])


def named(targets: Sequence[Target], device: torch.device) -> tuple[Tensor, Tensor]:
    """Image (L,) and class (L,) of every label of every image, in order."""
    rows = [t.labels.tolist() if t.labels is not None else [] for t in targets]
    pairs = [(i, label) for i, row in enumerate(rows) for label in row]
    table = torch.tensor(pairs, dtype=torch.int64, device=device).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def wide(values: Tensor) -> Tensor:
    """In float32 at least: what comes out of half precision is too coarse for a logarithm."""
    return values if values.dtype == torch.float64 else values.float()
