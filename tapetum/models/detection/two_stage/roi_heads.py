"""The second stage: what is in each region, and where exactly.

Girshick 2015, "Fast R-CNN" (arXiv 1504.08083): the pooled features of a region go through two dense
layers, which name its class and move its box, once for each class. Background is output 0 of the
classifier and nobody else's matter.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.base.ranks import normalizer
from tapetum.models.detection.assign import assign, crowd_of, matched_objects, objects_of
from tapetum.ops.boxes import decode_boxes, encode_boxes
from tapetum.ops.losses import cross_entropy, smooth_l1_loss
from tapetum.ops.matching import sample_balanced
from tapetum.structures import Objects, Target

BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
"""Offsets of proposals are small: these bring them near unit variance."""
OVERLAP = 0.5
"""IoU from which a proposal learns an object; below, background."""
POSITIVE_FRACTION = 0.25


class BoxHead(nn.Module):
    """Two dense layers over pooled features, then classes and offsets."""

    def __init__(self, channels: int, size: int, width: int, classes: int) -> None:
        super().__init__()
        self.dense1 = nn.Linear(channels * size * size, width)
        self.dense2 = nn.Linear(width, width)
        self.relu = nn.ReLU()
        self.classes = nn.Linear(width, 1 + classes)
        self.deltas = nn.Linear(width, (1 + classes) * 4)

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features (P, C, size, size) to logits (P, 1 + K) and offsets (P, 1 + K, 4)."""
        x = self.relu(self.dense1(pooled.flatten(1)))
        x = self.relu(self.dense2(x))
        return self.classes(x), self.deltas(x).unflatten(1, (-1, 4))


def sample_rois(
    proposals: Sequence[Tensor],
    targets: Sequence[Target],
    count: int,
    generators: Sequence[torch.Generator] | None,
) -> tuple[list[Tensor], Tensor]:
    """Of proposals and true boxes, `count` of each image to learn from (fewer where there are
    none), a quarter of them objects; and the object of each region (P,), -1 for none."""
    rois, matches = [], []
    for i, (boxes, target) in enumerate(zip(proposals, targets, strict=True)):
        generator = None if generators is None else generators[i]
        objects = objects_of(target)
        boxes = torch.cat((boxes, objects.boxes[~crowd_of(objects)].to(boxes.dtype)))
        match = assign(objects, boxes, OVERLAP, OVERLAP)
        chosen = torch.cat(sample_balanced(match, count, POSITIVE_FRACTION, generator))
        rois.append(boxes[chosen])
        matches.append(match[chosen])
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

    Both are divided by the number of regions (P) of the whole batch. class_logits (P, 1 + K),
    deltas (P, 1 + K, 4), regions (P, 4); image and match (P,) as `sample_rois` has them.
    """
    obj = torch.nonzero(match >= 0).flatten()
    boxes, labels = matched_objects(targets, image[obj], match[obj])
    target = torch.zeros_like(match)  # (P,) background
    target[obj] = 1 + labels
    offsets = encode_boxes(boxes, rois[obj], BOX_WEIGHTS)
    error = smooth_l1_loss(deltas[obj, 1 + labels], offsets, beta=1 / 9, reduction="sum")
    count = normalizer(len(target))
    entropy = cross_entropy(class_logits, target, reduction="sum")
    return {"classification": entropy / count, "boxes": error / count}


def roi_candidates(
    class_logits: Tensor, deltas: Tensor, rois: Tensor, score_threshold: float
) -> tuple[Objects, Tensor]:
    """All pairs of region and class above the threshold, as scored boxes (N), and the region of
    each (N,). Arguments as in `roi_losses`."""
    scores = F.softmax(class_logits.to(rois.dtype), dim=1)[:, 1:]  # (P, K)
    roi, label = torch.nonzero(scores > score_threshold, as_tuple=True)
    boxes = decode_boxes(deltas[roi, 1 + label], rois[roi], BOX_WEIGHTS)
    return Objects(boxes=boxes, labels=label, scores=scores[roi, label]), roi


def image_index(boxes: Sequence[Tensor]) -> Tensor:
    """(P,) int64: the position in the list of each of the P boxes in it."""
    return torch.cat([b.new_full((len(b),), i, dtype=torch.int64) for i, b in enumerate(boxes)])
