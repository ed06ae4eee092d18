"""k nearest neighbours: remember every image, and ask those that resemble the new one most.

Cover and Hart 1967, "Nearest neighbor pattern classification". Fitting is remembering; a new
image is compared with all of them, pixel by pixel, and the k nearest vote. Nothing is learnt
about what in an image matters, so a shifted copy is a stranger.

Expected: some 30 to 39 % on CIFAR-10.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from tapetum.models.classification.classifier import labels_of
from tapetum.models.classification.neighbors import METRICS, Result, distance, search
from tapetum.models.classification.preprocessing import SquarePreprocessing
from tapetum.models.entry import ModelEntry
from tapetum.structures import (
    DEFAULT_POSTPROCESS,
    FIT,
    Batch,
    ExplainLayer,
    Model,
    PostprocessOptions,
    Prediction,
    Sample,
    Target,
)


class KNNOutput(NamedTuple):
    """B images, k neighbours, the nearest first, C classes."""

    distances: Tensor  # (B, k)
    labels: Tensor  # (B, k) int64
    nearest: Tensor  # (B, C) int64, the nearest remembered image of each class, -1 for none


class NearestNeighbors(Model[KNNOutput]):
    """See the module's docstring. Build one with `knn`.

    What it remembers lies in buffers that are empty before `fit`, and that take the length of those
    of the file when a state is loaded.
    """

    task = "classification"
    phases = (FIT,)
    pixels: Tensor
    labels: Tensor
    mean: Tensor

    def __init__(self, num_classes: int, k: int, metric: str, image_size: int) -> None:
        super().__init__()
        if metric not in METRICS:
            raise ValueError(f"metric: expected one of {', '.join(METRICS)}, got {metric!r}")
        if k < 1:
            raise ValueError(f"k: expected at least 1, got {k}")
        self.num_classes = num_classes
        self.k = k
        self.metric = metric
        self.preprocessing = SquarePreprocessing(image_size, (0.0,) * 3, (1.0,) * 3)
        values = 3 * image_size**2
        self.register_buffer("pixels", torch.zeros(0, values, dtype=torch.uint8))  # (M, 3 * S * S)
        self.register_buffer("labels", torch.zeros(0, dtype=torch.int64))  # (M,)
        self.register_buffer("mean", torch.zeros(values))  # of the pixels, in [0, 1]

    def fit(self, samples: Iterable[Sample], generator: torch.Generator) -> None:
        """Remember the images that have a label; with several labels once for each.

        What was remembered before is forgotten. Chance plays no part.

        Raises:
            ValueError: no labeled image, or a label that is no class.
        """
        rows, labels = [], []
        for sample in samples:
            image_labels = sample.target.labels
            if image_labels is None or not len(image_labels):
                continue
            square = self.preprocess([sample.image]).pixels.flatten(1)  # (1, 3 * S * S)
            rows.append((square * 255).round().to(torch.uint8).expand(len(image_labels), -1))
            labels.append(image_labels.to(self.labels.device))
        if not rows:
            raise ValueError("samples: expected images with labels, got none")
        known = torch.cat(labels)
        if not 0 <= known.min() <= known.max() < self.num_classes:
            raise ValueError(f"labels: expected from 0 to {self.num_classes - 1}")
        self.pixels, self.labels = torch.cat(rows), known
        self.mean = (self.pixels.sum(dim=0) / (255 * len(known))).to(self.mean.dtype)

    def preprocess(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> Batch:
        """Images (3, H, W), uint8 or float in [0, 1], to a batch; see `SquarePreprocessing`."""
        return self.preprocessing(images, targets, like=self.mean)

    def forward(
        self,
        pixels: Tensor,
        sizes: Tensor,
        targets: Sequence[Target] | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> KNNOutput:
        """The neighbours of each image; neither targets nor chance play a part.

        Raises:
            ValueError: nothing was fitted.
        """
        found = self._search(pixels.flatten(1))
        return KNNOutput(found.distances, self.labels[found.indices], found.nearest)

    def _search(self, x: Tensor) -> Result:
        """Of vectors (B, 3 * S * S)."""
        if not len(self.labels):
            raise ValueError("knn: expected to be fitted first, got no remembered images")
        return search(
            x.detach(), self.pixels, self.labels, self.mean, self.k, self.metric, self.num_classes
        )

    def losses(self, output: KNNOutput, targets: Sequence[Target]) -> dict[str, Tensor]:
        """None: it is fitted, not trained by a loss."""
        return {}

    def postprocess(
        self, output: KNNOutput, batch: Batch, options: PostprocessOptions = DEFAULT_POSTPROCESS
    ) -> list[Prediction]:
        """The class with the most votes, among equals the one whose voters are nearer in sum; and
        in `class_scores` the fraction of the votes of each."""
        votes = F.one_hot(output.labels, self.num_classes).to(output.distances.dtype)  # (B, k, C)
        fractions = votes.mean(dim=1)  # (B, C)
        sums = (votes * output.distances[:, :, None]).sum(dim=1)  # (B, C)
        ahead = votes.sum(dim=1) == votes.sum(dim=1).amax(dim=1, keepdim=True)
        winner = torch.where(ahead, sums, torch.inf).argmin(dim=1)  # (B,)
        return [
            Prediction(labels=label[None], class_scores=fraction)
            for label, fraction in zip(winner, fractions, strict=True)
        ]

    def target_logits(self, images: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
        """(N,) for each label, minus the distance to the nearest remembered image of that class.

        Where there is none, minus the largest distance that two images can have.
        """
        batch = self.preprocess(images)
        x = batch.pixels.flatten(1)
        image, label = labels_of(targets, x.device)  # (N,) each
        index = self._search(x).nearest[image, label]
        known = self.pixels[index.clamp(min=0)].to(x.dtype) / 255  # (N, 3 * S * S)
        # Nothing is farther than black from white.
        query = torch.where(index[:, None] >= 0, x[image], torch.ones_like(known))
        other = torch.where(index[:, None] >= 0, known, torch.zeros_like(known))
        return -distance(query, other, self.metric)

    def explain_layers(self) -> dict[str, ExplainLayer]:
        """None: there is nothing between the pixels and the score."""
        return {}

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in ("pixels", "labels"):
            buffer, given = getattr(self, name), state_dict.get(prefix + name)
            if given is not None and given.shape[1:] == buffer.shape[1:]:
                setattr(self, name, buffer.new_zeros(given.shape))
        super()._load_from_state_dict(state_dict, prefix, *rest)
        if len(self.pixels) != len(self.labels):
            *_, errors = rest
            errors.append(f"{len(self.pixels)} images, but {len(self.labels)} labels")


def knn(
    num_classes: int = 10, k: int = 5, metric: str = "l2", image_size: int = 32
) -> NearestNeighbors:
    """The k nearest neighbours among the remembered images.

    Args:
        num_classes: number of classes.
        k: voters (all images where there are fewer).
        metric: "l1", the sum of the differences of the pixel values in [0, 1], or "l2", the root of
            the sum of their squares.
        image_size: pixels of the side of the square that every image is squashed to.

    Returns:
        The model, without remembered images until it is fitted.

    Raises:
        ValueError: an unknown metric, or no voters.
    """
    return NearestNeighbors(num_classes, k, metric, image_size)


ENTRIES: dict[str, ModelEntry] = {
    "knn": ModelEntry(
        knn,
        "classification",
        "Cover and Hart 1967, Nearest neighbor pattern classification",
        {"num_classes": 3, "k": 2},
    ),
}
