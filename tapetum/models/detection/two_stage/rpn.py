"""Region proposals: boxes that may hold something, whatever it is.

Ren et al. 2015, "Faster R-CNN: Towards Real-Time Object Detection with Region Proposal Networks"
(arXiv 1506.01497), section 3.1: a small convolution slides over every level of the pyramid and
says of every anchor whether it looks like an object and how to move it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.base.ranks import normalizer
from tapetum.layers.conv import init_small
from tapetum.models.detection.assign import assign, matched_objects, objects_of
from tapetum.ops.boxes import clip_boxes_to_image, decode_boxes, encode_boxes, remove_small_boxes
from tapetum.ops.losses import smooth_l1_loss
from tapetum.ops.matching import sample_balanced
from tapetum.ops.suppression import batched_nms
from tapetum.structures import Target

HIGH, LOW = 0.7, 0.3
"""IoU from which an anchor is an object, and below which background."""
POSITIVE_FRACTION = 0.5
SMALLEST = 1e-3
"""Pixels: narrower or lower proposals are dropped."""


class Sampled(NamedTuple):
    """The S anchors that take part in the loss."""

    image: Tensor  # (S,) int64
    anchor: Tensor  # (S,) int64
    match: Tensor  # (S,) int64, index of its object in its image, -1 background


class RPNHead(nn.Module):
    """Objectness and offsets of every anchor, the same convolution on all levels."""

    def __init__(self, channels: int, anchors: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.objectness = nn.Conv2d(channels, anchors, 1)
        self.deltas = nn.Conv2d(channels, anchors * 4, 1)
        self.relu = nn.ReLU()
        for conv in (self.conv, self.objectness, self.deltas):
            init_small(conv)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Pyramid maps (B, C, h, w) to logits (B, N) and offsets (B, N, 4), in anchor order."""
        logits, deltas = [], []
        for x in maps:
            x = self.relu(self.conv(x))
            logits.append(self.objectness(x).permute(0, 2, 3, 1).flatten(1))  # (B, h * w * A)
            deltas.append(self.deltas(x).permute(0, 2, 3, 1).reshape(len(x), -1, 4))
        return torch.cat(logits, dim=1), torch.cat(deltas, dim=1)


def propose(
    logits: Tensor,
    deltas: Tensor,
    anchors: Sequence[Tensor],
    sizes: Tensor,
    count: int,
    nms_threshold: float,
) -> list[Tensor]:
    """The best boxes (P, 4), at most `count`, of each image; gradients do not pass.

    The best `count` anchors of each level are moved, clipped to the content and suppressed level
    by level; the best `count` of all that survive are the proposals.

    logits (B, N), deltas (B, N, 4); anchors of each level, N in all; sizes (B, 2).
    """
    every = torch.cat(list(anchors))
    logits, deltas = logits.detach().to(every.dtype), deltas.detach()
    chosen, levels, start = [], [], 0
    for level, own in enumerate(anchors):
        best = logits[:, start : start + len(own)].topk(min(count, len(own)), dim=1).indices
        chosen.append(best + start)  # (B, k)
        levels.append(torch.full_like(best[0], level))
        start += len(own)
    index, level_of = torch.cat(chosen, dim=1), torch.cat(levels)
    proposals = []
    for i, size in enumerate(sizes.tolist()):
        boxes = decode_boxes(deltas[i, index[i]], every[index[i]])
        boxes = clip_boxes_to_image(boxes, tuple(size))
        solid = remove_small_boxes(boxes, SMALLEST)
        boxes, scores = boxes[solid], logits[i, index[i]][solid].sigmoid()
        proposals.append(boxes[batched_nms(boxes, scores, level_of[solid], nms_threshold)[:count]])
    return proposals


def sample_anchors(
    targets: Sequence[Target],
    anchors: Tensor,
    count: int,
    generators: Sequence[torch.Generator] | None,
) -> Sampled:
    """At most `count` anchors of each image, half of them on objects where there are enough."""
    parts = []
    for i, target in enumerate(targets):
        matches = assign(objects_of(target), anchors, HIGH, LOW, allow_low_quality=True)
        generator = None if generators is None else generators[i]
        anchor = torch.cat(sample_balanced(matches, count, POSITIVE_FRACTION, generator))
        parts.append((torch.full_like(anchor, i), anchor, matches[anchor]))
    return Sampled(*(torch.cat(column) for column in zip(*parts, strict=True)))


def proposal_losses(
    logits: Tensor, deltas: Tensor, anchors: Tensor, sampled: Sampled, targets: Sequence[Target]
) -> dict[str, Tensor]:
    """Cross entropy of object against background, smooth L1 of the offsets of the objects.

    Both are divided by the number of sampled anchors of the whole batch.
    """
    image, anchor, match = sampled
    count = normalizer(len(anchor))
    obj = match >= 0
    chosen = logits[image, anchor].to(anchors.dtype)
    entropy = F.binary_cross_entropy_with_logits(chosen, obj.to(chosen.dtype), reduction="sum")
    image, anchor, match = image[obj], anchor[obj], match[obj]
    boxes, _ = matched_objects(targets, image, match)
    offsets = encode_boxes(boxes, anchors[anchor])
    error = smooth_l1_loss(deltas[image, anchor], offsets, beta=1 / 9, reduction="sum")
    return {"objectness": entropy / count, "proposal_boxes": error / count}
