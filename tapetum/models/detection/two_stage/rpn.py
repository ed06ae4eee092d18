"""Region proposal network: boxes that may hold an object of any class.

Ren et al. 2015, "Faster R-CNN: Towards Real-Time Object Detection with Region Proposal Networks"
(arXiv 1506.01497), section 3.1: a small convolutional head runs over each level of the pyramid and
predicts for each anchor whether it is an object, and how to move it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tapetum.base.ranks import normalizer
from tapetum.layers.conv import init_small
from tapetum.models.detection.assign import Sampler, matched_objects, objects_of
from tapetum.ops.boxes import clip_boxes_to_image, decode_boxes, encode_boxes, remove_small_boxes
from tapetum.ops.losses import smooth_l1_loss
from tapetum.ops.suppression import batched_nms
from tapetum.structures import Target

MIN_SIZE = 1e-3
"""Pixels: narrower or lower proposals are dropped."""


class SampledAnchors(NamedTuple):
    """The S anchors of all images that take part in the losses."""

    image: Tensor  # (S,) int64
    anchor: Tensor  # (S,) int64
    match: Tensor  # (S,) int64, index of its object in its image, -1 background


class RPNHead(nn.Module):
    """Objectness and offsets of each anchor, with the same convolutions on all levels.

    Args:
        channels: of the pyramid maps.
        anchors: number of anchors of a cell.
    """

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
    *,
    pre_nms_top_n: int,
    post_nms_top_n: int,
    nms_thresh: float,
) -> list[Tensor]:
    """The best boxes (P, 4) of each image; gradients do not pass.

    The best anchors of each level are moved, clipped to the image and suppressed level by level;
    the best of all that are left are the proposals.

    Args:
        logits: (B, N) objectness.
        deltas: (B, N, 4) offsets of the anchors.
        anchors: those of each level, N in all, xyxy in pixels.
        sizes: (B, 2) height and width of the images without padding.
        pre_nms_top_n: anchors of each level before suppression.
        post_nms_top_n: proposals of an image after it.
        nms_thresh: IoU above which the weaker of two boxes of a level is dropped.

    Returns:
        (P, 4) xyxy in pixels for each image, the best first.
    """
    all_anchors = torch.cat(list(anchors))
    logits, deltas = logits.detach().to(all_anchors.dtype), deltas.detach()
    index, level = _best_of_each_level(logits, anchors, pre_nms_top_n)
    proposals = []
    for i, size in enumerate(sizes.tolist()):
        boxes = decode_boxes(deltas[i, index[i]], all_anchors[index[i]])
        boxes = clip_boxes_to_image(boxes, tuple(size))
        valid = remove_small_boxes(boxes, MIN_SIZE)
        boxes, scores = boxes[valid], logits[i, index[i]][valid].sigmoid()
        keep = batched_nms(boxes, scores, level[valid], nms_thresh)
        proposals.append(boxes[keep[:post_nms_top_n]])
    return proposals


def _best_of_each_level(
    logits: Tensor, anchors: Sequence[Tensor], count: int
) -> tuple[Tensor, Tensor]:
    """Indices (B, k) of the best `count` anchors of each level, and the level (k,) of each."""
    chosen, levels, start = [], [], 0
    for level, boxes in enumerate(anchors):
        end = start + len(boxes)
        best = logits[:, start:end].topk(min(count, len(boxes)), dim=1).indices
        chosen.append(best + start)
        levels.append(torch.full_like(best[0], level))
        start = end
    return torch.cat(chosen, dim=1), torch.cat(levels)


def sample_anchors(
    targets: Sequence[Target],
    anchors: Tensor,
    sampler: Sampler,
    generators: Sequence[torch.Generator] | None,
) -> SampledAnchors:
    """Draw the anchors of each image that take part in the losses.

    Args:
        targets: one an image.
        anchors: (N, 4) xyxy in pixels.
        sampler: draws from the anchors.
        generators: one an image; None takes the first ones.

    Returns:
        The anchors of all images.
    """
    parts = []
    for i, target in enumerate(targets):
        generator = None if generators is None else generators[i]
        anchor, match = sampler(objects_of(target), anchors, generator)
        parts.append((torch.full_like(anchor, i), anchor, match))
    return SampledAnchors(*(torch.cat(column) for column in zip(*parts, strict=True)))


def proposal_losses(
    logits: Tensor,
    deltas: Tensor,
    anchors: Tensor,
    sampled: SampledAnchors,
    targets: Sequence[Target],
) -> dict[str, Tensor]:
    """Cross entropy of object against background, smooth L1 of the offsets of the objects.

    Both are divided by the number of sampled anchors of the batch.

    Args:
        logits: (B, N) objectness.
        deltas: (B, N, 4) offsets.
        anchors: (N, 4) xyxy in pixels.
        sampled: the anchors that count.
        targets: one an image.

    Returns:
        {"loss_objectness": a scalar, "loss_rpn_box_reg": a scalar}.
    """
    image, anchor, match = sampled
    count = normalizer(len(anchor))
    positive = match >= 0
    chosen = logits[image, anchor].to(anchors.dtype)
    objectness = F.binary_cross_entropy_with_logits(
        chosen, positive.to(chosen.dtype), reduction="sum"
    )
    image, anchor, match = image[positive], anchor[positive], match[positive]
    boxes, _ = matched_objects(targets, image, match)
    offsets = encode_boxes(boxes, anchors[anchor])
    error = smooth_l1_loss(deltas[image, anchor], offsets, beta=1 / 9, reduction="sum")
    return {"loss_objectness": objectness / count, "loss_rpn_box_reg": error / count}
