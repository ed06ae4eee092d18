"""The second stage: the class of each proposal, and where its object exactly is.

Girshick 2015, "Fast R-CNN" (arXiv 1504.08083): the pooled features of a region go through two dense
layers, which classify it and move its box, once for each class. Background is output 0 of the
classifier.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.base.ranks import normalizer
from tapetum.models.detection.assign import Sampler, crowd_of, matched_objects, objects_of
from tapetum.ops.boxes import decode_boxes, encode_boxes
from tapetum.ops.losses import cross_entropy, smooth_l1_loss
from tapetum.structures import Objects, Target

BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
"""Offsets of proposals are small: these bring them near unit variance."""


class BoxHead(nn.Module):
    """Two dense layers over pooled features, then classes and offsets.

    Args:
        channels: of the pooled features.
        size: their side in cells.
        width: outputs of each dense layer.
        num_classes: without background.
    """

    def __init__(self, channels: int, size: int, width: int, num_classes: int) -> None:
        super().__init__()
        self.dense1 = nn.Linear(channels * size * size, width)
        self.dense2 = nn.Linear(width, width)
        self.relu = nn.ReLU()
        self.classes = nn.Linear(width, 1 + num_classes)
        self.deltas = nn.Linear(width, (1 + num_classes) * 4)

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features (P, C, size, size) to logits (P, 1 + K) and offsets (P, 1 + K, 4)."""
        x = self.relu(self.dense1(pooled.flatten(1)))
        x = self.relu(self.dense2(x))
        return self.classes(x), self.deltas(x).unflatten(1, (-1, 4))


def sample_rois(
    proposals: Sequence[Tensor],
    targets: Sequence[Target],
    sampler: Sampler,
    generators: Sequence[torch.Generator] | None,
) -> tuple[list[Tensor], Tensor]:
    """Draw the regions of each image that take part in the losses.

    They come from the proposals (P, 4) and the boxes of the objects; crowd regions are left out.

    Args:
        proposals: (P, 4) xyxy of each image.
        targets: one an image.
        sampler: draws from the candidates.
        generators: one an image; None takes the first ones.

    Returns:
        The boxes of each image, and of all of them the index of the object (S,), -1 for none.
    """
    rois, matches = [], []
    for i, (boxes, target) in enumerate(zip(proposals, targets, strict=True)):
        generator = None if generators is None else generators[i]
        objects = objects_of(target)
        boxes = torch.cat((boxes, objects.boxes[~crowd_of(objects)].to(boxes.dtype)))
        index, match = sampler(objects, boxes, generator)
        rois.append(boxes[index])
        matches.append(match)
    return rois, torch.cat(matches)


def roi_losses(
    class_logits: Tensor,
    deltas: Tensor,
    rois: Tensor,
    image: Tensor,
    match: Tensor,
    targets: Sequence[Target],
) -> dict[str, Tensor]:
    """Cross entropy of the classes, smooth L1 of the offsets of the objects for their class.

    Both are divided by the number of regions of the batch.

    Args:
        class_logits: (P, 1 + K), background first.
        deltas: (P, 1 + K, 4) offsets.
        rois: (P, 4) xyxy in pixels.
        image: (P,) int64, the image of each region.
        match: (P,) int64, the object of each region in its image, -1 for background.
        targets: one an image.

    Returns:
        {"loss_classifier": a scalar, "loss_box_reg": a scalar}.
    """
    positive = torch.nonzero(match >= 0).flatten()
    boxes, labels = matched_objects(targets, image[positive], match[positive])
    target = torch.zeros_like(match)  # (P,) background
    target[positive] = 1 + labels
    offsets = encode_boxes(boxes, rois[positive], BOX_WEIGHTS)
    error = smooth_l1_loss(deltas[positive, 1 + labels], offsets, beta=1 / 9, reduction="sum")
    count = normalizer(len(target))
    entropy = cross_entropy(class_logits, target, reduction="sum")
    return {"loss_classifier": entropy / count, "loss_box_reg": error / count}


def roi_candidates(
    class_logits: Tensor, deltas: Tensor, rois: Tensor, score_thresh: float
) -> tuple[Objects, Tensor]:
    """All pairs of region and class above the threshold.

    Args:
        class_logits: (P, 1 + K), background first.
        deltas: (P, 1 + K, 4) offsets.
        rois: (P, 4) xyxy in pixels.
        score_thresh: lowest score, exclusive.

    Returns:
        N scored boxes, and (N,) int64, the region of each.
    """
    scores = F.softmax(class_logits.to(rois.dtype), dim=1)[:, 1:]  # (P, K)
    roi, label = torch.nonzero(scores > score_thresh, as_tuple=True)
    boxes = decode_boxes(deltas[roi, 1 + label], rois[roi], BOX_WEIGHTS)
    return Objects(boxes=boxes, labels=label, scores=scores[roi, label]), roi


def image_index(boxes: Sequence[Tensor]) -> Tensor:
    """The image of each box.

    Args:
        boxes: (P_i, 4) of each image, P in all.

    Returns:
        (P,) int64.
    """
    return torch.cat([b.new_full((len(b),), i, dtype=torch.int64) for i, b in enumerate(boxes)])
