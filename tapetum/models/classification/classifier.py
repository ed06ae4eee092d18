"""ImageClassifier: a network that gives class logits as a model; losses of image labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from tapetum.base.ranks import normalizer
from tapetum.models.classification.preprocessing import SquarePreprocessing
from tapetum.models.network import Network, NetworkModel
from tapetum.structures import (
    DEFAULT_POSTPROCESS,
    Batch,
    ExportGraph,
    ExportRule,
    Model,
    PostprocessOptions,
    Prediction,
    Target,
)

SCORE_THRESH = 0.5
"""The probability from which a multilabel model names a class."""

LabelLoss = Callable[[Tensor, Tensor], Tensor]
"""Logits (L, C) and labels (L,) to losses (L,)."""
TestTimeAugmentation = Callable[[Network[Tensor], Tensor], Tensor]
"""A network and pixels (B, 3, H, W) to logits (B, C): the mean over altered copies."""


class ClassificationOutput(NamedTuple):
    """B images, C classes."""

    logits: Tensor  # (B, C)


class ImageClassifier(NetworkModel[ClassificationOutput]):
    """A model of a network that gives class logits (B, C).

    Args:
        network: pixels to logits; it tells its layers, see `Network`.
        preprocessing: how images are brought to one size.
        multilabel: any number of classes may be true of an image (a sigmoid each), not one
            (softmax).
        label_smoothing: fraction of the target that is spread evenly over all classes
            (Szegedy et al. 2016, section 7), in [0, 1).
        loss: of one label an image; None: cross entropy with `label_smoothing`.
        test_time_augmentation: what a prediction averages over; None: nothing.
        preferred_settings: see `Model`.

    Raises:
        ValueError: `label_smoothing` is not in [0, 1).
    """

    task = "classification"

    def __init__(
        self,
        network: Network[Tensor],
        preprocessing: SquarePreprocessing,
        *,
        multilabel: bool = False,
        label_smoothing: float = 0.0,
        loss: LabelLoss | None = None,
        test_time_augmentation: TestTimeAugmentation | None = None,
        preferred_settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(network)
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing: expected a value in [0, 1), got {label_smoothing}")
        self.preprocessing = preprocessing
        self.multilabel = multilabel
        self.label_smoothing = label_smoothing
        self.loss = loss
        self.test_time_augmentation = test_time_augmentation
        self.preferred_settings = dict(preferred_settings or {})

    def preprocess(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> Batch:
        """Images (3, H, W), uint8 or float in [0, 1], to a batch; see `SquarePreprocessing`."""
        return self.preprocessing(images, targets, like=next(self.parameters()))

    def forward(
        self,
        pixels: Tensor,
        sizes: Tensor,
        targets: Sequence[Target] | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> ClassificationOutput:
        """Class logits. With targets and generators the network drops values; without targets
        test-time augmentation takes part."""
        if targets is not None:
            return ClassificationOutput(self.network(pixels, generators))
        if self.test_time_augmentation is None:
            return ClassificationOutput(self.network(pixels))
        return ClassificationOutput(self.test_time_augmentation(self.network, pixels))

    def losses(self, output: ClassificationOutput, targets: Sequence[Target]) -> dict[str, Tensor]:
        """The loss of the labels, with `multilabel` the mean binary cross entropy of all classes;
        and the penalties of the network."""
        if self.multilabel:
            loss = multilabel_loss(output.logits, targets, self.label_smoothing)
        else:
            loss = label_loss(output.logits, targets, self.loss or self._cross_entropy)
        return {"classification": loss} | self.network.penalties()

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(
            logits, labels, reduction="none", label_smoothing=self.label_smoothing
        )

    def postprocess(
        self,
        output: ClassificationOutput,
        batch: Batch,
        options: PostprocessOptions = DEFAULT_POSTPROCESS,
    ) -> list[Prediction]:
        """The likeliest class of each image, and in `class_scores` the probabilities of all.

        With `multilabel` all classes from `score_thresh` on (SCORE_THRESH), by falling probability.
        """
        logits = wide(output.logits)
        scores = logits.sigmoid() if self.multilabel else logits.softmax(dim=1)  # (B, C)
        least = SCORE_THRESH if options.score_thresh is None else options.score_thresh
        return [Prediction(labels=self._labels(row, least), class_scores=row) for row in scores]

    def _labels(self, scores: Tensor, score_thresh: float) -> Tensor:
        if not self.multilabel:
            return scores.argmax(dim=0, keepdim=True)
        order = scores.argsort(descending=True, stable=True)
        return order[scores[order] >= score_thresh]

    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        """(N,) the logit of each label of each image, in order."""
        batch = self.preprocess(images)
        # With targets: no test-time augmentation, whose maps lie otherwise.
        logits = self(batch.pixels, batch.sizes, targets).logits
        return logits[labels_of(targets, logits.device)]

    def side_before_crop(self) -> int | None:
        return self.preprocessing.short_side if self.preprocessing.crops else None

    def export_graphs(self) -> list[ExportGraph]:
        """One graph, pixels to logits; of images of any size where the network takes them."""
        dynamic = {0: ("batch", 1, 1)}
        smallest = self.network.min_image_size
        if smallest is not None and self.preprocessing.size >= smallest:
            dynamic |= {2: ("height", 1, smallest), 3: ("width", 1, smallest)}

        def logits(pixels: Tensor) -> tuple[Tensor, ...]:
            return tuple(self(pixels, torch.empty(0)))

        return [
            ExportGraph("model", logits, "pixels", ("logits",), lambda batch: batch.pixels, dynamic)
        ]

    def export_rule(self) -> ExportRule:
        """A square, and labels."""
        labels = {"kind": "labels", "multilabel": self.multilabel, "sure": SCORE_THRESH}
        return {"preprocess": self.preprocessing.export_rule(), "postprocess": labels}


def label_loss(
    logits: Tensor, targets: Sequence[Target], loss: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """The mean of loss(logits (L, C), labels (L,)) -> (L,) over the images that have a label.

    Several labels of one image count the same (Mahajan et al. 2018, section 2.4), or as its
    `label_weights` say (soft labels: Zhang et al. 2018, "mixup"). Images without a label teach
    nothing; a batch of such gives 0, still connected to the logits.

    Args:
        logits: (B, C).
        targets: one an image, with labels.
        loss: of each label.

    Returns:
        A scalar.
    """
    logits = wide(logits)
    image, label = labels_of(targets, logits.device)  # (L,) each
    each = loss(logits[image], label)
    count = torch.bincount(image, minlength=len(targets))  # (B,)
    weight = _label_weights(targets, each.new_ones(()) / count[image])
    return (each * weight).sum() / normalizer((count > 0).sum()) + 0 * logits.sum()


def _label_weights(targets: Sequence[Target], even: Tensor) -> Tensor:
    """(L,) how much each label counts in its image: `even`, unless the target says otherwise."""
    if all(target.label_weights is None for target in targets):
        return even
    counts = [0 if target.labels is None else len(target.labels) for target in targets]
    rows = zip(targets, even.split(counts), strict=True)
    stated = [same if t.label_weights is None else t.label_weights.to(same) for t, same in rows]
    return torch.cat(stated)


def multilabel_loss(logits: Tensor, targets: Sequence[Target], smoothing: float = 0.0) -> Tensor:
    """Mean binary cross entropy over the classes and the images whose labels are known.

    Args:
        logits: (B, C).
        targets: one an image; `labels` of length 0 say that no class is true, None that they are
            unknown: such an image adds no loss. With `label_weights` a label is true in part.
        smoothing: fraction of the target that is spread evenly over true and false.

    Returns:
        A scalar.
    """
    logits = wide(logits)
    wanted = torch.zeros_like(logits)  # (B, C)
    image, label = labels_of(targets, logits.device)
    wanted[image, label] = _label_weights(targets, wanted.new_ones(len(label)))
    wanted = wanted * (1 - smoothing) + smoothing / 2
    known = torch.tensor([target.labels is not None for target in targets], device=logits.device)
    each = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean(dim=1)
    return (each * known).sum() / normalizer(known.sum())


def labels_of(targets: Sequence[Target], device: torch.device) -> tuple[Tensor, Tensor]:
    """All labels of all images, in order.

    Args:
        targets: one an image.
        device: of the result.

    Returns:
        (L,) int64 the image, and (L,) int64 the class of each label.
    """
    rows = [t.labels.tolist() if t.labels is not None else [] for t in targets]
    pairs = [(i, label) for i, row in enumerate(rows) for label in row]
    table = torch.tensor(pairs, dtype=torch.int64, device=device).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def wide(values: Tensor) -> Tensor:
    """Values in float32 at least: half precision is too coarse for a logarithm.

    Args:
        values: of any floating type.

    Returns:
        The same in float64 if they are, else in float32.
    """
    return values if values.dtype == torch.float64 else values.float()


def see_whole_images(model: Model[Any]) -> SquarePreprocessing | None:
    """Let a classifier that crops see whole images from now on, before it is used.

    Args:
        model: any model.

    Returns:
        Its preprocessing until now; None where it sees whole images anyway.
    """
    if not isinstance(model, ImageClassifier) or not model.preprocessing.crops:
        return None
    before = model.preprocessing
    model.preprocessing = before.whole()
    return before
