"""Is a golden case telling, and far enough from every threshold? For the make scripts only."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.ops import box_iou

GAP = 1e-5


def assert_far(values: Tensor, threshold: float) -> None:
    """No value within GAP of the threshold."""
    nearest = (values - threshold).abs().min().item()
    assert nearest > GAP, f"{nearest:.1e} from the threshold {threshold}"


def assert_overlaps_far(boxes: Tensor, labels: Tensor, threshold: float) -> None:
    """No two boxes of a class whose IoU is within GAP of the suppression's threshold."""
    same = torch.triu(labels[:, None] == labels, diagonal=1)
    if same.any():
        assert_far(box_iou(boxes, boxes)[same], threshold)


def assert_telling(scores: Tensor, found: dict, cap: int, least: int = 3) -> None:
    """Candidates (N,) and what is left of them: enough, of enough classes, without near ties."""
    count, classes = len(found["scores"]), len(set(found["labels"].tolist()))
    print(f"{len(scores)} candidates, {count} detections of {classes} classes")
    assert 5 <= count <= cap / 2, f"{count} detections"
    assert classes >= least, f"{classes} classes"
    assert count <= 0.8 * len(scores), "the suppression removes less than a fifth"
    gap = scores.sort().values.diff().min().item()
    assert gap > GAP, f"scores {gap:.1e} apart"


def assert_objects_far(iou: Tensor, thresholds: tuple[float, ...]) -> None:
    """No anchor (columns) whose best IoU is within GAP of a matching threshold."""
    best = iou.max(dim=0).values
    for threshold in thresholds:
        assert_far(best, threshold)
        print(f"{int((best >= threshold).sum())} anchors match at {threshold}")


def published_keys(model: torch.nn.Module, tower: Callable[[int], str]) -> list[tuple[str, str]]:
    """(published, today's) names; torchvision itself must accept the published ones.

    Published files hold frozen batch norms and were written by version 1 of the modules.
    """
    pairs = []
    for key in model.state_dict():
        old = key
        for block in ("inner_blocks", "layer_blocks"):
            for i in range(4):
                old = old.replace(f"fpn.{block}.{i}.0.", f"fpn.{block}.{i}.")
        for i in range(4):
            old = old.replace(f"mask_head.{i}.0.", f"mask_head.mask_fcn{i + 1}.")
            for head in ("classification_head", "regression_head"):
                old = old.replace(f"{head}.conv.{i}.0.", f"{head}.conv.{tower(i)}.")
        old = old.replace("rpn.head.conv.0.0.", "rpn.head.conv.")
        if not old.endswith("num_batches_tracked"):
            pairs.append((old, key))
    state = model.state_dict()
    missing, unexpected = model.load_state_dict(
        {old: state[key] for old, key in pairs}, strict=False
    )
    assert not unexpected, unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing), missing
    return pairs
